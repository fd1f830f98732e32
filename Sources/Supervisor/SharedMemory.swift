import CLinux

/// What the supervisor and its processes share: flags, a seat for each process, rate-limit buckets and metrics.
/// The supervisor makes it; it lives as long as one process maps it, so a crash loses no count.
package struct SharedMemory: Sendable {
  /// "smile" and the version of this layout. A process refuses memory of another layout.
  private static let layout: UInt64 = 0x736D_696C_6500_0001
  private static let headerCells = 16

  /// The descriptor to hand to a child.
  package let descriptor: Int32
  /// Workers, and one for the jobs process.
  package let slots: Int
  /// Flags and seats.
  package let status: ProcessStatus
  /// Buckets that all processes count in.
  package let rateLimits: RateLimits
  let metrics: SharedCells
  let metricCells: Int

  /// Makes the memory, all zeros.
  ///
  /// - Parameters:
  ///   - slots: processes that are replaced one by one; each has two seats, for itself and its successor.
  ///   - metricCells: `MetricsRegistry.cellCount`.
  package static func create(slots: Int, metricCells: Int) throws(SupervisorError) -> SharedMemory {
    let sizes = Sizes(slots: slots, metricCells: metricCells)
    let descriptor = unsafe clinux_memory_create("smile", sizes.total * 8)
    guard descriptor >= 0 else { throw SupervisorError("shared memory", errno: -descriptor) }
    let cells = try map(descriptor, count: sizes.total)
    cells.store(UInt64(slots), at: 1)
    cells.store(UInt64(metricCells), at: 2)
    cells.store(UInt64.random(in: 1 ... .max), at: 5)
    cells.store(layout, at: 0)
    return SharedMemory(descriptor: descriptor, cells: cells, sizes: sizes)
  }

  /// Maps the memory that the supervisor has handed down.
  package static func attach(descriptor: Int32) throws(SupervisorError) -> SharedMemory {
    let size = clinux_file_size(descriptor)
    guard size >= Int64(headerCells * 8) else { throw SupervisorError("shared memory size", errno: EINVAL) }
    let cells = try map(descriptor, count: Int(size) / 8)
    let slots = cells.load(1)
    let metricCells = cells.load(2)
    guard cells.load(0) == layout, slots < 100_000, metricCells < 1_000_000 else {
      throw SupervisorError("shared memory layout", errno: EINVAL)
    }
    let sizes = Sizes(slots: Int(slots), metricCells: Int(metricCells))
    guard sizes.total == cells.count else { throw SupervisorError("shared memory layout", errno: EINVAL) }
    return SharedMemory(descriptor: descriptor, cells: cells, sizes: sizes)
  }

  private init(descriptor: Int32, cells: SharedCells, sizes: Sizes) {
    self.descriptor = descriptor
    slots = sizes.slots
    metricCells = sizes.metricCells
    let header = cells.part(0..<SharedMemory.headerCells)
    var end = header.count
    func next(_ count: Int) -> SharedCells {
      defer { end += count }
      return cells.part(end..<end + count)
    }
    status = ProcessStatus(flags: header, seats: next(sizes.seats), slots: sizes.slots)
    metrics = next(sizes.metrics)
    rateLimits = RateLimits(buckets: next(sizes.buckets), overflows: header.part(6..<7), seed: header.load(5))
  }

  private static func map(_ descriptor: Int32, count: Int) throws(SupervisorError) -> SharedCells {
    guard let start = unsafe clinux_memory_map(descriptor, count * 8) else {
      throw SupervisorError("mapping shared memory", errno: ENOMEM)
    }
    return unsafe SharedCells(start: start, count: count)
  }

  private struct Sizes {
    let slots: Int
    let metricCells: Int
    let seats: Int
    let metrics: Int
    let buckets: Int

    init(slots: Int, metricCells: Int) {
      self.slots = slots
      self.metricCells = metricCells
      seats = slots * ProcessStatus.seatsPerSlot * ProcessStatus.cellsPerSeat
      metrics = slots * Metrics.stride(metricCells)
      buckets = RateLimits.bucketCount * RateLimits.cellsPerBucket
    }

    var total: Int { SharedMemory.headerCells + seats + metrics + buckets }
  }
}

/// The system refused something without which nothing can be served.
package struct SupervisorError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was being done.
  package let operation: String
  /// The system's error number.
  package let errno: Int32

  /// Names what failed, and why.
  package init(_ operation: String, errno: Int32) {
    self.operation = operation
    self.errno = errno
  }

  /// For the log: the operation and the system's words for the error.
  package var description: String {
    let reason = unsafe strerror(errno).flatMap { unsafe String(validatingCString: $0) }
    return "\(operation): \(reason ?? "error \(errno)")"
  }
}
