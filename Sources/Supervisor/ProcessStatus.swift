/// What a process is doing.
package enum ProcessPhase: UInt64, Sendable {
  case absent = 0
  case starting = 1
  case ready = 2
  case draining = 3
}

/// Flags of the whole server and a seat for each process, in shared memory. A slot has two seats, so that a process
/// and its successor don't write into the same one.
package struct ProcessStatus: Sendable {
  static let seatsPerSlot = 2
  /// Phase, process id, length of the note, five unused, and the note; a multiple of a cache line.
  static let cellsPerSeat = 40
  private static let noteCell = 8
  /// Bytes of a note that are kept.
  package static let noteBytesMax = (cellsPerSeat - noteCell) * 8

  private static let crashLoopFlag = 3
  private static let stoppingFlag = 4

  private let flags: SharedCells
  private let seats: SharedCells
  private let slots: Int

  init(flags: SharedCells, seats: SharedCells, slots: Int) {
    self.flags = flags
    self.seats = seats
    self.slots = slots
  }

  /// Processes die faster than they should: readiness is false.
  package var isCrashLooping: Bool { flags.load(ProcessStatus.crashLoopFlag) != 0 }

  /// The whole server stops, as against one process that is replaced.
  package var isStopping: Bool { flags.load(ProcessStatus.stoppingFlag) != 0 }

  /// Slots among the first `count` that have a process which serves.
  package func readySlots(of count: Int) -> Int {
    (0..<min(count, slots)).count { slot in
      (0..<ProcessStatus.seatsPerSlot).contains { phase(Seat(slot: slot, side: $0)) == .ready }
    }
  }

  /// Process ids of all that are there, for logs and tests.
  package func processIDs(of slot: Int) -> [Int32] {
    (0..<ProcessStatus.seatsPerSlot).compactMap { side in
      let seat = Seat(slot: slot, side: side)
      return phase(seat) == .absent ? nil : Int32(truncatingIfNeeded: cells(seat).load(1))
    }
  }

  /// Says what a process is at, for the log line about its death: an id, a method and a route, never personal data.
  /// Longer notes are cut at 256 bytes.
  package func note(_ text: [UInt8], of seat: Seat) {
    note(text.span, of: seat)
  }

  /// As `note` of bytes.
  package func note(_ text: String.UTF8View, of seat: Seat) {
    note(text.span, of: seat)
  }

  private func note(_ text: Span<UInt8>, of seat: Seat) {
    let cells = cells(seat)
    let kept = text.extracting(first: min(text.count, ProcessStatus.noteBytesMax))
    cells.store(0, at: 2)
    cells.write(kept, at: ProcessStatus.noteCell)
    cells.store(UInt64(kept.count), at: 2)
  }

  /// Says that the process is at nothing.
  package func clearNote(of seat: Seat) {
    cells(seat).store(0, at: 2)
  }

  /// What the process was at when it last said so; empty when at nothing.
  package func note(of seat: Seat) -> [UInt8] {
    let cells = cells(seat)
    return cells.read(Int(min(cells.load(2), UInt64(ProcessStatus.noteBytesMax))), at: ProcessStatus.noteCell)
  }

  /// What the process of a seat is doing.
  package func phase(_ seat: Seat) -> ProcessPhase {
    ProcessPhase(rawValue: cells(seat).load(0)) ?? .absent
  }

  func set(_ phase: ProcessPhase, processID: Int32? = nil, of seat: Seat) {
    let cells = cells(seat)
    if let processID { cells.store(UInt64(processID), at: 1) }
    cells.store(phase.rawValue, at: 0)
  }

  func setCrashLooping(_ isLooping: Bool) {
    flags.store(isLooping ? 1 : 0, at: ProcessStatus.crashLoopFlag)
  }

  func setStopping() {
    flags.store(1, at: ProcessStatus.stoppingFlag)
  }

  private func cells(_ seat: Seat) -> SharedCells {
    let first = (seat.slot * ProcessStatus.seatsPerSlot + seat.side) * ProcessStatus.cellsPerSeat
    return seats.part(first..<first + ProcessStatus.cellsPerSeat)
  }
}

/// Where one process writes: its slot, and which of the slot's two sides it has.
package struct Seat: Sendable, Hashable {
  /// From 0 on; the jobs process has the last one.
  package let slot: Int
  /// 0 or 1.
  package let side: Int

  /// A seat of a slot.
  package init(slot: Int, side: Int) {
    self.slot = slot
    self.side = side
  }
}
