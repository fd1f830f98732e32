import PostgresClient

/// A request's id: the client's own `X-Request-Id` when it is a UUID, else a fresh one.
package struct RequestID: Sendable, CustomStringConvertible {
  package let uuid: SQLUUID
  package var description: String { uuid.description }

  init(header: String?) {
    if let header, let given = SQLUUID(parsing: header) {
      uuid = given
      return
    }
    var random = SystemRandomNumberGenerator()
    // Version 4 and the variant of RFC 9562 section 5.4.
    let high: UInt64 = random.next() & ~0xF000 | 0x4000
    let low: UInt64 = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    uuid = SQLUUID(high: high, low: low)
  }
}
