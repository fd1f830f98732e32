/// The tokens of a JSON text (RFC 8259, sections 2, 3, 6 and 7).
struct JSONScanner {
  /// A string with its escapes resolved.
  struct StringToken {
    var text: String
    /// False when it holds NUL, or an escaped lone surrogate (which `text` shows as U+FFFD).
    var isStorable = true
  }

  private let bytes: [UInt8]
  private var offset = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private func failure(_ reason: JSONSyntaxError.Reason) -> JSONSyntaxError {
    JSONSyntaxError(reason, at: offset, in: bytes)
  }

  /// What to throw when the current byte can't stand here.
  func unexpected() -> JSONSyntaxError {
    failure(offset < bytes.count ? .unexpectedByte : .unexpectedEnd)
  }

  func refuseByteOrderMark() throws(JSONSyntaxError) {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw failure(.byteOrderMark) }
  }

  private mutating func skipSpace() {
    while let byte = current,
      byte == ASCII.space || byte == ASCII.lineFeed || byte == ASCII.carriageReturn || byte == ASCII.tab
    {
      offset += 1
    }
  }

  /// Skips white space and returns the byte that starts the next token.
  mutating func token() throws(JSONSyntaxError) -> UInt8 {
    skipSpace()
    guard let byte = current else { throw failure(bytes.isEmpty ? .empty : .unexpectedEnd) }
    return byte
  }

  /// Steps over a byte that `token()` has returned.
  mutating func skipByte() {
    offset += 1
  }

  mutating func end() throws(JSONSyntaxError) {
    skipSpace()
    if offset < bytes.count { throw failure(.trailingBytes) }
  }

  mutating func literal(_ text: String) throws(JSONSyntaxError) {
    for expected in text.utf8 {
      guard current == expected else { throw unexpected() }
      offset += 1
    }
  }

  /// A member's name and the colon after it.
  mutating func memberName() throws(JSONSyntaxError) -> StringToken {
    guard current == ASCII.quote else { throw unexpected() }
    let name = try string()
    guard try token() == ASCII.colon else { throw unexpected() }
    offset += 1
    return name
  }

  /// `[ minus ] int [ frac ] [ exp ]` (section 6).
  mutating func number() throws(JSONSyntaxError) -> String {
    let start = offset
    if current == ASCII.minus { offset += 1 }
    if current == ASCII.zero {
      offset += 1
    } else {
      try digits()
    }
    if current == ASCII.dot {
      offset += 1
      try digits()
    }
    if current == 0x65 || current == 0x45 {
      offset += 1
      if current == ASCII.plus || current == ASCII.minus { offset += 1 }
      try digits()
    }
    return try text(start..<offset)
  }

  /// At least one digit.
  private mutating func digits() throws(JSONSyntaxError) {
    let start = offset
    while let byte = current, ASCII.isDigit(byte) { offset += 1 }
    if offset == start { throw failure(offset < bytes.count ? .invalidNumber : .unexpectedEnd) }
  }

  /// A string from its opening to its closing quote (section 7).
  mutating func string() throws(JSONSyntaxError) -> StringToken {
    offset += 1
    let start = offset
    while let byte = current {
      if byte == ASCII.quote {
        let text = try text(start..<offset)
        offset += 1
        return StringToken(text: text)
      }
      if byte == ASCII.backslash { return try escapedString(from: start) }
      if byte < ASCII.space { throw failure(.controlCharacter) }
      offset += 1
    }
    throw failure(.unexpectedEnd)
  }

  /// The rest of a string whose first escape has been met.
  private mutating func escapedString(from start: Int) throws(JSONSyntaxError) -> StringToken {
    var token = StringToken(text: "")
    var runStart = start
    while let byte = current {
      if byte == ASCII.quote {
        token.text.append(try text(runStart..<offset))
        offset += 1
        return token
      }
      if byte < ASCII.space { throw failure(.controlCharacter) }
      guard byte == ASCII.backslash else {
        offset += 1
        continue
      }
      token.text.append(try text(runStart..<offset))
      offset += 1
      let scalar = try escape()
      if scalar == nil || scalar == "\0" { token.isStorable = false }
      token.text.unicodeScalars.append(scalar ?? "\u{FFFD}")
      runStart = offset
    }
    throw failure(.unexpectedEnd)
  }

  /// What follows a backslash; nil for a lone surrogate.
  private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar? {
    guard let byte = current else { throw failure(.unexpectedEnd) }
    let scalar: Unicode.Scalar
    switch byte {
    case ASCII.quote: scalar = "\""
    case ASCII.backslash: scalar = "\\"
    case 0x2F: scalar = "/"
    case 0x62: scalar = "\u{8}"
    case 0x66: scalar = "\u{C}"
    case 0x6E: scalar = "\n"
    case 0x72: scalar = "\r"
    case 0x74: scalar = "\t"
    case 0x75:
      offset += 1
      return try unicodeEscape()
    default: throw failure(.invalidEscape)
    }
    offset += 1
    return scalar
  }

  /// Four hexadecimal digits, and the second half of a surrogate pair where they begin one.
  private mutating func unicodeEscape() throws(JSONSyntaxError) -> Unicode.Scalar? {
    let unit = try hexadecimalUnit()
    guard (0xD800...0xDBFF).contains(unit) else { return Unicode.Scalar(unit) }
    guard current == ASCII.backslash, offset + 1 < bytes.count, bytes[offset + 1] == 0x75 else { return nil }
    let afterFirst = offset
    offset += 2
    let second = try hexadecimalUnit()
    guard (0xDC00...0xDFFF).contains(second) else {
      // Not a pair: the second escape stands for itself.
      offset = afterFirst
      return nil
    }
    return Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00))
  }

  private mutating func hexadecimalUnit() throws(JSONSyntaxError) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current else { throw failure(.unexpectedEnd) }
      guard let digit = ASCII.hexValue(byte) else { throw failure(.invalidEscape) }
      unit = unit << 4 | digit
      offset += 1
    }
    return unit
  }

  /// The bytes of a range as text; they must be valid UTF-8 (no overlong forms, no surrogates).
  private func text(_ range: Range<Int>) throws(JSONSyntaxError) -> String {
    do {
      return String(copying: try UTF8Span(validating: bytes.span.extracting(range)))
    } catch {
      throw JSONSyntaxError(.invalidUTF8, at: range.lowerBound + error.byteOffsets.lowerBound, in: bytes)
    }
  }
}
