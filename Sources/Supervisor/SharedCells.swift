import CLinux

/// A row of 64-bit cells in memory that several processes share. Each access is atomic; indices are checked.
@safe package struct SharedCells: Sendable {
  /// Mapped for as long as the process lives, so no view of it can dangle; accesses are atomic.
  nonisolated(unsafe) private let start: UnsafeMutablePointer<UInt64>
  /// Cells in the row.
  package let count: Int

  init(start: UnsafeMutablePointer<UInt64>, count: Int) {
    unsafe self.start = start
    self.count = count
  }

  /// A part of the row.
  func part(_ range: Range<Int>) -> SharedCells {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "no such cells")
    return unsafe SharedCells(start: start + range.lowerBound, count: range.count)
  }

  func load(_ index: Int) -> UInt64 {
    unsafe clinux_atomic_load(cell(index))
  }

  func store(_ value: UInt64, at index: Int) {
    unsafe clinux_atomic_store(cell(index), value)
  }

  /// Adds with wrap-around, so that a negative change is one too.
  func add(_ value: UInt64, at index: Int) {
    unsafe clinux_atomic_add(cell(index), value)
  }

  /// Stores `desired` if the cell holds `expected`, and says whether it did.
  func exchange(_ expected: UInt64, for desired: UInt64, at index: Int) -> Bool {
    unsafe clinux_atomic_exchange(cell(index), expected, desired) == 1
  }

  /// Writes bytes from the cell at `index` on. Not atomic: there is one writer, and readers come after its end.
  func write(_ bytes: Span<UInt8>, at index: Int) {
    let room = (count - index) * 8
    let kept = bytes.extracting(first: min(bytes.count, room))
    unsafe kept.withUnsafeBytes { kept in
      unsafe UnsafeMutableRawBufferPointer(start: cell(index), count: room).copyMemory(from: kept)
    }
  }

  func read(_ byteCount: Int, at index: Int) -> [UInt8] {
    let room = (count - index) * 8
    return unsafe Array(UnsafeRawBufferPointer(start: cell(index), count: min(byteCount, room)))
  }

  private func cell(_ index: Int) -> UnsafeMutablePointer<UInt64> {
    precondition(index >= 0 && index < count, "no such cell")
    return unsafe start + index
  }
}
