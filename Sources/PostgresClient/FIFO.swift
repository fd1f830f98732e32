/// A first-in-first-out queue over an array: `removeFirst` moves an index and compacts now and then, so both ends are
/// O(1) on average.
struct FIFO<Element> {
  private var elements: [Element?] = []
  private var head = 0

  var count: Int { elements.count - head }
  var isEmpty: Bool { count == 0 }
  var first: Element? { isEmpty ? nil : elements[head] }

  mutating func append(_ element: Element) { elements.append(element) }

  mutating func popFirst() -> Element? {
    guard !isEmpty, let element = elements[head] else { return nil }
    elements[head] = nil
    head += 1
    if head == elements.count {
      elements.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 64 {
      elements.removeFirst(head)
      head = 0
    }
    return element
  }

  /// Changes the oldest element in place; nothing when there is none.
  mutating func updateFirst(_ change: (inout Element) -> Void) {
    guard !isEmpty, var element = elements[head] else { return }
    elements[head] = nil
    change(&element)
    elements[head] = element
  }

  /// Removes and returns all elements, oldest first.
  mutating func removeAll() -> [Element] {
    defer {
      elements.removeAll()
      head = 0
    }
    return elements[head...].compactMap { $0 }
  }

  /// Visits each element, oldest first.
  func forEach(_ visit: (Element) -> Void) {
    for case let element? in elements[head...] { visit(element) }
  }
}
