import CLinux

/// What a registered descriptor waits for. Errors and hang-ups are always reported.
package struct Interest: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Readable, or closed by the peer.
  package static let read = Interest(rawValue: 1)
  /// Writable.
  package static let write = Interest(rawValue: 2)
  /// For a listening socket that several processes wait on: only one of them is woken (EPOLLEXCLUSIVE). Such a
  /// registration can't be updated, only removed.
  package static let exclusive = Interest(rawValue: 4)

  var events: UInt32 {
    var events: UInt32 = 0
    if contains(.read) { events |= CLINUX_EPOLL_IN }
    if contains(.write) { events |= CLINUX_EPOLL_OUT }
    if contains(.exclusive) { events |= CLINUX_EPOLL_EXCLUSIVE }
    return events
  }
}

/// What epoll reported about a descriptor.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Bytes, a connection or the end of the stream can be read.
  package static let readable = Readiness(rawValue: 1)
  package static let writable = Readiness(rawValue: 2)
  /// Both directions are shut (EPOLLHUP).
  package static let hangup = Readiness(rawValue: 4)
  /// An error is pending on the descriptor (EPOLLERR).
  package static let error = Readiness(rawValue: 8)

  /// A hang-up or an error: reported whatever the interest is, again and again until the descriptor is deregistered.
  package var isBroken: Bool { rawValue & (Self.hangup.rawValue | Self.error.rawValue) != 0 }

  init(events: UInt32) {
    var readiness: Readiness = []
    if events & CLINUX_EPOLL_IN != 0 { readiness.insert(.readable) }
    if events & CLINUX_EPOLL_OUT != 0 { readiness.insert(.writable) }
    if events & CLINUX_EPOLL_HUP != 0 { readiness.insert(.hangup) }
    if events & CLINUX_EPOLL_ERR != 0 { readiness.insert(.error) }
    self = readiness
  }
}

/// Names one descriptor's place in the loop. The generation is part of epoll's own token: an event that was reported
/// for a descriptor which has been deregistered since is dropped, even when its number belongs to a new one by now.
package struct Registration: Hashable, Sendable {
  let slot: UInt32
  let generation: UInt32

  var token: UInt64 { UInt64(slot) << 32 | UInt64(generation) }
}

/// The registered descriptors: slots that are reused under a new generation.
struct RegistrationTable {
  typealias Handler = @LoopActor (Readiness) -> Void

  private struct Slot {
    var generation: UInt32 = 0
    var descriptor: Int32 = -1
    var handler: Handler?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  /// How many descriptors are registered.
  var count: Int { slots.count - free.count }

  mutating func insert(_ descriptor: Int32, _ handler: @escaping Handler) -> Registration {
    let slot = free.popLast() ?? UInt32(slots.count)
    if Int(slot) == slots.count { slots.append(Slot()) }
    slots[Int(slot)].descriptor = descriptor
    slots[Int(slot)].handler = handler
    return Registration(slot: slot, generation: slots[Int(slot)].generation)
  }

  /// The descriptor of a live registration, nil of a stale one.
  func descriptor(of registration: Registration) -> Int32? {
    guard slots[Int(registration.slot)].generation == registration.generation else { return nil }
    return slots[Int(registration.slot)].descriptor
  }

  /// The handler that an event's token belongs to, nil when the registration is gone.
  func handler(for token: UInt64) -> Handler? {
    let slot = Int(token >> 32)
    guard slot < slots.count, slots[slot].generation == UInt32(truncatingIfNeeded: token) else { return nil }
    return slots[slot].handler
  }

  /// Removes a registration and returns its descriptor, nil when it was gone already.
  mutating func remove(_ registration: Registration) -> Int32? {
    guard let descriptor = descriptor(of: registration) else { return nil }
    slots[Int(registration.slot)] = Slot(generation: registration.generation &+ 1)
    free.append(registration.slot)
    return descriptor
  }
}
