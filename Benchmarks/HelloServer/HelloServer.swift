import CLinux
import EventLoop
import Glibc
import HTTPServer

/// The HTTP server without the product: `GET /hello` answers twelve bytes, everything else is answered with what was
/// understood of it. For measuring, and for the raw-HTTP cases.
@main
struct HelloServer {
  static func main() throws {
    let port = CommandLine.arguments.count > 1 ? UInt16(CommandLine.arguments[1]) ?? 8099 : 8099
    LoopActor.task {
      do {
        let socket = try SystemError.check(unsafe clinux_listen_tcp([127, 0, 0, 1], 4, port, 1_024, 1), "listen")
        try Server(handler: HelloHandler()).listen(on: socket)
      } catch {
        print(error)
        exit(1)
      }
    }
    try LoopActor.shared.loop.run()
  }
}

struct HelloHandler: RequestHandler {
  private let hello = Array("hello, world".utf8)

  func respond(to request: Request) async -> Response {
    if request.path == Array("/hello".utf8) { return text(200, hello) }
    do throws(BodyError) {
      let body = try await request.body.collect(atMost: 1 << 20)
      return text(200, Array("\(request.method.name) ".utf8) + request.path + Array(" \(body.count)\n".utf8))
    } catch {
      return text(error == .tooLarge ? 413 : 400, [])
    }
  }

  func refusal(_ status: Int, _ reason: FramingError) -> Response {
    text(status, Array("\(reason)\n".utf8))
  }

  private func text(_ status: Int, _ body: [UInt8]) -> Response {
    var headers = ResponseHeaders()
    headers.append("Content-Type", "text/plain")
    return Response(status: status, headers: headers, body: .bytes(body))
  }
}
