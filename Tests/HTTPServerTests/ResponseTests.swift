import Testing

@testable import HTTPServer

@Suite struct ResponseTests {
  private func head(
    _ response: Response, method: Method? = .GET, isHTTP10: Bool = false, closes: Bool = false
  ) -> String {
    var bytes: [UInt8] = []
    ResponseEncoder(method: method, isHTTP10: isHTTP10).encodeHead(
      of: response, closes: closes, date: Array("Date: x\r\n".utf8), to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  private let stream = ResponseBody.stream(length: nil) { nil }

  @Test func lengthsAreAlwaysKnown() {
    #expect(
      head(Response(status: 200, body: .bytes([1, 2, 3]))) == "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\n\r\n")
    #expect(head(Response(status: 404)) == "HTTP/1.1 404 Not Found\r\nDate: x\r\nContent-Length: 0\r\n\r\n")
    #expect(head(Response(status: 200, body: stream)).contains("Transfer-Encoding: chunked\r\n"))
    #expect(head(Response(status: 200, body: .stream(length: 7) { nil })).contains("Content-Length: 7\r\n"))
  }

  @Test func headGetsTheLengthButNoContent() {
    let response = Response(status: 200, body: .bytes([1, 2, 3]))
    #expect(head(response, method: .HEAD).contains("Content-Length: 3\r\n"))
    #expect(ResponseEncoder(method: .HEAD, isHTTP10: false).content(of: response) == .none)
    #expect(!head(Response(status: 200, body: stream), method: .HEAD).contains("chunked"))
  }

  @Test(arguments: [204, 304])
  func answersWithoutContentHaveNoLength(status: Int) {
    let response = Response(status: status, body: .bytes([1]))
    #expect(!head(response).contains("Content-Length"))
    #expect(ResponseEncoder(method: .GET, isHTTP10: false).content(of: response) == .none)
  }

  @Test func anOldClientGetsNoChunks() {
    #expect(!head(Response(status: 200, body: stream), isHTTP10: true).contains("chunked"))
    #expect(
      ResponseEncoder(method: .GET, isHTTP10: true).content(of: Response(status: 200, body: stream)) == .untilClose)
  }

  @Test func statusesThatAreNoneBecome500() {
    for status in [0, 100, 101, 199, 600, -1] {
      #expect(head(Response(status: status)).hasPrefix("HTTP/1.1 500 Internal Server Error\r\n"))
    }
    #expect(head(Response(status: 299)).hasPrefix("HTTP/1.1 299 \r\n"))
  }

  @Test(arguments: ["a\r\nSet-Cookie: x", "a\rb", "a\nb", "a\0b", "a\u{1b}b", "a\u{7f}", "café"])
  func valuesThatCouldEndAFieldAreRefused(value: String) {
    var headers = ResponseHeaders()
    let isAdded = headers.append("Location", value)
    #expect(!isAdded && headers.lines.isEmpty)
    let areBytesAdded = headers.append("Location", Array(value.utf8))
    #expect(!areBytesAdded && headers.lines.isEmpty)
  }

  @Test func namesThatAreNoneOrTheServersAreRefused() {
    var headers = ResponseHeaders()
    let names: [StaticString] = ["", "a b", "a:", "a\r\nb", "Content-Length", "transfer-encoding", "CONNECTION", "Date"]
    for name in names {
      let isAdded = headers.append(name, "x")
      #expect(!isAdded)
    }
    #expect(headers.lines.isEmpty)
  }

  @Test func fieldsAreFoundByName() {
    var headers = ResponseHeaders()
    headers.append("ETag", "\"1\"")
    headers.append("Cache-Control", "no-store")
    #expect(headers.contains("etag") && headers.contains("cache-control"))
    #expect(!headers.contains("cache") && !headers.contains("no-store") && !headers.contains("x"))
    #expect(String(decoding: headers.lines, as: UTF8.self) == "ETag: \"1\"\r\nCache-Control: no-store\r\n")
  }

  @Test func fieldsGoByName() {
    var headers = ResponseHeaders()
    headers.append("ETag", "\"1\"")
    headers.append("Content-Type", "a")
    headers.append("Content-Type-Of", "b")
    headers.append("content-type", "c")
    headers.remove("content-type")
    #expect(String(decoding: headers.lines, as: UTF8.self) == "ETag: \"1\"\r\nContent-Type-Of: b\r\n")
    headers.remove("etag")
    headers.remove("content-type-of")
    headers.remove("x")
    #expect(headers.lines.isEmpty)
  }
}
