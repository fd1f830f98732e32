import JSON
import PostgresClient

/// A day of the Gregorian calendar without a time or zone, written `YYYY-MM-DD`.
package struct PlainDate: Sendable, Hashable, Comparable, JSONTextReadable, CustomStringConvertible {
  package let year: Int
  package let month: Int
  package let day: Int

  /// nil unless the calendar has that day, from 1900 to 9999.
  package init?(year: Int, month: Int, day: Int) {
    guard (1900...9999).contains(year), (1...12).contains(month), day >= 1, day <= Self.days(in: month, of: year) else {
      return nil
    }
    self.year = year
    self.month = month
    self.day = day
  }

  /// - Throws: `invalid_format` for anything but ten characters of an existing day.
  package init(parsing text: String) throws(FieldProblem) {
    guard let date = Self(Array(text.utf8)) else { throw .invalidFormat("YYYY-MM-DD") }
    self = date
  }

  /// The same from bytes; nil when they aren't an existing day.
  package init?(_ bytes: some RandomAccessCollection<UInt8>) {
    let bytes = Array(bytes)
    guard bytes.count == 10, bytes[4] == 0x2D, bytes[7] == 0x2D, let year = Digits.value(bytes[0..<4]),
      let month = Digits.value(bytes[5..<7]), let day = Digits.value(bytes[8..<10])
    else { return nil }
    self.init(year: year, month: month, day: day)
  }

  package var description: String { "\(year)-\(Digits.two(month))-\(Digits.two(day))" }

  package var sql: SQLDate { SQLDate(description) }

  package static func < (left: Self, right: Self) -> Bool {
    (left.year, left.month, left.day) < (right.year, right.month, right.day)
  }

  private static func days(in month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
}

/// A wage month, written `YYYY-MM`.
package struct WageMonth: Sendable, Hashable, Comparable, JSONTextReadable, CustomStringConvertible {
  package let year: Int
  package let month: Int

  /// - Throws: `invalid_format` for anything but seven characters of an existing month.
  package init(parsing text: String) throws(FieldProblem) {
    guard let month = Self(Array(text.utf8)) else { throw .invalidFormat("YYYY-MM") }
    self = month
  }

  /// The same from bytes; nil when they aren't a month from 1900 to 9999.
  package init?(_ bytes: some RandomAccessCollection<UInt8>) {
    let bytes = Array(bytes)
    guard bytes.count == 7, bytes[4] == 0x2D, let year = Digits.value(bytes[0..<4]),
      let month = Digits.value(bytes[5..<7]), (1900...9999).contains(year), (1...12).contains(month)
    else { return nil }
    self.year = year
    self.month = month
  }

  package var description: String { "\(year)-\(Digits.two(month))" }

  /// The month's first day, as the database keeps wage months.
  package var sql: SQLDate { SQLDate("\(description)-01") }

  package static func < (left: Self, right: Self) -> Bool { (left.year, left.month) < (right.year, right.month) }
}
