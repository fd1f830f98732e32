import Crypto
import HTTPServer
import JSON
import PostgresClient

/// A body of the bank channel whose signature was verified.
///
/// Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp` (seconds of Unix time) and `webhook-signature`, a list of
/// `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.
struct SignedBody {
  /// How far a timestamp may be from our clock: what Standard Webhooks' own libraries allow.
  private static let tolerance = 300

  let bytes: [UInt8]
  private let message: (id: String, digest: [UInt8])

  /// Reads and verifies. The caller is judged first, by the look-up of its keys.
  static func read(_ call: Call, as types: [String], atMost limit: Int) async throws(Failure) -> SignedBody {
    var work = try call.work()
    try work.add(SigningStatements.ownKeys)
    let found = try await call.read(work).last
    try call.request.requireMediaType(types)
    let bytes = try await call.context.collectBody(atMost: limit)
    guard let found, let now = found.int(0, 0) else { throw .bug }
    guard let id = call.request.headers.string("webhook-id"),
      let timestamp = call.request.headers.string("webhook-timestamp"),
      let signature = call.request.headers.string("webhook-signature")
    else { throw Failure(403, "signature_required") }
    let head = Array("\(id).\(timestamp).".utf8)
    guard isMessageID(id), isTimely(timestamp, at: now) else { throw Failure(403, "invalid_signature") }
    let codes = signature.split(separator: " ").prefix(8).compactMap { part in
      part.hasPrefix("v1,") ? Base64.decode(String(part.dropFirst(3))) : nil
    }
    for row in 0..<found.rowCount {
      guard let keyID = found.uuid(row, 1), let sealed = found.bytea(row, 2) else { continue }
      let key: HMACSHA256
      do {
        key = try HMACSHA256(key: try call.services.sealer.open(sealed, at: .signingKey(keyID)))
      } catch {
        throw .bug
      }
      if codes.contains(where: { key.isValid($0, for: head + bytes) }) {
        return SignedBody(bytes: bytes, message: (id, SHA256.hash(
          call.request.path + [0] + (call.request.query ?? []) + [0] + bytes)))
      }
    }
    throw Failure(403, "invalid_signature")
  }

  /// Writes down that the message came, in the transaction of what it does.
  func claim(in work: inout Work<Principal>) throws(Failure) {
    try work.add(SigningStatements.claim, message.id, message.digest)
  }

  private static func isMessageID(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x2D, 0x2E, 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
        default: false
        }
      }
  }

  private static func isTimely(_ text: String, at now: Int) -> Bool {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), text.utf8.count <= 12, let seconds = Int(text) else {
      return false
    }
    return abs(seconds - now) <= tolerance
  }
}

extension SealedPlace {
  /// Where a client's signing key is.
  static func signingKey(_ id: SQLUUID) -> SealedPlace {
    SealedPlace(table: "client_signing_key", column: "key_sealed", row: id.description)
  }
}
