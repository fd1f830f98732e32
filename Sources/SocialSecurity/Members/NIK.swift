import Crypto
import JSON

/// Nomor Induk Kependudukan: the national id number, 16 digits (Law 23/2006 Art. 1 and 13). It never stands in a path,
/// a log or a plain column.
package struct NIK: Sendable, Hashable, JSONTextReadable {
  /// Area code (6), birth date as DDMMYY with 40 added to a woman's day (6), serial number (4).
  package let digits: String

  /// - Throws: `invalid_nik` unless the digits can be a NIK: a province, a possible date, a serial number above 0000.
  package init(parsing text: String) throws(FieldProblem) {
    guard Digits.areAll(text, count: 16) else { throw FieldProblem("invalid_nik") }
    let values = text.utf8.map { Int($0 - 0x30) }
    let province = values[0] * 10 + values[1]
    let day = values[6] * 10 + values[7]
    let month = values[8] * 10 + values[9]
    let isDay = (1...31).contains(day) || (41...71).contains(day)
    guard province >= 11, isDay, (1...12).contains(month), values[12...].contains(where: { $0 != 0 }) else {
      throw FieldProblem("invalid_nik")
    }
    digits = text
  }

  /// What responses show of it.
  package var lastFour: String { String(digits.suffix(4)) }

  /// What in it doesn't agree with a birth date or a sex, as the codes of rules. Worth a look, no more: a NIK stays
  /// when either is corrected.
  package func disagreements(birthDate: PlainDate?, sex: Sex?) -> [String] {
    let values = digits.utf8.map { Int($0 - 0x30) }
    let day = values[6] * 10 + values[7]
    var codes: [String] = []
    if let birthDate {
      let isSame = (day > 40 ? day - 40 : day) == birthDate.day && values[8] * 10 + values[9] == birthDate.month
        && values[10] * 10 + values[11] == birthDate.year % 100
      if !isSame { codes.append("nik_birth_date_differs") }
    }
    if let sex, (day > 40) != (sex == .female) { codes.append("nik_sex_differs") }
    return codes
  }

  /// The index by which it is found without being readable: 16 bytes of an HMAC. The label keeps the indexes of other
  /// kinds of numbers apart.
  package func index(under key: HMACSHA256) -> [UInt8] {
    Array(key.code([UInt8]("nik\u{01}".utf8) + Array(digits.utf8)).prefix(16))
  }
}

extension SealedPlace {
  /// Where a NIK is kept sealed: its row is known by its index.
  package static func nationalID(_ index: [UInt8]) -> SealedPlace {
    SealedPlace(table: "national_id", column: "nik_sealed", row: Hex.encode(index))
  }
}
