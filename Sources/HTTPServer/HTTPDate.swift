/// The `Date` field (RFC 9110 section 5.6.7, IMF-fixdate), written once a second.
struct HTTPDate {
  private var second: Int64 = .min
  /// `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its CRLF.
  private(set) var line: [UInt8] = []

  /// Makes `line` say that second since 1970.
  mutating func update(to now: Int64) {
    guard now != second else { return }
    second = now
    line = Array("Date: ".utf8)
    Self.append(now, to: &line)
    line += [.carriageReturn, .lineFeed]
  }

  static func append(_ seconds: Int64, to bytes: inout [UInt8]) {
    let days: StaticString = "ThuFriSatSunMonTueWed"
    let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
    let day = Int(seconds / 86_400)
    let clock = Int(seconds % 86_400)
    let (year, month, dayOfMonth) = civil(daysSince1970: day)
    append(days, day % 7, to: &bytes)
    bytes += [.comma, .space]
    appendTwo(dayOfMonth, to: &bytes)
    bytes.append(.space)
    append(months, month - 1, to: &bytes)
    bytes.append(.space)
    appendTwo(year / 100, to: &bytes)
    appendTwo(year % 100, to: &bytes)
    bytes.append(.space)
    appendTwo(clock / 3_600, to: &bytes)
    bytes.append(.colon)
    appendTwo(clock / 60 % 60, to: &bytes)
    bytes.append(.colon)
    appendTwo(clock % 60, to: &bytes)
    bytes += " GMT".utf8
  }

  /// The date of a day counted from 1970-01-01, by whole 400-year cycles that begin in March.
  static func civil(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = daysSince1970 + 719_468
    let cycle = shifted / 146_097
    let dayOfCycle = shifted % 146_097
    let yearOfCycle = (dayOfCycle - dayOfCycle / 1_460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
    let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0)
    return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
  }

  private static func append(_ names: StaticString, _ index: Int, to bytes: inout [UInt8]) {
    for offset in 0..<3 { bytes.append(unsafe names.utf8Start[index * 3 + offset]) }
  }

  private static func appendTwo(_ number: Int, to bytes: inout [UInt8]) {
    bytes.append(UInt8(truncatingIfNeeded: number / 10 % 10) &+ 0x30)
    bytes.append(UInt8(truncatingIfNeeded: number % 10) &+ 0x30)
  }
}
