import Crypto
import HTTPServer
import JSON
import PostgresClient

func getOwnMember(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: MemberStatements.me)
}

func updateOwnMember(_ call: Call) async throws(Failure) -> Response {
  let change = try await call.input(MemberChange.self)
  return try await call.answer(
    writing: MemberStatements.update, !change.address.isAbsent, change.address.value, call.ifMatch)
}

func listOwnEmployments(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: MemberStatements.employments, page.after, page.limit)
}

func getOwnBankAccount(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: MemberStatements.bankAccount)
}

func putOwnBankAccount(_ call: Call) async throws(Failure) -> Response {
  let account = try await call.input(BankAccount.self)
  // The seal binds the number to its row, so the row's owner has to be known first.
  var question = try call.work()
  try question.add(MemberStatements.caller)
  guard let member = try await call.read(question).last?.uuid(0, 0) else { throw .notFound }
  let sealed: [UInt8]
  do {
    sealed = try call.services.sealer.seal(
      account.number.digits,
      at: SealedPlace(table: "member_bank_account", column: "number_sealed", row: member.description))
  } catch {
    throw .bug
  }
  return try await call.answer(
    writing: MemberStatements.putBankAccount, account.bank.digits, account.holder.text, sealed,
    account.number.lastFour, call.ifMatch)
}

func searchMembers(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let wanted = try await call.input(MemberSearch.self)
  return try await call.answer(
    writing: MemberStatements.search, wanted.kpj?.digits,
    wanted.nik.map { $0.index(under: call.services.nationalIDIndex) }, wanted.name, wanted.birthDate?.sql,
    page.after, page.limit)
}

/// An officer who has seen the identity card makes a person without an employer a member.
func createMember(_ call: Call) async throws(Failure) -> Response {
  let person = try await call.input(NewMember.self)
  let index = person.nik.index(under: call.services.nationalIDIndex)
  let sealed: [UInt8]
  do {
    sealed = try call.services.sealer.seal(person.nik.digits, at: .nationalID(index))
  } catch {
    throw .bug
  }
  return try await call.answer(
    writing: MemberStatements.create, index, sealed, person.nik.lastFour, person.name.text, person.birthDate.sql,
    person.sex?.rawValue)
}

func getMember(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: MemberStatements.open, call.id("member_id"))
}

/// What a member may change without proof.
struct MemberChange: Input {
  let address: Patch<String>

  static func read(_ fields: inout JSONFields) -> MemberChange? {
    MemberChange(address: fields.patch("address", text: .lines(1...300)))
  }
}

struct NewMember: Input {
  let nik: NIK
  let name: PersonName
  let birthDate: PlainDate
  let sex: Sex?

  static func read(_ fields: inout JSONFields) -> NewMember? {
    let nik = fields.required("nik", NIK.self)
    let name = fields.required("full_name", PersonName.self)
    let birthDate = fields.required("birth_date", PlainDate.self)
    let sex = fields.optional("sex", Sex.self)
    guard let nik, let name, let birthDate else { return nil }
    return NewMember(nik: nik, name: name, birthDate: birthDate, sex: sex)
  }
}

/// What an officer may look for: a number, or the beginning of a name, with or without the birth date.
struct MemberSearch: Input {
  let kpj: KPJ?
  let nik: NIK?
  let name: String?
  let birthDate: PlainDate?

  static func read(_ fields: inout JSONFields) -> MemberSearch? {
    let kpj = fields.optional("kpj", KPJ.self)
    let nik = fields.optional("nik", NIK.self)
    let name = fields.optional("name", text: .line(3...100))
    let birthDate = fields.optional("birth_date", PlainDate.self)
    if !fields.has("kpj"), !fields.has("nik"), !fields.has("name") {
      fields.fail("", FieldProblem("search_needs_one"))
    }
    return MemberSearch(kpj: kpj, nik: nik, name: name, birthDate: birthDate)
  }
}
