import Crypto
import HTTPServer
import JSON
import PostgresClient

/// A key with which a bank signs what it reports. The only answer that shows it: the database keeps it sealed.
func createSigningKey(_ call: Call) async throws(Failure) -> Response {
  let client = try call.id("client_id")
  let key: FreshSigningKey
  do {
    key = try FreshSigningKey(call.services.sealer)
  } catch {
    throw .bug
  }
  var made = try await call.answer(writing: SigningStatements.create, client, key.id, key.sealed)
  guard case .bytes(let about) = made.body else { throw .bug }
  var json = JSONWriter(capacity: about.count + 80)
  json.object { json in json.field("key", key.text) }
  made.body = .bytes(json.bytes.dropLast() + [UInt8(ascii: ",")] + about.dropFirst())
  return made
}

func deleteSigningKey(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: SigningStatements.revoke, call.id("client_id"), call.id("key_id"))
}

/// A signing key that is given out now, and never again.
struct FreshSigningKey {
  let id = SQLUUID.random()
  /// As Standard Webhooks writes keys.
  let text: String
  /// What the database keeps.
  let sealed: [UInt8]

  init(_ sealer: Sealer) throws {
    let key = try SecureRandom.bytes(32)
    text = "whsec_\(Base64.encode(key))"
    sealed = try sealer.seal(key, at: .signingKey(id))
  }
}

enum SigningStatements {
  static let ownKeys = Statement(
    "signing.own_keys", "SELECT now_epoch, id, key_sealed FROM smile.own_signing_keys()")

  static let claim = Statement("signing.claim", "SELECT smile.claim_message($1, $2)", String.self, [UInt8].self)

  static let create = Statement(
    "signing.create", "SELECT status, body, etag, location FROM smile.create_signing_key($1, $2, $3)",
    SQLUUID.self, SQLUUID.self, [UInt8].self)

  static let revoke = Statement(
    "signing.revoke", "SELECT status, body, etag, location FROM smile.revoke_signing_key($1, $2)",
    SQLUUID.self, SQLUUID.self)

  static let all: [any StatementDescription] = [ownKeys, claim, create, revoke]
}

enum SigningProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "signature_required", 403, id: "Pesan dari klien ini harus ditandatangani.",
      en: "A bank signs its messages: webhook-id, webhook-timestamp and webhook-signature are missing."),
    ProblemText(
      "invalid_signature", 403, id: "Tanda tangan pesan tidak sah atau waktunya menyimpang lebih dari 5 menit.",
      en: "The message's signature doesn't fit, or its timestamp is more than 5 minutes off."),
    ProblemText(
      "message_id_used", 409, id: "Nomor pesan ini sudah dipakai untuk pesan lain.",
      en: "This webhook-id was used for another message."),
    ProblemText(
      "client_without_signatures", 409, id: "Hanya klien bank yang menandatangani pesan.",
      en: "Only a bank's client signs its messages."),
    ProblemText(
      "too_many_signing_keys", 409, id: "Klien ini sudah memiliki dua kunci; cabut salah satunya dahulu.",
      en: "This client has two signing keys already; revoke one of them first."),
  ]
}
