import Glibc

/// Why migrations can't be applied, or the schema can't be trusted. `description` is for the person at the terminal.
package enum MigrationError: Error, Equatable, CustomStringConvertible {
  /// A file or directory can't be read or written; errno's text.
  case file(String, String)
  /// A name isn't NNNN_name.sql, two files have one number, or the text isn't UTF-8.
  case malformed(String, String)
  /// The directory and the database don't tell the same story.
  case difference(MigrationDifference)
  /// A statement of a file failed; nothing of the file was kept.
  case failed(file: String, String)
  /// The runner's own statements failed.
  case bookkeeping(String)
  case unreachable(String)

  package var description: String {
    switch self {
    case .file(let path, let reason): "\(path): \(reason)"
    case .malformed(let name, let reason): "\(name): \(reason)"
    case .difference(let difference): difference.description
    case .failed(let file, let reason): "\(file) failed and was rolled back: \(reason)"
    case .bookkeeping(let reason): "smile_migration: \(reason)"
    case .unreachable(let reason): "the database can't be reached: \(reason)"
    }
  }
}

/// One numbered SQL file.
struct MigrationFile: Equatable {
  let version: Int
  let name: String
  let text: [UInt8]
  /// `-- role: superuser`: runs as the connecting user instead of the owner role.
  let asConnectingUser: Bool
  /// `-- transaction: none`: each statement by itself, for CREATE INDEX CONCURRENTLY and its like.
  let withoutTransaction: Bool

  var fileName: String { Self.fileName(version, name) }

  static func fileName(_ version: Int, _ name: String) -> String {
    let digits = String(version)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "_" + name + ".sql"
  }

  init(fileName: String, text: [UInt8]) throws(MigrationError) {
    guard let (version, name) = Self.parse(fileName) else {
      throw .malformed(fileName, "a migration is called NNNN_name.sql, the name of a-z, 0-9 and _")
    }
    guard !text.contains(0), String(validating: text, as: UTF8.self) != nil else {
      throw .malformed(fileName, "the text isn't UTF-8 or holds a NUL")
    }
    self.version = version
    self.name = name
    self.text = text
    let header = Self.header(of: text)
    asConnectingUser = version == 1 || header.contains { $0.elementsEqual("-- role: superuser".utf8) }
    withoutTransaction = header.contains { $0.elementsEqual("-- transaction: none".utf8) }
  }

  /// The comment lines that a text begins with. By bytes: a server reads all files whenever it starts.
  private static func header(of text: [UInt8]) -> [ArraySlice<UInt8>] {
    var lines: [ArraySlice<UInt8>] = []
    var rest = text[...]
    while rest.starts(with: "--".utf8) {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      lines.append(rest[..<end])
      rest = rest[end...].dropFirst()
    }
    return lines
  }

  private static func parse(_ fileName: String) -> (Int, String)? {
    let bytes = Array(fileName.utf8)
    guard bytes.count > 9, bytes[4] == UInt8(ascii: "_"), fileName.hasSuffix(".sql") else { return nil }
    var version = 0
    for byte in bytes[0..<4] {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return nil }
      version = version * 10 + Int(byte - UInt8(ascii: "0"))
    }
    let name = String(decoding: bytes[5..<(bytes.count - 4)], as: UTF8.self)
    return version > 0 && isName(name) ? (version, name) : nil
  }

  /// Whether a name may stand in a file's name.
  static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 80
      && name.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
          || byte == UInt8(ascii: "_")
      }
  }

  /// All files of a directory by number. Other files than .sql are left alone.
  static func all(in directory: String) throws(MigrationError) -> [MigrationFile] {
    var files: [MigrationFile] = []
    for name in try names(in: directory).sorted() where name.hasSuffix(".sql") {
      let file = try MigrationFile(fileName: name, text: read(directory + "/" + name))
      if let last = files.last, last.version == file.version {
        throw .malformed(name, "\(last.fileName) has the same number")
      }
      files.append(file)
    }
    return files
  }

  private static func names(in directory: String) throws(MigrationError) -> [String] {
    guard let stream = unsafe opendir(directory) else { throw .file(directory, systemMessage()) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      names.append(name)
    }
    return names
  }

  private static func read(_ path: String) throws(MigrationError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .file(path, systemMessage()) }
    defer { close(descriptor) }
    var text: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe Glibc.read(descriptor, &block, block.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .file(path, systemMessage()) }
      if count == 0 { return text }
      text.append(contentsOf: block[..<count])
    }
  }

  /// Makes the next numbered file and returns its path; never overwrites.
  static func create(_ name: String, in directory: String) throws(MigrationError) -> String {
    guard isName(name) else { throw .malformed(name, "a migration's name is made of a-z, 0-9 and _") }
    let next = (try all(in: directory).last?.version ?? 0) + 1
    guard next <= 9_999 else { throw .malformed(name, "there is no number after 9999") }
    let path = directory + "/" + fileName(next, name)
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .file(path, systemMessage()) }
    defer { close(descriptor) }
    let text = Array("-- Why this change is needed, in a sentence.\n".utf8)
    guard unsafe write(descriptor, text, text.count) == text.count else { throw .file(path, systemMessage()) }
    return path
  }

  private static func systemMessage() -> String { unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error" }
}
