// swift-tools-version: 6.2
// No dependencies: the toolchain and three C libraries (libpq, libcrypto, libcrypt) are all that the product needs.
import PackageDescription

let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func program(_ name: String, _ folder: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, path: "Sources/\(folder)", swiftSettings: settings)
}

func tests(_ module: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .testTarget(
    name: "\(module)Tests", dependencies: [.target(name: module)] + dependencies, swiftSettings: settings)
}

let package = Package(
  name: "smile",
  products: [
    .executable(name: "smile-server", targets: ["smile-server"]),
    .executable(name: "smile-migrate", targets: ["smile-migrate"]),
    .executable(name: "smile-admin", targets: ["smile-admin"]),
  ],
  targets: [
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CLibPQ", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CLibCrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLibCrypt", providers: [.apt(["libcrypt-dev"])]),

    module("EventLoop", ["CLinux"]),
    module("HTTPServer", ["EventLoop", "CLinux"]),
    module("PostgresClient", ["EventLoop", "CLibPQ", "CLinux"]),
    module("JSON"),
    module("Crypto", ["CLibCrypto", "CLibCrypt"]),
    module("Supervisor", ["CLinux", "JSON"]),
    module("SocialSecurity", ["EventLoop", "HTTPServer", "PostgresClient", "JSON", "Crypto", "Supervisor"]),

    program("smile-server", "Server", ["SocialSecurity", "Supervisor"]),
    program("smile-migrate", "Migrate", ["PostgresClient"]),
    program("smile-admin", "Admin", ["SocialSecurity"]),

    .executableTarget(
      name: "hello-server", dependencies: ["EventLoop", "HTTPServer", "CLinux"], path: "Benchmarks/HelloServer",
      swiftSettings: settings),

    .target(name: "TestSupport", dependencies: ["EventLoop"], path: "Tests/TestSupport", swiftSettings: settings),
    tests("EventLoop", ["CLinux", "TestSupport"]),
    tests("HTTPServer", ["EventLoop", "CLinux", "TestSupport"]),
    tests("PostgresClient", ["EventLoop", "CLinux", "TestSupport"]),
    tests("JSON", ["TestSupport"]),
    tests("Crypto", ["TestSupport"]),
    .executableTarget(
      name: "supervisor-probe", dependencies: ["Supervisor", "JSON", "CLinux"], path: "Tests/SupervisorProbe",
      swiftSettings: settings),
    tests("Supervisor", ["CLinux", "JSON", "supervisor-probe"]),
    tests("SocialSecurity", ["HTTPServer", "JSON", "Crypto", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
