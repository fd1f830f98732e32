import Crypto
import PostgresClient

/// Lines as rows for `COPY smile.return_staging FROM STDIN` in text format (PostgreSQL 15 manual, COPY). NIKs leave
/// here only as index and sealed.
struct StagingRows: Sendable {
  private let upload: [UInt8]
  private let index: HMACSHA256
  private let sealer: Sealer
  private var rows: [UInt8] = []
  private(set) var line = 0

  init(upload: SQLUUID, index: HMACSHA256, sealer: Sealer) {
    self.upload = Array(upload.description.utf8)
    self.index = index
    self.sealer = sealer
    rows.reserveCapacity(96 << 10)
  }

  /// - Throws: when there is no randomness for a seal.
  mutating func append(_ entry: PayrollLine) throws(CryptoError) {
    line += 1
    rows += upload
    column("\(line)")
    column(entry.lineKey)
    column(entry.kpj?.digits)
    if let nik = entry.nik {
      let nikIndex = nik.index(under: index)
      column(bytes: nikIndex)
      column(bytes: try sealer.seal(nik.digits, at: .nationalID(nikIndex)))
      column(nik.lastFour)
    } else {
      for _ in 0..<3 { column(nil) }
    }
    column(entry.name?.text)
    column(entry.birthDate?.description)
    column(entry.sex?.rawValue)
    column(entry.wage.map { "\($0)" })
    column(entry.backPay.map { "\($0)" })
    column(entry.backPayPeriod.map { "\($0)-01" })
    column(
      entry.problems.isEmpty
        ? nil : "{" + entry.problems.map(\.text).joined(separator: ",") + "}")
    column(entry.removes ? "t" : "f")
    rows.append(UInt8(ascii: "\n"))
  }

  /// What has gathered, and an empty block to go on with.
  mutating func take() -> [UInt8] {
    let taken = rows
    rows.removeAll(keepingCapacity: false)
    rows.reserveCapacity(taken.count)
    return taken
  }

  private mutating func column(_ text: String?) {
    rows.append(UInt8(ascii: "\t"))
    guard let text else {
      rows += "\\N".utf8
      return
    }
    for byte in text.utf8 {
      // Control characters were refused where the text was read; the backslash is what is left to escape.
      if byte == UInt8(ascii: "\\") { rows.append(byte) }
      rows.append(byte)
    }
  }

  private mutating func column(bytes: [UInt8]) {
    rows += "\t\\\\x".utf8
    for byte in bytes {
      rows.append(Self.hexDigit(byte >> 4))
      rows.append(Self.hexDigit(byte & 0xF))
    }
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
