/// Money is `Int64` in whole rupiah everywhere; no floating point comes near it. What can be meant is bounded, so that
/// a slip of the pen is refused and no sum can overflow.
package enum Rupiah {
  /// A month's wage or back pay of one worker: up to a trillion.
  package static let wages: ClosedRange<Int64> = 0...1_000_000_000_000
  /// Totals of a return or billing.
  package static let totals: ClosedRange<Int64> = 0...1_000_000_000_000_000
}
