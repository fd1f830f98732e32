import JSON

/// A request's query parameters, each known to its endpoint and at most once.
package struct Query: Sendable {
  private var values: [(name: String, value: String)] = []
  /// Unknown and repeated parameters and broken escapes, to be told after the caller is known.
  package private(set) var errors: [FieldError] = []

  /// - Parameters:
  ///   - raw: what stands after `?`, still escaped.
  ///   - known: the names that the endpoint understands.
  package init(_ raw: [UInt8]?, known: [String]) {
    guard let raw, !raw.isEmpty else { return }
    for pair in raw.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
      let halves = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Query.decoded(halves[0]), let value = Query.decoded(halves.count > 1 ? halves[1] : []) else {
        errors.append(FieldError(parameter: "query", .invalidFormat("percent-encoded UTF-8")))
        continue
      }
      if !known.contains(name) {
        errors.append(FieldError(parameter: name, FieldProblem("unknown_parameter")))
      } else if values.contains(where: { $0.name == name }) {
        errors.append(FieldError(parameter: name, FieldProblem("repeated_parameter")))
      } else {
        values.append((name, value))
      }
    }
  }

  /// Every parameter, in the order sent.
  var pairs: [(name: String, value: String)] { values }

  package subscript(_ name: String) -> String? { values.first { $0.name == name }?.value }

  /// A value read by its own type.
  ///
  /// - Throws: 400 naming the parameter.
  package func value<T: JSONTextReadable>(_ name: String, as _: T.Type = T.self) throws(Failure) -> T? {
    guard let text = self[name] else { return nil }
    do {
      return try T(parsing: text)
    } catch {
      throw .invalid(parameter: name, error)
    }
  }

  /// `true` or `false`; absent is false.
  package func flag(_ name: String) throws(Failure) -> Bool {
    switch self[name] {
    case nil, "false": return false
    case "true": return true
    default: throw .invalid(parameter: name, .notAllowed(["true", "false"]))
    }
  }

  /// `limit`, 1 to 200; 50 when absent.
  package func limit(default standard: Int64 = 50, max: Int64 = 200) throws(Failure) -> Int64 {
    guard let text = self["limit"] else { return standard }
    guard let value = Query.digits(text), (1...max).contains(value) else {
      throw .invalid(parameter: "limit", .outOfRange(min: 1, max: max))
    }
    return value
  }

  /// `after`: an opaque cursor from a page's `next_after`.
  package func after() throws(Failure) -> String? {
    guard let text = self["after"] else { return nil }
    let allowed = text.utf8.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
        || byte == 0x2D || byte == 0x5F || byte == 0x2E || byte == 0x3A
    }
    guard allowed, (1...128).contains(text.utf8.count) else {
      throw .invalid(parameter: "after", .invalidFormat("cursor"))
    }
    return text
  }

  /// Plain digits only: `Int(_:)` would take `+5`.
  private static func digits(_ text: String) -> Int64? {
    var value: Int64 = 0
    guard (1...9).contains(text.utf8.count) else { return nil }
    for byte in text.utf8 {
      guard (0x30...0x39).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - 0x30)
    }
    return value
  }

  /// One percent-decoding (RFC 3986 section 2.1), `+` as a space; nil for broken escapes, NUL and invalid UTF-8.
  static func decoded(_ bytes: some Collection<UInt8>) -> String? {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var pending: [UInt8] = []
    for byte in bytes {
      if !pending.isEmpty {
        pending.append(byte)
        guard pending.count == 3 else { continue }
        guard let high = hexDigit(pending[1]), let low = hexDigit(pending[2]) else { return nil }
        result.append(high << 4 | low)
        pending.removeAll(keepingCapacity: true)
      } else if byte == UInt8(ascii: "%") {
        pending.append(byte)
      } else {
        result.append(byte == UInt8(ascii: "+") ? 0x20 : byte)
      }
    }
    guard pending.isEmpty, !result.contains(0) else { return nil }
    return String(validating: result, as: UTF8.self)
  }

  /// Percent-encodes all but unreserved characters (RFC 3986 section 2.3).
  static func encoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: result.append(byte)
      default: result += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
  }
}
