import Crypto
import HTTPServer
import JSON
import PostgresClient

func openReturn(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let wanted = try await call.input(NewReturn.self)
  return try await call.answer(
    writing: ReturnStatements.open, employer, wanted.period.sql, wanted.kind.rawValue, wanted.reference,
    wanted.declared?.json, wanted.reason)
}

/// Newest first; also the look-up by the sender's own reference and by what was sent.
func listReturns(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let page = try await call.page()
  let period: WageMonth?
  let reference: ClientReference?
  let content: ContentHash?
  do {
    period = try call.query.value("period")
    reference = try call.query.value("client_reference")
    content = try call.query.value("content_sha256")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(
    reading: ReturnStatements.list, employer, period?.sql, reference?.text, content?.bytes, page.after, page.limit)
}

func getReturn(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ReturnStatements.get, call.id("return_id"))
}

func discardReturn(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: ReturnStatements.discard, call.id("return_id"), call.ifMatch)
}

func listReturnLines(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("return_id")
  let limit: Int32
  let status: LineStatus?
  let after: LineNumber?
  do {
    limit = Int32(try call.query.limit())
    status = try call.query.choice("status")
    after = try call.query.value("after")
  } catch {
    throw await call.refuse(error)
  }
  if let stream = try await call.export(.lines, of: id, status: status, after: after.map { "\($0.number)" }) {
    return call.inLanguage(stream)
  }
  var work = try call.work()
  try work.add(ReturnStatements.lines, id, status?.rawValue, after?.number, limit, call.language.rawValue)
  let results = try await call.read(work)
  let answer = try call.context.answer(read: results.last)
  try await call.noteOfficer(results.first, reading: id)
  return call.inLanguage(answer)
}

func listFindings(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("return_id")
  let limit: Int32
  let after: FindingCursor?
  do {
    limit = Int32(try call.query.limit())
    after = try call.query.value("after")
  } catch {
    throw await call.refuse(error)
  }
  if let stream = try await call.export(.findings, of: id, after: after?.text) { return call.inLanguage(stream) }
  return try await call.inLanguage(
    call.answer(reading: ReturnStatements.findings, id, after?.text, limit, call.language.rawValue))
}

/// Makes members of new people, bills what stands, and closes the return; by a job when there are many lines. The body
/// may be absent; with a preview's token it is done as that was shown, or not.
func finaliseReturn(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("return_id")
  let wanted = call.request.body.declaredLength != 0 ? try await call.input(Finalisation.self) : nil
  var work = try call.change()
  try work.add(ReturnStatements.patience)
  try work.add(ReturnStatements.finalise, id, call.context.isRehearsal, wanted?.preview?.text)
  return try await call.settled(call.answer(writing: work, within: ReturnStatements.patienceLimit))
}

/// As it was given at finalisation, for ever.
func getReceipt(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ReturnStatements.receipt, call.id("return_id"))
}

/// The legal parameters behind the amounts of all lines, by month.
func getReturnParameters(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: ReturnStatements.basis, call.id("return_id"))
}

func listRules(_ call: OpenCall) async throws(Failure) -> Response {
  let subject: RuleSubject? = try call.query.choice("applies_to")
  let limit = Int32(try call.query.limit())
  let after = try call.query.after()
  return try await call.inLanguage(
    call.answer(reading: ReturnStatements.rules, subject?.rawValue, after, limit, call.language.rawValue))
}

func getRule(_ call: OpenCall) async throws(Failure) -> Response {
  try await call.inLanguage(
    call.answer(reading: ReturnStatements.rule, call.parameter("code"), call.language.rawValue))
}

extension RequestCall {
  /// The lines name people: an officer's look is written down before it is granted.
  ///
  /// - Parameter caller: what `smile.authenticate` said.
  func noteOfficer(_ caller: QueryResult?, reading id: SQLUUID) async throws(Failure) {
    guard caller?.string(0, 0) == "officer" else { return }
    var trace = try work()
    try trace.add(ReturnStatements.noteRead, id)
    _ = try await write(trace)
  }

  /// Says in which language the texts of an answer are.
  func inLanguage(_ answer: Response) -> Response {
    var answer = answer
    answer.headers.append("Content-Language", language.rawValue)
    return answer
  }
}
