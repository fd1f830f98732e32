import EventLoop

/// Counters and latencies by operation, kept in shared memory and summed over the workers.
@LoopActor
package final class Metrics {
  package init() {}
  func count(route: Int, status: Int, _ elapsed: Duration) {}
}
