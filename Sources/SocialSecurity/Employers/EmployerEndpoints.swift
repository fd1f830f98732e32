import Crypto
import HTTPServer
import JSON
import PostgresClient

func registerEmployer(_ call: OpenCall) async throws(Failure) -> Response {
  let firm = try await call.input(NewEmployer.self)
  try call.services.blockedPasswords.refuse(
    firm.password, of: [firm.contactName.text, firm.contactEmail.text, firm.name, firm.npwp.digits], at: "/password")
  let hash = try await call.services.hash(firm.password)
  let token = try MailedToken.make(call.services.sealer)
  return try await call.answer(
    writing: EmployerStatements.register, firm.name, firm.npwp.digits, firm.industry, firm.size.rawValue,
    firm.riskClass, firm.address, firm.email.text, firm.phone.text, firm.contactName.text, firm.contactEmail.text, hash,
    firm.contactEmail.key(under: call.services.throttleKey), token.digest, token.mailID, token.sealed,
    call.language.rawValue)
}

func listEmployerRegistrations(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let status: RegistrationStatus?
  do {
    status = try call.query.choice("status")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(
    reading: EmployerStatements.listRegistrations, status?.rawValue, page.after, page.limit)
}

/// The officer may assign another risk class than the one the firm named. Its contact gets a mail with the token that
/// confirms the account.
func approveEmployerRegistration(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("registration_id")
  let approval = try await call.input(EmployerApproval.self)
  let token = try MailedToken.make(call.services.sealer)
  return try await call.answer(
    writing: EmployerStatements.approve, id, approval.riskClass, token.digest, token.mailID, token.sealed)
}

func listEmployers(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: EmployerStatements.list, page.after, page.limit)
}

func getEmployer(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: EmployerStatements.get, call.id("employer_id"))
}

func listWorkers(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("employer_id")
  let page = try await call.page()
  return try await call.answer(reading: EmployerStatements.listWorkers, id, page.after, page.limit)
}

func hireWorker(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let worker = try await call.input(NewWorker.self)
  let index = worker.nik.index(under: call.services.nationalIDIndex)
  let sealed: [UInt8]
  do {
    sealed = try call.services.sealer.seal(worker.nik.digits, at: .nationalID(index))
  } catch {
    throw .bug
  }
  let answer = try await call.answer(
    writing: EmployerStatements.hire, employer, worker.kpj?.digits, index, sealed, worker.nik.lastFour,
    worker.name.text, worker.birthDate.sql, worker.sex?.rawValue, worker.wage, worker.startDate.sql, worker.problems,
    call.language.rawValue)
  return call.inLanguage(answer)
}

func endEmployment(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let employment = try call.id("employment_id")
  let termination = try await call.input(Termination.self)
  return try await call.answer(
    writing: EmployerStatements.end, employer, employment, termination.endDate.sql, termination.reason.rawValue)
}
