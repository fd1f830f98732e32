import EventLoop
import Supervisor

/// Counters and latencies by operation, kept in shared memory and summed over the workers.
@LoopActor
package final class Metrics {
  package init(_ memory: SharedMemory, slot: Int, endpoints: [Endpoint]) {}
  func count(route: Int, status: Int, _ elapsed: Duration) {}
}
