import Testing

@testable import HTTPServer

@Suite struct HTTPDateTests {
  /// The first is the example of RFC 9110 section 5.6.7; the others are the edges of leap years.
  @Test(arguments: [
    (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
    (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
    (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
    (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
    (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
    (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
    (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
    (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
  ])
  func secondsAreWrittenAsFixedDates(seconds: Int64, text: String) {
    var bytes: [UInt8] = []
    HTTPDate.append(seconds, to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == text)
  }

  @Test func theLineIsMadeOncePerSecond() {
    var date = HTTPDate()
    date.update(to: 784_111_777)
    #expect(String(decoding: date.line, as: UTF8.self) == "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
    date.update(to: 784_111_778)
    #expect(String(decoding: date.line, as: UTF8.self) == "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n")
  }
}
