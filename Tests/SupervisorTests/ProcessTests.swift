import Glibc
import Testing

/// Real processes, real signals. Everything is awaited by the log, a socket or the end of a process.
@Suite(.serialized) struct ProcessTests {
  @Test func servesAndDrains() throws {
    let server = try ProbeServer(workers: 2)
    try server.waitUntilReady(processes: 3)
    let answer = try #require(try server.ask())
    #expect(answer.requests == 1)
    #expect(answer.crashLoop == "steady")
    server.signal(SIGTERM)
    let events = try server.waitForTheEnd()
    #expect(events.count { $0.name == "process_drained" } == 3)
    #expect(!events.contains { $0.name == "process_died" || $0.name == "process_killed" })
    #expect(server.exitCode() == 0)
  }

  /// Requests that were sent before SIGTERM are all answered.
  @Test func losesNoRequestWhenItStops() throws {
    let server = try ProbeServer(workers: 2)
    try server.waitUntilReady(processes: 3)
    let connections = try (0..<40).map { _ in
      let connection = try server.connect()
      _ = unsafe write(connection, "p", 1)
      return connection
    }
    server.signal(SIGTERM)
    let answers = connections.compactMap { server.answer(on: $0) }
    #expect(answers.count == 40)
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  @Test func aDeadWorkerIsReplacedAndTheOthersStay() throws {
    let server = try ProbeServer(workers: 2)
    try server.waitUntilReady(processes: 3)
    let connection = try server.connect()
    _ = unsafe write(connection, "t", 1)
    #expect(server.answer(on: connection) == nil)
    let died = try server.event("process_died")
    #expect(died.fields["signal"] == "\(SIGILL)")
    #expect(died.fields["role"] == "worker")
    #expect(died.fields["note"] == "POST /trap")
    #expect(try server.event("restart_scheduled").fields["after_ms"] == "10")
    let ready = try server.event("process_ready")
    #expect(ready.slot == died.slot)
    #expect(ready.pid != died.pid)
    // The dead one's count is still there, its open connection isn't (a process answers after taking back its own).
    let answer = try #require(try server.ask())
    #expect(answer.requests == 2)
    #expect(answer.open == 0)
    #expect(answer.pid != died.pid)
    server.signal(SIGTERM)
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  /// Connections that wait while a worker is dead are served by its successor: the socket never closed.
  @Test func connectionsOutliveAWorker() throws {
    let server = try ProbeServer(workers: 1)
    try server.waitUntilReady(processes: 2)
    let killer = try server.connect()
    let waiting = try (0..<20).map { _ in try server.connect() }
    _ = unsafe write(killer, "t", 1)
    for connection in waiting { _ = unsafe write(connection, "p", 1) }
    #expect(server.answer(on: killer) == nil)
    let successor = try { () throws -> Int32? in
      _ = try server.event("process_died")
      return try server.event("process_ready").pid
    }()
    // The worker takes one connection at a time, so none of these was its.
    #expect(waiting.compactMap { server.answer(on: $0)?.pid } == Array(repeating: successor, count: 20))
    server.signal(SIGTERM)
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  /// SIGHUP replaces every process while requests go on; not one of them fails.
  @Test func rollingRestartLosesNoRequest() throws {
    let server = try ProbeServer(workers: 2)
    try server.waitUntilReady(processes: 3)
    var pids = Set<Int32>()
    for _ in 0..<50 { pids.insert(try #require(try server.ask()).pid) }
    server.signal(SIGHUP)
    var events: [ProbeServer.Event] = []
    var requests = 0
    while events.count(where: { $0.name == "process_drained" }) < 3 {
      _ = try #require(try server.ask(), "a request was lost")
      requests += 1
      while let event = try server.nextEvent(patience: 0) { events.append(event) }
    }
    #expect(requests > 0)
    #expect(events.contains { $0.name == "rolling_restart_ended" })
    #expect(!events.contains { $0.name == "process_died" })
    for _ in 0..<50 { #expect(!pids.contains(try #require(try server.ask()).pid)) }
    server.signal(SIGINT)
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  /// The probe's times are shortened: 10 ms at first, 100 ms at the most, five deaths in three seconds.
  @Test func aCrashLoopBacksOffAndIsReported() throws {
    let server = try ProbeServer(workers: 1, behaviour: "die")
    var pauses: [String] = []
    for _ in 0..<6 {
      let event = try server.event("restart_scheduled")
      pauses.append(event.fields["after_ms"] ?? "")
    }
    #expect(pauses == ["10", "20", "40", "80", "100", "100"])
    server.signal(SIGTERM)
    let events = try server.waitForTheEnd()
    #expect(events.last?.name == "supervisor_ended")
    #expect(server.exitCode() == 0)
  }

  @Test func readinessFallsInACrashLoopAndComesBack() throws {
    let server = try ProbeServer(workers: 2)
    try server.waitUntilReady(processes: 3)
    for _ in 0..<5 {
      _ = try server.ask("t")
      _ = try server.event("process_died")
    }
    _ = try server.event("crash_loop")
    #expect(try #require(try server.ask()).crashLoop == "looping")
    _ = try server.event("crash_loop_ended")
    #expect(try #require(try server.ask()).crashLoop == "steady")
    server.signal(SIGTERM)
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  @Test func whoeverDoesntDrainIsKilled() throws {
    let server = try ProbeServer(workers: 2, behaviour: "stubborn")
    try server.waitUntilReady(processes: 3)
    server.signal(SIGTERM)
    let events = try server.waitForTheEnd()
    #expect(events.count { $0.name == "process_killed" } == 2)
    #expect(server.exitCode() == 0)
  }

  @Test func aSecondSignalWaitsNoLonger() throws {
    let server = try ProbeServer(workers: 1, behaviour: "stubborn")
    try server.waitUntilReady(processes: 2)
    server.signal(SIGTERM)
    _ = try server.event("drain_started")
    server.signal(SIGINT)
    #expect(try server.event("process_killed").fields["role"] == "worker")
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  @Test func aWrongConfigurationEndsTheServer() throws {
    let server = try ProbeServer(workers: 2, behaviour: "misconfigured")
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 78)
  }

  /// The log's end shows that no process outlived the supervisor.
  @Test func processesDrainWhenTheSupervisorIsKilled() throws {
    let server = try ProbeServer(workers: 2)
    try server.waitUntilReady(processes: 3)
    server.signal(SIGKILL)
    #expect(try server.waitForTheEnd().isEmpty)
    #expect(server.exitCode() == 256 + SIGKILL)
  }

  @Test func onePortHasOneServer() throws {
    let server = try ProbeServer(workers: 1)
    try server.waitUntilReady(processes: 2)
    let second = try ProbeServer(workers: 1, listen: "127.0.0.1:\(server.port)")
    #expect(try second.waitForTheEnd().isEmpty)
    #expect(second.exitCode() == 1)
    #expect(try server.ask() != nil)
    server.signal(SIGTERM)
    _ = try server.waitForTheEnd()
    #expect(server.exitCode() == 0)
  }

  /// A path is shared by all workers, freed from what a killed server left, and removed at the end.
  @Test func unixSocket() throws {
    let path = "/tmp/smile-probe-\(getpid()).sock"
    defer { unsafe unlink(path) }
    let first = try ProbeServer(workers: 2, listen: "unix:\(path)")
    #expect(try first.event("supervisor_started").fields["listen"] == "unix:\(path)")
    let rival = try ProbeServer(workers: 2, listen: "unix:\(path)")
    #expect(rival.exitCode() == 1)
    first.signal(SIGKILL)
    _ = try first.waitForTheEnd()
    #expect(unsafe access(path, F_OK) == 0)
    let second = try ProbeServer(workers: 2, listen: "unix:\(path)")
    try second.waitUntilReady(processes: 3)
    second.signal(SIGTERM)
    _ = try second.waitForTheEnd()
    #expect(second.exitCode() == 0)
    #expect(unsafe access(path, F_OK) != 0)
  }
}
