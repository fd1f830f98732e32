import CLinux
import EventLoop
import Glibc
import TestSupport
import Testing

@testable import HTTPServer

/// Requests and answers over real sockets.
@Suite(.onTheLoop) struct ConnectionTests {
  @Test @LoopActor func aConnectionServesOneRequestAfterAnother() async throws {
    let server = try TestServer()
    let client = try server.connect()
    for path in ["/a", "/b", "/c"] {
      await client.send(get(path))
      let answer = await client.answer()
      #expect(answer?.status == 200 && answer?.body == path && answer?.fields["connection"] == nil)
    }
    #expect(server.server.connectionCount == 1)
    await server.stop()
  }

  @Test @LoopActor func pipelinedRequestsAreAnsweredInTheirOrder() async throws {
    let server = try TestServer(
      TestHandler { request in
        // The first ones take the longest.
        if request.path.count < 4 { await sleep(for: .milliseconds(5)) }
        return Response(status: 200, body: .bytes(request.path))
      })
    let client = try server.connect()
    await client.send((0..<200).map { get("/\($0)") }.joined())
    for number in 0..<200 {
      let answer = await client.answer()
      #expect(answer?.body == "/\(number)")
    }
    await server.stop()
  }

  @Test @LoopActor func headIsAnsweredWithoutContent() async throws {
    let server = try TestServer()
    let client = try server.connect()
    await client.send("HEAD /abc HTTP/1.1\r\nHost: h\r\n\r\n" + get("/d"))
    let head = await client.answer(isHead: true)
    #expect(head?.status == 200 && head?.fields["content-length"] == "4")
    let next = await client.answer()
    #expect(next?.body == "/d")
    await server.stop()
  }

  @Test(arguments: [
    "Content-Length: 5\r\n|hello",
    "Transfer-Encoding: chunked\r\n|2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
  ])
  @LoopActor
  func bodiesArriveHoweverTheyAreCut(message: String) async throws {
    let parts = message.split(separator: "|", maxSplits: 1).map { String($0) }
    let server = try TestServer(.body)
    let client = try server.connect()
    let bytes = Array(post("/", parts[0], parts[1]).utf8)
    for byte in bytes {
      await client.send([byte])
      await sleep(for: .microseconds(50))
    }
    await client.send(bytes)
    for _ in 0..<2 {
      let answer = await client.answer()
      #expect(answer?.status == 200 && answer?.body == "hello")
    }
    await server.stop()
  }

  @Test @LoopActor func continueIsSentWhenTheHandlerPulls() async throws {
    let server = try TestServer(.body)
    let client = try server.connect()
    await client.send(post("/", "Content-Length: 5\r\nExpect: 100-continue\r\n"))
    let interim = await client.answer()
    #expect(interim?.status == 100)
    await client.send("hello")
    let answer = await client.answer()
    #expect(answer?.status == 200 && answer?.body == "hello" && answer?.fields["connection"] == nil)
    await server.stop()
  }

  @Test @LoopActor func aHandlerThatDoesNotPullSendsNoContinue() async throws {
    let server = try TestServer(TestHandler { _ in Response(status: 401) })
    let client = try server.connect()
    await client.send(post("/", "Content-Length: 5\r\nExpect: 100-continue\r\n"))
    let answer = await client.answer()
    #expect(answer?.status == 401 && answer?.fields["connection"] == "close")
    #expect(await eventually { client.end == .closed })
    await server.stop()
  }

  @Test @LoopActor func aBodyThatIsDeclaredTooLargeIsRefusedUnread() async throws {
    let server = try TestServer(.body)
    let client = try server.connect()
    await client.send(post("/", "Content-Length: 5000000\r\nExpect: 100-continue\r\n"))
    let answer = await client.answer()
    #expect(answer?.status == 413 && answer?.fields["connection"] == "close")
    await server.stop()
  }

  @Test @LoopActor func anEarlyAnswerNeverMakesTheBodyARequest() async throws {
    let server = try TestServer(TestHandler { request in Response(status: 401, body: .bytes(request.path)) })
    let client = try server.connect()
    let canary = get("/canary")
    await client.send(post("/first", "Content-Length: \(canary.utf8.count + 10)\r\n", canary))
    let answer = await client.answer()
    #expect(answer?.status == 401 && answer?.body == "/first" && answer?.fields["connection"] == "close")
    await client.send(canary + canary)
    #expect(await eventually { client.end != .open })
    #expect(client.received.isEmpty)
    await server.stop()
  }

  @Test @LoopActor func anEarlyAnswerToACompleteRequestKeepsTheConnection() async throws {
    let server = try TestServer()
    let client = try server.connect()
    await client.send(post("/a", "Content-Length: 5\r\n", "hello") + get("/b"))
    let first = await client.answer()
    let second = await client.answer()
    #expect(first?.body == "/a" && second?.body == "/b")
    await server.stop()
  }

