/// The names behind the cells of the metrics area. Every process registers the same ones in the same order.
package struct MetricsRegistry: Sendable {
  enum Kind: String {
    case counter, gauge, histogram
  }

  /// How values are shown.
  package enum Unit: Sendable {
    case plain
    /// Counted in microseconds, shown in seconds, as Prometheus wants it.
    case microseconds
  }

  struct Entry: Sendable {
    let name: String
    let help: String
    let labels: String
    let kind: Kind
    let unit: Unit
    let firstCell: Int
    let bounds: [UInt64]
  }

  /// A handle of a number that only grows.
  package struct Counter: Sendable {
    let cell: Int
  }

  /// A handle of a number that rises and falls.
  package struct Gauge: Sendable {
    let cell: Int
  }

  /// A handle of values counted by size.
  package struct Histogram: Sendable {
    let firstCell: Int
    let bounds: [UInt64]
  }

  private(set) var entries: [Entry] = []
  /// Cells that each slot needs.
  package private(set) var cellCount = 0

  /// Starts without a name.
  package init() {}

  /// A number that only grows; it survives the death of its process.
  package mutating func counter(
    _ name: String, _ help: String, labels: [(name: String, value: String)] = [], unit: Unit = .plain
  ) -> Counter {
    Counter(cell: register(name, help, labels, .counter, unit, bounds: [], cells: 1))
  }

  /// A number that rises and falls, such as open connections; it is zero again when its process has died.
  package mutating func gauge(
    _ name: String, _ help: String, labels: [(name: String, value: String)] = []
  ) -> Gauge {
    Gauge(cell: register(name, help, labels, .gauge, .plain, bounds: [], cells: 1))
  }

  /// Values counted by size.
  ///
  /// - Parameter bounds: inclusive upper bounds of the buckets, rising; values above the last one count as well.
  package mutating func histogram(
    _ name: String, _ help: String, labels: [(name: String, value: String)] = [], bounds: [UInt64],
    unit: Unit = .microseconds
  ) -> Histogram {
    // One cell for each bucket, one for values above all of them, one for the sum.
    let first = register(name, help, labels, .histogram, unit, bounds: bounds, cells: bounds.count + 2)
    return Histogram(firstCell: first, bounds: bounds)
  }

  private mutating func register(
    _ name: String, _ help: String, _ labels: [(name: String, value: String)], _ kind: Kind, _ unit: Unit,
    bounds: [UInt64], cells: Int
  ) -> Int {
    let labels = labels.map { "\($0.name)=\"\(MetricsRegistry.escaped($0.value))\"" }.joined(separator: ",")
    defer { cellCount += cells }
    entries.append(
      Entry(
        name: name, help: help, labels: labels, kind: kind, unit: unit, firstCell: cellCount, bounds: bounds))
    return cellCount
  }

  private static func escaped(_ value: String) -> String {
    var escaped = ""
    for character in value.unicodeScalars {
      switch character {
      case "\\": escaped += "\\\\"
      case "\"": escaped += "\\\""
      case "\n": escaped += "\\n"
      default: escaped.unicodeScalars.append(character)
      }
    }
    return escaped
  }
}

