import CLinux
import Glibc
import Testing

@testable import Supervisor

struct SharedMemoryTests {
  @Test func twoMappingsAreOne() throws {
    let memory = try SharedMemory.create(slots: 3, metricCells: 5)
    let other = try SharedMemory.attach(descriptor: memory.descriptor)
    #expect(other.slots == 3)
    memory.status.set(.ready, processID: 4711, of: Seat(slot: 1, side: 1))
    #expect(other.status.phase(Seat(slot: 1, side: 1)) == .ready)
    #expect(other.status.phase(Seat(slot: 1, side: 0)) == .absent)
    #expect(other.status.processIDs(of: 1) == [4711])
    #expect(other.status.readySlots(of: 3) == 1)
    #expect(other.status.readySlots(of: 1) == 0)
    #expect(!other.status.isCrashLooping && !other.status.isStopping)
    memory.status.setCrashLooping(true)
    memory.status.setStopping()
    #expect(other.status.isCrashLooping && other.status.isStopping)
    let limit = RateLimit(perMinute: 1, burst: 1)
    #expect(memory.rateLimits.key(1, "x".utf8) == other.rateLimits.key(1, "x".utf8))
    #expect(memory.rateLimits.admit(5, limit, nowMicros: 1).isAdmitted)
    #expect(!other.rateLimits.admit(5, limit, nowMicros: 1).isAdmitted)
  }

  @Test func notes() throws {
    let status = try SharedMemory.create(slots: 2, metricCells: 0).status
    let (first, second) = (Seat(slot: 0, side: 1), Seat(slot: 1, side: 0))
    #expect(status.note(of: first).isEmpty)
    status.note("GET /v1/claims/{claim_id}".utf8, of: first)
    #expect(status.note(of: first) == Array("GET /v1/claims/{claim_id}".utf8))
    #expect(status.note(of: second).isEmpty)
    status.note("GET /".utf8, of: first)
    #expect(status.note(of: first) == Array("GET /".utf8))
    status.note([UInt8](repeating: 0x78, count: 1_000), of: first)
    #expect(status.note(of: first) == [UInt8](repeating: 0x78, count: ProcessStatus.noteBytesMax))
    #expect(ProcessStatus.noteBytesMax == 256)
    #expect(status.phase(second) == .absent)
    status.clearNote(of: first)
    #expect(status.note(of: first).isEmpty)
  }

  @Test func foreignMemoryIsRefused() throws {
    #expect(throws: SupervisorError.self) { try SharedMemory.attach(descriptor: -1) }
    let small = unsafe clinux_memory_create("test", 8)
    #expect(throws: SupervisorError.self) { try SharedMemory.attach(descriptor: small) }
    let empty = unsafe clinux_memory_create("test", 2_000_000)
    #expect(throws: SupervisorError.self) { try SharedMemory.attach(descriptor: empty) }
    close(small)
    close(empty)
  }
}

struct MetricsTests {
  @Test func sumsOverSlots() throws {
    var registry = MetricsRegistry()
    let requests = registry.counter("requests_total", "Requests.", labels: [("method", "GET")])
    let posts = registry.counter("requests_total", "Requests.", labels: [("method", "PO\"ST\\")])
    let open = registry.gauge("open", "Open connections.")
    let time = registry.histogram("seconds", "Time.", bounds: [1_000, 250_000, 2_000_000])
    let memory = try SharedMemory.create(slots: 2, metricCells: registry.cellCount)
    let first = try Metrics(registry, in: memory, slot: 0)
    let second = try Metrics(registry, in: memory, slot: 1)
    first.add(requests, 2)
    second.add(requests)
    second.add(posts)
    first.change(open, by: 5)
    second.change(open, by: -2)
    for value: UInt64 in [0, 1_000, 1_001, 250_000, 3_000_000] { first.observe(time, value) }
    second.observe(time, 2_000_000)
    #expect(first.total(requests) == 3)
    #expect(second.total(open) == 3)
    let expected = """
      # HELP requests_total Requests.
      # TYPE requests_total counter
      requests_total{method="GET"} 3
      requests_total{method="PO\\"ST\\\\"} 1
      # HELP open Open connections.
      # TYPE open gauge
      open 3
      # HELP seconds Time.
      # TYPE seconds histogram
      seconds_bucket{le="0.001"} 2
      seconds_bucket{le="0.25"} 4
      seconds_bucket{le="2"} 5
      seconds_bucket{le="+Inf"} 6
      seconds_sum 5.252001
      seconds_count 6

      """
    #expect(String(decoding: second.exposition(), as: UTF8.self) == expected)
    first.resetGauges(of: 0)
    #expect(first.total(open) == -2)
    #expect(first.total(requests) == 3)
  }

  @Test func anotherRegistryIsRefused() throws {
    var registry = MetricsRegistry()
    _ = registry.counter("a", "A.")
    let memory = try SharedMemory.create(slots: 1, metricCells: 2)
    #expect(throws: SupervisorError.self) { try Metrics(registry, in: memory, slot: 0) }
    _ = registry.counter("b", "B.")
    #expect(throws: SupervisorError.self) { try Metrics(registry, in: memory, slot: 1) }
    #expect(throws: Never.self) { try Metrics(registry, in: memory, slot: 0) }
  }
}
