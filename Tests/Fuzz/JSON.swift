// libFuzzer target: the JSON reader and writer. Whatever the bytes are, the reader doesn't trap; what it accepts, the
// writer writes as something that reads back the same.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = unsafe [UInt8](UnsafeBufferPointer(start: start, count: count))
  guard let document = try? JSONReader.parse(input) else { return 0 }
  guard document.violations.isEmpty else { return 0 }
  var first = JSONWriter()
  first.value(document.root)
  guard let again = try? JSONReader.parse(first.bytes) else {
    preconditionFailure("what was written doesn't read: \(first.bytes)")
  }
  var second = JSONWriter()
  second.value(again.root)
  precondition(first.bytes == second.bytes, "written twice, it differs")
  precondition(again.violations.isEmpty, "written, it breaks rules: \(again.violations)")
  return 0
}
