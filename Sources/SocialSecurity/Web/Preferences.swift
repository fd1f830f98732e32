import HTTPServer

/// What a client would like without insisting on it (RFC 7240): its `Prefer` fields taken together, names and values in
/// lower case, a value's quotes and what follows a semicolon left out.
struct Preferences: Sendable {
  private let all: [String]

  init(_ headers: Headers) {
    all = headers.all("prefer").flatMap { String(decoding: $0, as: UTF8.self).split(separator: ",") }
      .map { preference in
        preference.prefix { $0 != ";" }.filter { !" \t\"".contains($0) }.lowercased()
      }
  }

  /// The value of the first preference of that name.
  func value(_ name: String) -> String? {
    all.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.utf8.count + 1)) }
  }

  /// Whether a change is only to be rehearsed.
  var wantsRollback: Bool { value("tx") == "rollback" }
}