/// Counters in shared memory: a process adds to its own slot's, and anyone can read the sums over all slots.
package struct Metrics: Sendable {
  private let registry: MetricsRegistry
  private let all: SharedCells
  private let own: SharedCells
  private let slots: Int
  private let stride: Int

  /// Cells from one slot's first to the next one's: whole cache lines, so that processes don't slow each other.
  static func stride(_ metricCells: Int) -> Int {
    (metricCells + 7) / 8 * 8
  }

  /// - Parameter slot: the one that this process adds to.
  /// - Throws: when the registry has other cells than the memory was made for.
  package init(_ registry: MetricsRegistry, in memory: SharedMemory, slot: Int) throws(SupervisorError) {
    guard registry.cellCount == memory.metricCells, slot >= 0, slot < memory.slots else {
      throw SupervisorError("metrics registered differently", errno: 22)
    }
    self.registry = registry
    all = memory.metrics
    slots = memory.slots
    stride = Metrics.stride(memory.metricCells)
    own = all.part(slot * stride..<slot * stride + memory.metricCells)
  }

  /// Counts something that happened in this process.
  package func add(_ counter: MetricsRegistry.Counter, _ count: UInt64 = 1) {
    own.add(count, at: counter.cell)
  }

  /// Raises or lowers a gauge by what this process has more or less.
  package func change(_ gauge: MetricsRegistry.Gauge, by difference: Int) {
    own.add(UInt64(bitPattern: Int64(difference)), at: gauge.cell)
  }

  /// Counts a value, in the histogram's unit.
  package func observe(_ histogram: MetricsRegistry.Histogram, _ value: UInt64) {
    let bucket = histogram.bounds.firstIndex { value <= $0 } ?? histogram.bounds.count
    own.add(1, at: histogram.firstCell + bucket)
    own.add(value, at: histogram.firstCell + histogram.bounds.count + 1)
  }

  /// The sum over all slots.
  package func total(_ counter: MetricsRegistry.Counter) -> UInt64 {
    sum(counter.cell)
  }

  /// The sum over all slots.
  package func total(_ gauge: MetricsRegistry.Gauge) -> Int64 {
    Int64(bitPattern: sum(gauge.cell))
  }

  /// Sets a slot's gauges to zero once no process of it is left to take back what it added.
  func resetGauges(of slot: Int) {
    for entry in registry.entries where entry.kind == .gauge {
      all.store(0, at: slot * stride + entry.firstCell)
    }
  }

  /// The sums over all slots in Prometheus's text format, version 0.0.4.
  package func exposition() -> [UInt8] {
    var text = ""
    var described = Set<String>()
    for first in registry.entries where described.insert(first.name).inserted {
      text += "# HELP \(first.name) \(first.help)\n# TYPE \(first.name) \(first.kind.rawValue)\n"
      for entry in registry.entries where entry.name == first.name { append(entry, to: &text) }
    }
    return Array(text.utf8)
  }

  private func append(_ entry: MetricsRegistry.Entry, to text: inout String) {
    let labels = entry.labels.isEmpty ? "" : "{\(entry.labels)}"
    switch entry.kind {
    case .counter:
      text += "\(entry.name)\(labels) \(Metrics.shown(sum(entry.firstCell), entry.unit))\n"
    case .gauge:
      text += "\(entry.name)\(labels) \(Int64(bitPattern: sum(entry.firstCell)))\n"
    case .histogram:
      let prefix = entry.labels.isEmpty ? "" : entry.labels + ","
      var count: UInt64 = 0
      for (index, bound) in entry.bounds.enumerated() {
        count &+= sum(entry.firstCell + index)
        text += "\(entry.name)_bucket{\(prefix)le=\"\(Metrics.shown(bound, entry.unit))\"} \(count)\n"
      }
      count &+= sum(entry.firstCell + entry.bounds.count)
      let sumOfValues = Metrics.shown(sum(entry.firstCell + entry.bounds.count + 1), entry.unit)
      text += "\(entry.name)_bucket{\(prefix)le=\"+Inf\"} \(count)\n"
      text += "\(entry.name)_sum\(labels) \(sumOfValues)\n\(entry.name)_count\(labels) \(count)\n"
    }
  }

  private func sum(_ cell: Int) -> UInt64 {
    (0..<slots).reduce(0) { $0 &+ all.load($1 * stride + cell) }
  }

  private static func shown(_ value: UInt64, _ unit: MetricsRegistry.Unit) -> String {
    guard unit == .microseconds else { return String(value) }
    var fraction = String(value % 1_000_000)
    fraction = String(repeating: "0", count: 6 - fraction.utf8.count) + fraction
    while fraction.last == "0" { fraction.removeLast() }
    return fraction.isEmpty ? String(value / 1_000_000) : "\(value / 1_000_000).\(fraction)"
  }
}
