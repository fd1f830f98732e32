// libFuzzer target: the request parser. Whatever the bytes are, it doesn't trap, and where the network cuts them makes
// no difference. Compiled together with the parser's own files; the first two bytes choose the cuts.

struct Transcript: Equatable {
  var heads: [String] = []
  var body: [UInt8] = []
  var ends = 0
  var isRefused = false
}

func read(_ bytes: [UInt8], cut: (Int) -> Int) -> Transcript {
  var parser = RequestParser(limits: Limits(), allowedHosts: [])
  var transcript = Transcript()
  var given = 0
  var buffer: [UInt8] = []
  do {
    while true {
      let (event, consumed) = try parser.next(buffer.span)
      switch event {
      case .needMore:
        buffer.removeFirst(consumed)
        guard given < bytes.count else { return transcript }
        let count = min(max(1, cut(given)), bytes.count - given)
        buffer += bytes[given..<given + count]
        given += count
        continue
      case .head(let head):
        transcript.heads.append("\(head.method) \(head.target) \(head.framing) \(head.closes)")
      case .body(let range):
        transcript.body += buffer[range]
      case .end:
        transcript.ends += 1
      }
      buffer.removeFirst(consumed)
    }
  } catch {
    transcript.isRefused = true
    return transcript
  }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  guard input.count > 2 else { return 0 }
  let step = Int(input[0]) + 1
  let odd = Int(input[1]) + 1
  let bytes = Array(input[2...])
  let whole = read(bytes) { _ in bytes.count }
  let single = read(bytes) { _ in 1 }
  let mixed = read(bytes) { $0 % 2 == 0 ? step : odd }
  precondition(whole == single, "byte by byte differs: \(whole) \(single)")
  precondition(whole == mixed, "cut by \(step) and \(odd) differs: \(whole) \(mixed)")
  return 0
}