  @Test @LoopActor func aBrokenBodyIsRefusedWhateverTheHandlerSays() async throws {
    let server = try TestServer(.body)
    let client = try server.connect()
    await client.send(post("/", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n"))
    await client.send("zz\r\n" + get("/canary"))
    let answer = await client.answer()
    #expect(answer?.status == 400 && answer?.body == "badChunk" && answer?.fields["connection"] == "close")
    #expect(await eventually { client.end == .closed })
    #expect(client.received.isEmpty)
    await server.stop()
  }

  @Test @LoopActor func nothingIsParsedAfterARefusal() async throws {
    let server = try TestServer()
    let client = try server.connect()
    await client.send("GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n" + get("/canary"))
    let answer = await client.answer()
    #expect(answer?.status == 400 && answer?.body == "badFieldLine")
    #expect(await eventually { client.end == .closed })
    #expect(client.received.isEmpty)
    await server.stop()
  }

  @Test @LoopActor func streamsAreChunkedOrCounted() async throws {
    let server = try TestServer(
      TestHandler { request in
        let pieces = Pieces(["one ", "", "two ", "three"])
        let length: Int? = request.path == Array("/counted".utf8) ? 13 : nil
        return Response(status: 200, body: .stream(length: length) { await pieces.next() })
      })
    let client = try server.connect()
    await client.send(get("/chunked") + get("/counted"))
    let chunked = await client.answer()
    #expect(chunked?.body == "one two three" && chunked?.fields["transfer-encoding"] == "chunked")
    let counted = await client.answer()
    #expect(counted?.body == "one two three" && counted?.fields["content-length"] == "13")
    await client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n")
    let old = await client.answer()
    #expect(old?.body == "one two three" && old?.fields["transfer-encoding"] == nil)
    await server.stop()
  }

  @Test(arguments: [12, 14, -1])
  @LoopActor
  func aStreamThatFailsIsNeverTakenForComplete(length: Int) async throws {
    struct Broken: Error {}
    let server = try TestServer(
      TestHandler { _ in
        let pieces = Pieces(["one ", "two ", "three"])
        return Response(
          status: 200,
          body: .stream(length: length < 0 ? nil : length) {
            guard let piece = await pieces.next() else {
              if length < 0 { throw Broken() }
              return nil
            }
            return piece
          })
      })
    let client = try server.connect()
    await client.send(get("/"))
    let answer = await client.answer()
    #expect(answer == nil && client.end == .reset)
    await server.stop()
  }

  @Test @LoopActor func theLastRequestOfAConnectionSaysSo() async throws {
    var limits = Limits()
    limits.requestsPerConnection = 2
    let server = try TestServer(limits: limits)
    let client = try server.connect()
    await client.send(get("/a") + get("/b") + get("/c"))
    let first = await client.answer()
    let second = await client.answer()
    #expect(first?.fields["connection"] == nil && second?.fields["connection"] == "close")
    #expect(await eventually { client.end == .closed })
    #expect(client.received.isEmpty)
    await server.stop()
  }

  @Test @LoopActor func aClientThatShutsItsSideGetsItsAnswer() async throws {
    let server = try TestServer(
      TestHandler { request in
        await sleep(for: .milliseconds(5))
        return Response(status: 200, body: .bytes(request.path))
      })
    let client = try server.connect()
    await client.send(get("/a"))
    client.shutDown()
    let answer = await client.answer()
    #expect(answer?.body == "/a")
    #expect(await eventually { client.end == .closed && server.server.connectionCount == 0 })
    await server.stop()
  }

  @Test @LoopActor func aUnixSocketThatProcessesShareIsServedToo() async throws {
    let show = TestHandler { Response(status: 200, body: .bytes(Array($0.remoteAddress.description.utf8))) }
    let path = "/tmp/smile-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    let listening = try SystemError.check(unsafe clinux_listen_unix(path, 16), "listen")
    defer {
      close(listening)
      unsafe unlink(path)
    }
    let server = Server(handler: show)
    try server.listen(on: listening, shared: true)
    let client = TestClient(connected: try SystemError.check(unsafe clinux_connect_unix(path), "connect"))
    await client.send(get("/"))
    let answer = await client.answer()
    #expect(answer?.body == "unix")
    await server.drain(within: .zero)
  }

  @Test @LoopActor func onlyATrustedPeerMayNameTheClient() async throws {
    let show = TestHandler { Response(status: 200, body: .bytes(Array($0.remoteAddress.description.utf8))) }
    let network = try #require(TrustedProxies.Network("127.0.0.0/8"))
    for (trusted, expected) in [(TrustedProxies(), "127.0.0.1"), (TrustedProxies(networks: [network]), "192.0.2.9")] {
      let server = try TestServer(show, trustedProxies: trusted)
      let client = try server.connect()
      await client.send(get("/", "X-Forwarded-For: 6.6.6.6, 192.0.2.9\r\n"))
      let answer = await client.answer()
      #expect(answer?.body == expected)
      await server.stop()
    }
  }
}

/// Pieces given one by one.
@LoopActor
final class Pieces {
  private var rest: ArraySlice<String>

  init(_ pieces: [String]) {
    rest = pieces[...]
  }

  func next() async -> [UInt8]? { rest.popFirst().map { Array($0.utf8) } }
}
