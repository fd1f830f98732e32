import EventLoop
import Glibc
import TestSupport
import Testing

@testable import HTTPServer

/// Slow clients, slow handlers, deadlines, limits, drain.
@Suite(.onTheLoop) struct PressureTests {
  /// A stream of 32 MiB to a client that doesn't read: the handler is asked for little more than the socket holds, and
  /// for the rest once the client reads.
  @Test @LoopActor func aStreamWaitsForAClientThatDoesNotRead() async throws {
    let source = CountedSource(pieces: 512, size: 65_536)
    let server = try TestServer(
      TestHandler { _ in Response(status: 200, body: .stream(length: nil) { await source.next() }) })
    let client = try server.connect()
    client.stopReading()
    client.setReceiveBuffer(16_384)
    await client.send(get("/"))
    #expect(await eventually { source.given > 0 })
    var before = 0
    while source.given > before, source.given < 512 {
      before = source.given
      await sleep(for: .milliseconds(200))
    }
    #expect(before < 300)
    client.startReading()
    #expect(await eventually { source.given == 512 })
    #expect(await eventually { client.received.count > 512 * 65_536 })
    await server.stop()
  }

  /// A body that the handler doesn't pull: the client can send little more than the buffers hold.
  @Test @LoopActor func aClientWaitsForAHandlerThatDoesNotRead() async throws {
    let total = 32 << 20
    let gate = Gate()
    let server = try TestServer(
      TestHandler { request in
        await gate.wait()
        var count = 0
        while let piece = try? await request.body.next() { count += piece.count }
        return Response(status: 200, body: .bytes(Array("\(count)".utf8)))
      })
    let client = try server.connect()
    await client.send(post("/", "Content-Length: \(total)\r\n"))
    let bytes = [UInt8](repeating: 120, count: total)
    var sent = 0
    var quiet = 0
    while quiet < 20, sent < total {
      let count = client.trySend(bytes[sent..<min(total, sent + 65_536)])
      sent += max(0, count)
      quiet = count == 0 ? quiet + 1 : 0
      await sleep(for: .milliseconds(1))
    }
    #expect(sent < total / 2)
    gate.open()
    await client.send(Array(bytes[sent...]))
    let answer = await client.answer()
    #expect(answer?.body == "\(total)")
    await server.stop()
  }

  @Test @LoopActor func headsHaveAnAbsoluteDeadlineThatDrippingDoesNotMove() async throws {
    var limits = Limits()
    limits.header = .milliseconds(150)
    let server = try TestServer(limits: limits)
    let client = try server.connect()
    let start = MonotonicInstant.read()
    for byte in Array(get("/", "X-Long: \(String(repeating: "a", count: 4_000))\r\n").utf8) {
      if client.end != .open || !client.received.isEmpty { break }
      await client.send([byte])
      await sleep(for: .milliseconds(1))
    }
    let answer = await client.answer()
    #expect(answer?.status == 408 && answer?.body == "timedOut" && answer?.fields["connection"] == "close")
    #expect(MonotonicInstant.read() - start >= .milliseconds(150))
    #expect(await eventually { client.end == .closed })
    client.disconnect()
    #expect(await eventually { server.server.connectionCount == 0 })
    await server.stop()
  }

