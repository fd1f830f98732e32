import EventLoop
import HTTPServer
import Supervisor

/// Counters and latencies by operation, in the supervisor's memory: each worker adds to its own, the jobs process sums
/// them for Prometheus.
package struct RequestMetrics: Sendable {
  /// Names and cells; every process builds the same from the same endpoint table.
  package struct Layout: Sendable {
    package private(set) var registry = MetricsRegistry()
    fileprivate var requests: [[MetricsRegistry.Counter]] = []
    fileprivate var latencies: [MetricsRegistry.Histogram] = []

    /// Statuses are counted by their first digit.
    private static let classes = ["2xx", "3xx", "4xx", "5xx"]
    /// Microseconds.
    private static let bounds: [UInt64] = [
      500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 10_000_000,
    ]

    package init(_ endpoints: [Endpoint]) {
      // The last one stands for requests that found no endpoint.
      for operation in endpoints.map(\.operationId) + ["none"] {
        requests.append(
          Self.classes.map { status in
            registry.counter(
              "smile_requests_total", "Requests answered.",
              labels: [("operation", operation), ("status", status)])
          })
      }
      for endpoint in endpoints {
        latencies.append(
          registry.histogram(
            "smile_request_seconds", "From the head of a request to its answer.",
            labels: [("operation", endpoint.operationId)], bounds: Self.bounds))
      }
    }
  }

  private let layout: Layout
  private let metrics: Metrics
  private let process: ProcessContext

  /// - Throws: `StartFailure` when the supervisor was started with another endpoint table.
  package init(_ layout: Layout, _ process: ProcessContext) throws(StartFailure) {
    self.layout = layout
    self.process = process
    do {
      metrics = try Metrics(layout.registry, in: process.memory, slot: process.seat.slot)
    } catch {
      throw StartFailure("\(error)")
    }
  }

  /// Leaves word of what this process is at, for the supervisor's log line should it die of it. Never the path itself:
  /// the route's pattern holds no one's data.
  func began(_ id: RequestID, _ method: Method, route: String?) {
    var note = Array(id.description.utf8)
    note.reserveCapacity(128)
    note.append(UInt8(ascii: " "))
    note.append(contentsOf: method.name.description.utf8)
    note.append(UInt8(ascii: " "))
    note.append(contentsOf: (route ?? "-").utf8)
    process.note(note)
  }

  /// - Parameter route: the endpoint's index; nil for a request that found none.
  func count(route: Int?, status: Int, _ elapsed: Duration) {
    let counters = layout.requests[route ?? layout.requests.count - 1]
    metrics.add(counters[min(max(status / 100, 2), 5) - 2])
    if let route { metrics.observe(layout.latencies[route], UInt64(max(0, elapsed.inNanoseconds / 1_000))) }
  }

  /// The sums over all workers in Prometheus's text format.
  package func exposition() -> [UInt8] { metrics.exposition() }
}
