import Crypto
import PostgresClient

/// A request's id: the client's own `X-Request-Id` when it is a UUID, else a fresh one.
package struct RequestID: Sendable, CustomStringConvertible {
  package let uuid: SQLUUID
  /// The text form, made once: it stands in the answer, the log and the problem.
  package let description: String

  init(header: String?, _ random: RandomSource) {
    uuid = header.flatMap { SQLUUID(parsing: $0) } ?? Self.fresh(random)
    description = uuid.description
  }

  /// Version 4 (RFC 9562 section 5.4).
  private static func fresh(_ random: RandomSource) -> SQLUUID {
    var (high, low): (UInt64, UInt64)
    do {
      (high, low) = (try random.word(), try random.word())
    } catch {
      // An id is no secret: the system's generator will do.
      var generator = SystemRandomNumberGenerator()
      (high, low) = (generator.next(), generator.next())
    }
    high = high & ~0xF000 | 0x4000
    low = low & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    return SQLUUID(high: high, low: low)
  }
}
