import TestSupport
import Testing

@testable import HTTPServer

@Suite struct RequestParserTests {
  @Test func theCasesAreThere() {
    #expect(RawCase.all.count > 250)
  }

  @Test(arguments: RawCase.all)
  func everySplitOfAMessageGivesTheSame(_ raw: RawCase) {
    let bytes = raw.bytes
    let whole = transcript([bytes[...]])
    var cuts = Array(0..<bytes.count)
    if bytes.count > 600 {
      let seed = UInt64.random(in: 0 ... .max)
      var random = SeededGenerator(seed: seed)
      cuts = (0..<60).map { _ in Int.random(in: 0..<bytes.count, using: &random) }
    }
    for cut in cuts {
      #expect(transcript([bytes[..<cut], bytes[cut...]]) == whole, "cut at \(cut)")
    }
    if bytes.count <= 10_000 {
      #expect(transcript(bytes.indices.map { bytes[$0...$0] }) == whole, "byte by byte")
    }
  }

  @Test(arguments: RawCase.all)
  func whatIsExpectedComesOut(_ raw: RawCase) {
    let lines = transcript([raw.bytes[...]])
    let isRefused = lines.last?.hasPrefix("error") == true
    switch raw.expectation {
    case "accept": #expect(lines.contains("end") && !isRefused)
    case "reject": #expect(isRefused)
    default: #expect(lines.isEmpty)
    }
  }

  /// One byte of a valid request replaced by each of the 256, at each place: whatever that makes of it, the parser says
  /// something, and says the same when the byte comes alone.
  @Test func everyByteAtEveryPlaceIsJudged() {
    let head = "POST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    let request = Array("\(head)2;a=\"b\"\r\nxy\r\n0\r\nT: u\r\n\r\n".utf8)
    for place in request.indices {
      for value in UInt8.min ... .max {
        var changed = request
        changed[place] = value
        let whole = transcript([changed[...]])
        let pieces = [changed[..<place], changed[place...place], changed[(place + 1)...]]
        #expect(transcript(pieces) == whole, "byte \(value) at \(place)")
      }
    }
  }

  /// Random damage: the parser must refuse, wait or accept, but never trap (a trap ends the process and this test with
  /// it).
  @Test func damagedMessagesNeverTrap() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    print("damagedMessagesNeverTrap: seed \(seed)")
    let messages = RawCase.all.map(\.bytes).filter { $0.count < 2_000 && !$0.isEmpty }
    for _ in 0..<20_000 {
      guard var bytes = messages.randomElement(using: &random) else { return }
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0 ... .max, using: &random)
        case 1: bytes.insert(UInt8.random(in: 0 ... .max, using: &random), at: place)
        case 2 where bytes.count > 1: bytes.remove(at: place)
        default: bytes.insert(contentsOf: messages.randomElement(using: &random) ?? [], at: place)
        }
      }
      let cut = Int.random(in: 0...bytes.count, using: &random)
      _ = transcript([bytes[..<cut], bytes[cut...]])
    }
  }

  @Test(arguments: [
    ("/", "/"), ("/a%20b", "/a b"), ("/caf%C3%A9", "/café"), ("/a/", "/a/"), ("/%2E%2Ea", "/..a"), ("/...", "/..."),
    ("/a%25b", "/a%b"), ("http://h", "/"), ("https://H/x", "/x"),
  ])
  func pathsAreDecodedOnce(target: String, path: String) {
    let lines = transcript([Array("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n".utf8)[...]])
    #expect(lines.first?.hasPrefix("GET \(path) none") == true, "\(lines)")
  }

  @Test(arguments: [
    ("api.example", "end"), ("API.Example:8443", "end"), ("other.example", "error 421"),
    ("api.example.evil", "error 421"),
  ])
  func onlyAllowedHostsAreServed(host: String, last: String) {
    let allowed = [Array("api.example".utf8)]
    let lines = transcript([Array("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8)[...]], hosts: allowed)
    #expect(lines.last == last)
  }

  @Test func limitsAreExact() {
    var limits = Limits()
    limits.requestLine = 20
    limits.fieldCount = 3
    limits.body = 5
    let request = { (target: String, fields: String) in
      transcript([Array("POST \(target) HTTP/1.1\r\nHost: h\r\n\(fields)\r\n".utf8)[...]], limits: limits).last
    }
    #expect(request("/234567", "") == "error 414")
    #expect(request("/23456", "") == "end")
    #expect(request("/", "A: 1\r\nB: 1\r\n") == "end")
    #expect(request("/", "A: 1\r\nB: 1\r\nC: 1\r\n") == "error 431")
    #expect(request("/", "Content-Length: 6\r\n") == "error 413")
    #expect(request("/", "Content-Length: 5\r\n")?.contains("length(5)") == true)
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    #expect(transcript([Array("\(chunked)2\r\nde\r\n0\r\n\r\n".utf8)[...]], limits: limits).last == "end")
    #expect(transcript([Array("\(chunked)3\r\n".utf8)[...]], limits: limits).last == "error 413")
  }
}