  /// Every prefix of a request, then silence: 408 each time, and nothing stays behind.
  @Test @LoopActor func everyPrefixThatStopsIsTimedOut() async throws {
    var limits = Limits()
    limits.header = .milliseconds(50)
    limits.firstByte = .milliseconds(50)
    limits.bodyGrace = .milliseconds(50)
    let server = try TestServer(.body, limits: limits)
    let request = Array(post("/a", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n").utf8)
    var clients: [TestClient] = []
    for length in 0..<request.count {
      let client = try server.connect()
      await client.send(Array(request[..<length]))
      clients.append(client)
    }
    for (length, client) in clients.enumerated() {
      let answer = await client.answer()
      #expect(answer?.status == 408, "after \(length) bytes")
      client.disconnect()
    }
    #expect(await eventually { server.server.connectionCount == 0 })
    await server.stop()
  }

  @Test @LoopActor func idleConnectionsAreClosedWithoutAWord() async throws {
    var limits = Limits()
    limits.idle = .milliseconds(50)
    let server = try TestServer(limits: limits)
    let client = try server.connect()
    await client.send(get("/"))
    let answer = await client.answer()
    #expect(answer?.status == 200)
    #expect(await eventually { client.end == .closed })
    #expect(client.received.isEmpty)
    await server.stop()
  }

  @Test @LoopActor func aBodyThatComesTooSlowlyIsTimedOut() async throws {
    var limits = Limits()
    limits.bodyGrace = .seconds(1)
    limits.bodyRate = 1_000_000
    let server = try TestServer(.body, limits: limits)
    let client = try server.connect()
    await client.send(post("/", "Content-Length: 100000\r\n"))
    while client.end == .open, client.received.isEmpty {
      await client.send("x")
      await sleep(for: .milliseconds(20))
    }
    let answer = await client.answer()
    #expect(answer?.status == 408)
    await server.stop()
  }

  @Test @LoopActor func aClientThatTakesNothingIsReset() async throws {
    var limits = Limits()
    limits.responseGrace = .seconds(1)
    let source = CountedSource(pieces: 1_024, size: 65_536)
    let server = try TestServer(
      TestHandler { _ in Response(status: 200, body: .stream(length: nil) { await source.next() }) }, limits: limits)
    let client = try server.connect()
    client.stopReading()
    await client.send(get("/"))
    #expect(await eventually { source.given > 0 && server.server.connectionCount == 0 })
    client.startReading()
    #expect(await eventually { client.end == .reset })
    await server.stop()
  }

  @Test @LoopActor func connectionsBeyondTheLimitAreRefused() async throws {
    var limits = Limits()
    limits.connections = 3
    let server = try TestServer(limits: limits)
    let clients = try (0..<3).map { _ in try server.connect() }
    for client in clients {
      await client.send(get("/"))
      let answer = await client.answer()
      #expect(answer?.status == 200)
    }
    let refused = try server.connect()
    let answer = await refused.answer()
    #expect(answer?.status == 503 && answer?.body == "tooManyConnections")
    refused.disconnect()
    clients[0].disconnect()
    #expect(await eventually { server.server.connectionCount == 2 })
    let accepted = try server.connect()
    await accepted.send(get("/"))
    let late = await accepted.answer()
    #expect(late?.status == 200)
    await server.stop()
  }

  @Test @LoopActor func drainingFinishesWhatIsUnderWayAndLeavesTheSocketToTheNext() async throws {
    var limits = Limits()
    limits.drainGrace = .milliseconds(100)
    let gate = Gate()
    let server = try TestServer(
      TestHandler { request in
        if request.path == Array("/slow".utf8) { await gate.wait() }
        return Response(status: 200, body: .bytes(request.path))
      }, limits: limits)
    let slow = try server.connect()
    await slow.send(get("/slow"))
    let idle = try server.connect()
    await idle.send(get("/idle"))
    _ = await idle.answer()
    let late = try server.connect()
    await late.send(get("/late"))
    _ = await late.answer()

    let drained = LoopActor.task { await server.server.drain(within: .seconds(10)) }
    await sleep(for: .milliseconds(5))
    // A request that was on its way when the drain began is still answered.
    await late.send(get("/late"))
    let lateAnswer = await late.answer()
    #expect(lateAnswer?.status == 200 && lateAnswer?.fields["connection"] == "close")
    #expect(await eventually { idle.end == .closed })
    #expect(idle.received.isEmpty)

    // The socket was not closed: who connects now waits for whoever takes the socket next.
    let next = try server.connect()
    await next.send(get("/next"))
    gate.open()
    let slowAnswer = await slow.answer()
    #expect(slowAnswer?.body == "/slow" && slowAnswer?.fields["connection"] == "close")
    for client in [slow, late] { client.disconnect() }
    await drained.value
    #expect(server.server.connectionCount == 0)

    let successor = Server(handler: TestHandler.path)
    try successor.listen(on: server.socket)
    let nextAnswer = await next.answer()
    #expect(nextAnswer?.body == "/next")
    await successor.drain(within: .zero)
    await server.stop()
  }

  @Test @LoopActor func largeBodiesAreSpooledUpToTheirQuota() async throws {
    let server = try TestServer(
      TestHandler { request in
        do throws(BodyError) {
          var observed = 0
          let spooled = try await request.body.spool(in: "/tmp", quota: 3_000_000) { observed += $0.count }
          guard let first = try? spooled.read(at: 0, upTo: 5), let last = try? spooled.read(at: 2_999_995, upTo: 50),
            let beyond = try? spooled.read(at: 3_000_000, upTo: 5)
          else { return Response(status: 500) }
          let text = "\(spooled.length) \(observed) \(beyond.count) \(String(decoding: first + last, as: UTF8.self))"
          return Response(status: 200, body: .bytes(Array(text.utf8)))
        } catch {
          return Response(status: error == .tooLarge ? 413 : 500)
        }
      })
    let client = try server.connect()
    let content = "first" + String(repeating: ".", count: 2_999_990) + "final"
    await client.send(post("/", "Content-Length: 3000000\r\n", content))
    let answer = await client.answer()
    #expect(answer?.body == "3000000 3000000 0 firstfinal")
    let chunk = "100000\r\n" + String(repeating: "x", count: 1 << 20) + "\r\n"
    await client.send(post("/", "Transfer-Encoding: chunked\r\n", chunk + chunk + chunk + "0\r\n\r\n"))
    let refused = await client.answer()
    #expect(refused?.status == 413)
    await server.stop()
  }

  /// Clients that come, ask, and vanish at any moment, while answers are late: nobody may ever see another one's
  /// answer.
  @Test @LoopActor func nobodySeesAnothersAnswer() async throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("nobodySeesAnothersAnswer: seed \(seed)")
    let dice = Dice(seed: seed)
    let server = try TestServer(
      TestHandler { request in
        if dice.roll(2) == 0 { await sleep(for: .microseconds(dice.roll(3_000))) }
        return Response(status: 200, body: .bytes(request.path))
      })
    var storms: [Task<Int, Never>] = []
    for number in 0..<40 {
      storms.append(
        LoopActor.task {
          var answered = 0
          for round in 0..<50 {
            guard let client = try? server.connect() else { return -1 }
            let nonces = (0..<(1 + dice.roll(4))).map { "/\(number)-\(round)-\($0)" }
            await client.send(nonces.map { get($0) }.joined())
            if dice.roll(3) == 0 {
              await sleep(for: .microseconds(dice.roll(2_000)))
            } else {
              for nonce in nonces {
                let answer = await client.answer()
                guard answer?.body == nonce else { return -1 }
                answered += 1
              }
            }
            client.disconnect()
          }
          return answered
        })
    }
    for storm in storms {
      let answered = await storm.value
      #expect(answered > 0)
    }
    #expect(await eventually { server.server.connectionCount == 0 })
    await server.stop()
  }
}

/// Gives so many pieces, and counts.
@LoopActor
final class CountedSource {
  private let pieces: Int
  private let piece: [UInt8]
  private(set) var given = 0

  init(pieces: Int, size: Int) {
    self.pieces = pieces
    piece = [UInt8](repeating: 120, count: size)
  }

  func next() async -> [UInt8]? {
    guard given < pieces else { return nil }
    given += 1
    return piece
  }
}

/// Lets waiters through once it is open.
@LoopActor
final class Gate {
  private var isOpen = false
  private var waiters: [SuspendedTask] = []

  func wait() async {
    await SuspendedTask.suspend(while: { !isOpen }) { waiters.append($0) }
  }

  func open() {
    isOpen = true
    for waiter in waiters { waiter.resume() }
    waiters = []
  }
}

/// Random numbers that a seed repeats.
@LoopActor
final class Dice {
  private var generator: SeededGenerator

  init(seed: UInt64) {
    generator = SeededGenerator(seed: seed)
  }

  func roll(_ sides: Int) -> Int { Int.random(in: 0..<sides, using: &generator) }
}
