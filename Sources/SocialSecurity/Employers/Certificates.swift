import HTTPServer
import JSON
import PostgresClient

/// What the agency certifies of an employer.
enum CertificateKind: String, JSONChoice {
  case employerMembership = "employer_membership"
}

func listCertificates(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  return try await call.answer(reading: CertificateStatements.list, employer, page.after, page.limit)
}

func issueCertificate(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let wanted = try await call.input(NewCertificate.self)
  return try await call.answer(writing: CertificateStatements.issue, employer, wanted.kind.rawValue)
}

/// As it was issued, byte for byte in JSON; as CSV for people.
func getCertificate(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let id = try call.id("certificate_id")
  let format = try await call.preferred(of: [.json, .csv])
  guard format == .csv else { return try await call.answer(reading: CertificateStatements.get, employer, id) }
  return try await call.text(format, reading: CertificateStatements.csv, employer, id)
}

/// Whether the agency issued what somebody was shown.
func verifyCertificate(_ call: OpenCall) async throws(Failure) -> Response {
  try await call.answer(reading: CertificateStatements.verify, call.parameter("code"))
}

private struct NewCertificate: Input {
  let kind: CertificateKind

  static func read(_ fields: inout JSONFields) -> NewCertificate? {
    fields.required("kind", CertificateKind.self).map { NewCertificate(kind: $0) }
  }
}

enum CertificateStatements {
  static let list = Statement(
    "certificates.list", "SELECT smile.list_certificates($1, $2, $3)", SQLUUID.self, SQLUUID?.self, Int32.self)

  static let issue = Statement(
    "certificates.issue", "SELECT status, body, etag, location FROM smile.issue_certificate($1, $2)",
    SQLUUID.self, String.self)

  static let get = Statement(
    "certificates.get", "SELECT c.body FROM smile.certificate AS c WHERE c.employer_id = $1 AND c.id = $2",
    SQLUUID.self, SQLUUID.self)

  static let csv = Statement("certificates.csv", "SELECT smile.certificate_csv($1, $2)", SQLUUID.self, SQLUUID.self)

  static let verify = Statement("certificates.verify", "SELECT smile.verify_certificate($1)", String.self)

  static let all: [any StatementDescription] = [list, issue, get, csv, verify]
}
