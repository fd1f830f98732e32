import Crypto
import JSON

/// Lines as one JSON array for `smile.stage_lines`. NIKs leave here only as index and sealed.
struct StagingJSON: Sendable {
  private let index: HMACSHA256
  private let sealer: Sealer
  private var rows: [[UInt8]] = []

  init(index: HMACSHA256, sealer: Sealer) {
    self.index = index
    self.sealer = sealer
  }

  /// - Throws: when there is no randomness for a seal.
  mutating func append(_ entry: PayrollLine) throws(CryptoError) {
    var nikIndex: String?
    var nikSealed: String?
    if let nik = entry.nik {
      let bytes = nik.index(under: index)
      nikIndex = Hex.encode(bytes)
      nikSealed = Hex.encode(try sealer.seal(nik.digits, at: .nationalID(bytes)))
    }
    var json = JSONWriter()
    json.object { json in
      json.field("line", rows.count + 1)
      json.field("line_key", optional: entry.lineKey)
      json.field("kpj", optional: entry.kpj?.digits)
      json.field("nik_index", optional: nikIndex)
      json.field("nik_sealed", optional: nikSealed)
      json.field("nik_last_four", optional: entry.nik?.lastFour)
      json.field("full_name", optional: entry.name?.text)
      json.field("birth_date", optional: entry.birthDate?.description)
      json.field("sex", optional: entry.sex?.rawValue)
      json.field("wage", optional: entry.wage.map { "\($0)" })
      json.field("back_pay", optional: entry.backPay.map { "\($0)" })
      json.field("back_pay_period", optional: entry.backPayPeriod.map { "\($0)-01" })
      if entry.removes { json.field("removes", true) }
      if !entry.problems.isEmpty {
        json.field("problems", array: { (json: inout JSONWriter) in
          for problem in entry.problems { json.string(problem.text) }
        })
      }
    }
    rows.append(json.bytes)
  }

  consuming func finish() -> [UInt8] {
    var json = [UInt8(ascii: "[")]
    for (number, row) in rows.enumerated() {
      if number > 0 { json.append(UInt8(ascii: ",")) }
      json += row
    }
    json.append(UInt8(ascii: "]"))
    return json
  }
}
