import Glibc
import Testing

@testable import HTTPServer

/// The raw requests that the black-box tests send too (Tests/Edge/raw_http_cases.jsonl).
struct RawCase: Sendable, CustomTestStringConvertible {
  let name: String
  let expectation: String
  let bytes: [UInt8]

  var testDescription: String { name }

  static let all: [RawCase] = {
    let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    guard let text = readFile("/\(folder)/Edge/raw_http_cases.jsonl") else { return [] }
    return text.split(separator: "\n").map { line in
      RawCase(
        name: value("id", in: line), expectation: value("expect", in: line),
        bytes: decodeBase64(value("bytes_b64", in: line)))
    }
  }()

  /// The text of a member. The file is our own: its strings hold no escaped quotes.
  private static func value(_ name: String, in line: Substring) -> String {
    guard let rest = line.after("\"\(name)\": \"") else { return "" }
    return String(rest.prefix { $0 != "\"" })
  }

  private static func readFile(_ path: String) -> String? {
    guard let file = unsafe fopen(path, "r") else { return nil }
    defer { unsafe fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = unsafe fread(&buffer, 1, buffer.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += buffer[0..<count]
    }
  }

  private static func decodeBase64(_ text: String) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for character in text.utf8 {
      guard let digit = alphabet.firstIndex(of: character) else { continue }
      bits = bits << 6 | UInt32(digit)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }
}

extension Substring {
  /// What follows the first occurrence of `text`.
  fileprivate func after(_ text: String) -> Substring? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(text) { return self[index(start, offsetBy: text.count)...] }
      start = index(after: start)
    }
    return nil
  }
}

/// What a parser makes of bytes that come in the given pieces, as lines of text: neighbouring body bytes joined, and an
/// error as its status, since the same fault may be noticed at different places.
func transcript(_ pieces: [ArraySlice<UInt8>], limits: Limits = Limits(), hosts: [[UInt8]] = []) -> [String] {
  var parser = RequestParser(limits: limits, allowedHosts: hosts)
  var pending: [UInt8] = []
  var lines: [String] = []
  var body: [UInt8] = []
  func endBody() {
    if !body.isEmpty { lines.append("body \(body)") }
    body = []
  }
  for piece in pieces {
    pending += piece
    var isWaiting = false
    while !isWaiting {
      do throws(FramingError) {
        let (event, consumed) = try parser.next(pending.span)
        switch event {
        case .needMore: isWaiting = true
        case .head(let head): lines.append(describe(head))
        case .body(let range): body += pending[range]
        case .end:
          endBody()
          lines.append("end")
          if pending.count == consumed { isWaiting = true }
        }
        pending.removeSubrange(0..<consumed)
      } catch {
        body = []
        return lines + ["error \(error.status)"]
      }
    }
  }
  endBody()
  return lines
}

private func describe(_ head: RequestHead) -> String {
  let query = head.target.query.map { "?" + String(decoding: $0, as: UTF8.self) } ?? ""
  return "\(head.method.name) \(String(decoding: head.target.path, as: UTF8.self))\(query) \(head.framing)"
    + " fields=\(head.headers.count) closes=\(head.closes) continue=\(head.expectsContinue)"
}
