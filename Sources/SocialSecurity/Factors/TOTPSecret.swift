import Crypto
import PostgresClient

/// An account's TOTP secret as the database keeps it.
struct TOTPSecret: Sendable {
  let id: SQLUUID
  let sealed: [UInt8]
  /// The last time step that was accepted.
  let lastStep: Int64

  /// Reads columns of a row that may have none.
  init?(_ result: QueryResult, id: Int, sealed: Int, lastStep: Int? = nil) {
    guard let identifier = result.uuid(0, id), let bytes = result.bytea(0, sealed) else { return nil }
    self.id = identifier
    self.sealed = bytes
    self.lastStep = lastStep.flatMap { result.int64(0, $0) } ?? 0
  }

  /// The time step of a code that is right and not used up; nil otherwise. The database uses it up.
  ///
  /// - Throws: 500 when the secret doesn't open: its key is gone.
  func step(of code: ShownCode, at epoch: Int64, _ sealer: Sealer) throws(Failure) -> Int64? {
    guard let digits = code.digits else { return nil }
    do {
      let secret = try TOTP(secret: sealer.open(sealed, at: Self.place(id)))
      return try secret.acceptedStep(of: digits, at: epoch, after: lastStep)
    } catch {
      throw Failure.bug.because("totp: \(error)")
    }
  }

  /// Where a secret is sealed.
  static func place(_ id: SQLUUID) -> SealedPlace {
    SealedPlace(table: "totp", column: "secret_sealed", row: id.description)
  }
}
