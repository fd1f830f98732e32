/// Names one scheduled action; cancelling a handle whose action has run or was cancelled does nothing.
package struct TimerHandle: Hashable, Sendable {
  let slot: Int
  let generation: UInt32
}

/// Actions ordered by their deadline: a binary heap of slots, so that both scheduling and cancelling cost O(log n)
/// and a cancelled action's closure is freed at once. Equal deadlines keep no particular order.
struct TimerQueue<Action> {
  private struct Slot {
    var generation: UInt32 = 0
    var position = -1
    var action: Action?
  }

  private struct Entry {
    let deadline: MonotonicInstant
    let slot: Int
  }

  private var slots: [Slot] = []
  private var free: [Int] = []
  private var heap: [Entry] = []

  /// The earliest deadline, nil when nothing is scheduled.
  var earliest: MonotonicInstant? { heap.first?.deadline }

  /// How many actions are scheduled.
  var count: Int { heap.count }

  /// Adds an action.
  mutating func schedule(at deadline: MonotonicInstant, _ action: Action) -> TimerHandle {
    let slot = free.popLast() ?? slots.count
    if slot == slots.count { slots.append(Slot()) }
    slots[slot].action = action
    heap.append(Entry(deadline: deadline, slot: slot))
    slots[slot].position = heap.count - 1
    siftUp(heap.count - 1)
    return TimerHandle(slot: slot, generation: slots[slot].generation)
  }

  /// Removes an action; false when it has run or was cancelled before.
  @discardableResult
  mutating func cancel(_ handle: TimerHandle) -> Bool {
    guard handle.slot < slots.count, slots[handle.slot].generation == handle.generation,
      slots[handle.slot].position >= 0
    else { return false }
    remove(at: slots[handle.slot].position)
    return true
  }

  /// Removes and returns the earliest action whose deadline is at or before `now`.
  mutating func popExpired(at now: MonotonicInstant) -> Action? {
    guard let first = heap.first, first.deadline <= now else { return nil }
    let action = slots[first.slot].action
    remove(at: 0)
    return action
  }

  private mutating func remove(at position: Int) {
    let slot = heap[position].slot
    let last = heap.removeLast()
    if position < heap.count {
      heap[position] = last
      slots[last.slot].position = position
      siftDown(position)
      siftUp(slots[last.slot].position)
    }
    slots[slot].action = nil
    slots[slot].position = -1
    slots[slot].generation &+= 1
    free.append(slot)
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].deadline < heap[parent].deadline else { return }
      exchange(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in (2 * parent + 1)...(2 * parent + 2)
      where child < heap.count && heap[child].deadline < heap[least].deadline {
        least = child
      }
      guard least != parent else { return }
      exchange(parent, least)
      parent = least
    }
  }

  private mutating func exchange(_ a: Int, _ b: Int) {
    heap.swapAt(a, b)
    slots[heap[a].slot].position = a
    slots[heap[b].slot].position = b
  }
}
