import EventLoop
import HTTPServer
import Supervisor

/// What the jobs process serves at METRICS_LISTEN: the sums over all processes, for Prometheus, and nothing else.
package struct MetricsPage: RequestHandler {
  private let metrics: RequestMetrics

  package init(_ metrics: RequestMetrics) { self.metrics = metrics }

  @LoopActor
  package func respond(to request: Request) async -> Response {
    guard request.path.elementsEqual("/metrics".utf8), request.method == .GET || request.method == .HEAD else {
      return Response(status: 404)
    }
    var response = Response(status: 200, body: .bytes(metrics.exposition()))
    response.headers.append("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
    return response
  }

  @LoopActor
  package func refusal(_ status: Int, _ reason: FramingError) -> Response { Response(status: status) }
}
