import HTTPServer

// What employers and their payroll systems read back, and what their workers say of it: the rest of the page that
// Endpoints.swift is.

private let moneyReaders: [Grant] = [
  .employer, .client("returns:read"), .client("returns:write"), .client("billings:read"), .officer("manage_billing"),
]
/// As of a return's lines; officers read those return by return.
private let lineReaders: [Grant] = [.employer, .client("returns:read"), .client("returns:write")]
/// They name workers, whom officers open one by one.
private let annualReaders: [Grant] = [.employer, .client("workers:read"), .client("returns:read")]
private let certificateReaders: [Grant] = [.employer, .officer("manage_employers")]
private let discrepancyReaders = annualReaders + [.officer("manage_employers")]
private let reportReaders: [Grant] = [.member, .employer, .officer("manage_employers")]
/// The parameters of every list.
private let page = ["limit", "after"]

extension Endpoints {
  static let readingBack: [Endpoint] = [
    Endpoint(
      .GET, "/v1/employers/{employer_id}/obligations", "listObligations", moneyReaders,
      parameters: ["from", "to", "state"] + page, listObligations),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/summary", "getSummary", moneyReaders,
      parameters: ["period", "from", "to"] + page, getSummary),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/lines", "listMonthLines", lineReaders, .media,
      parameters: ["period", "fields"] + page, listMonthLines),
    Endpoint(
      .GET, "/v1/employer_arrears", "listEmployerArrears", [.officer("manage_billing")],
      parameters: ["min_months"] + page, listEmployerArrears),
    Endpoint(
      .GET, "/v1/members/me/protection", "getOwnProtection", [.member], parameters: ["as_of"], getOwnProtection),
    Endpoint(
      .GET, "/v1/members/{member_id}/protection", "getProtection", [.officer("read_members")],
      parameters: ["as_of"], getProtection),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/discrepancies", "listDiscrepancies", discrepancyReaders,
      parameters: ["period", "code"] + page, listDiscrepancies),
    Endpoint(
      .GET, "/v1/worker_reports", "listWorkerReports", reportReaders, parameters: ["status"] + page,
      listWorkerReports),
    Endpoint(.GET, "/v1/worker_reports/{worker_report_id}", "getWorkerReport", reportReaders, getWorkerReport),
    Endpoint(
      .POST, "/v1/worker_reports/{worker_report_id}/answer", "answerWorkerReport", [.employer(.payroll)], .idempotent,
      answerWorkerReport),
    Endpoint(
      .POST, "/v1/worker_reports/{worker_report_id}/decision", "decideWorkerReport", [.officer("manage_employers")],
      [.idempotent, .stepUp], decideWorkerReport),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/annual_totals", "getAnnualTotals", annualReaders, .media,
      parameters: ["year"] + page, getAnnualTotals),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/statement", "getStatement", moneyReaders, .media, parameters: ["as_of"],
      getStatement),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/certificates", "listCertificates", certificateReaders, parameters: page,
      listCertificates),
    Endpoint(
      .POST, "/v1/employers/{employer_id}/certificates", "issueCertificate", [.employer(.payroll)], issueCertificate),
    Endpoint(
      .GET, "/v1/employers/{employer_id}/certificates/{certificate_id}", "getCertificate", certificateReaders, .media,
      getCertificate),
    Endpoint(.GET, "/v1/verifications/{code}", "verifyCertificate", .open, verifyCertificate),
  ]
}
