import JSON

/// Nomor Pokok Wajib Pajak: a taxpayer number of 15 digits, or 16 since PMK 112/PMK.03/2022.
package struct NPWP: Sendable, Hashable, JSONTextReadable {
  package let digits: String

  /// - Throws: `invalid_npwp`.
  package init(parsing text: String) throws(FieldProblem) {
    guard Digits.areAll(text, count: 15) || Digits.areAll(text, count: 16) else { throw FieldProblem("invalid_npwp") }
    digits = text
  }
}

package enum Sex: String, JSONChoice, Sendable {
  case female, male
}

enum FirmSize: String, JSONChoice {
  case micro, small, medium, large
}

enum RegistrationStatus: String, JSONChoice {
  case pending, approved, rejected
}

/// A firm that registers, with the person who becomes its first user.
struct NewEmployer: Input {
  let name: String
  let npwp: NPWP
  let industry: String
  let size: FirmSize
  /// JKK risk class, 1 (very low) to 5 (very high).
  let riskClass: Int32
  let address: String
  let email: EmailAddress
  let phone: PhoneNumber
  let contactName: PersonName
  let contactEmail: EmailAddress
  let password: Password

  static func read(_ fields: inout JSONFields) -> NewEmployer? {
    let name = fields.required("name", text: .line(1...150))
    let npwp = fields.required("npwp", NPWP.self)
    let industry = fields.required("industry", text: .line(1...100))
    let size = fields.required("size", FirmSize.self)
    let riskClass = fields.required("risk_class", in: 1...5)
    let address = fields.required("address", text: .line(1...300))
    let email = fields.required("email", EmailAddress.self)
    let phone = fields.required("phone", PhoneNumber.self)
    let contact: (PersonName, EmailAddress)? = fields.object("contact") { contact in
      let name = contact.required("full_name", PersonName.self)
      let email = contact.required("email", EmailAddress.self)
      guard let name, let email else { return nil }
      return (name, email)
    }
    let password = fields.required("password", Password.self)
    guard let name, let npwp, let industry, let size, let riskClass, let address, let email, let phone, let contact,
      let password
    else { return nil }
    return NewEmployer(
      name: name, npwp: npwp, industry: industry, size: size, riskClass: Int32(riskClass), address: address,
      email: email, phone: phone, contactName: contact.0, contactEmail: contact.1, password: password)
  }
}

struct EmployerApproval: Input {
  /// The class that the agency assigns; absent: the one that the firm named.
  let riskClass: Int32?

  static func read(_ fields: inout JSONFields) -> EmployerApproval? {
    EmployerApproval(riskClass: fields.optional("risk_class", in: 1...5).map { Int32($0) })
  }
}

/// A worker who is hired: known by KPJ or NIK, or made a member.
struct NewWorker: Input {
  let kpj: KPJ?
  let nik: NIK
  let name: PersonName
  let birthDate: PlainDate
  let sex: Sex?
  /// A month's, in whole rupiah.
  let wage: Int64
  let startDate: PlainDate

  /// What is worth a look and no reason to refuse, as `field:code`.
  var problems: [String] { nik.disagreements(birthDate: birthDate, sex: sex).map { "nik:\($0)" } }

  static func read(_ fields: inout JSONFields) -> NewWorker? {
    let kpj = fields.optional("kpj", KPJ.self)
    let nik = fields.required("nik", NIK.self)
    let name = fields.required("full_name", PersonName.self)
    let birthDate = fields.required("birth_date", PlainDate.self)
    let sex = fields.optional("sex", Sex.self)
    let wage = fields.required("wage", in: Rupiah.wages)
    let startDate = fields.required("start_date", PlainDate.self)
    guard let nik, let name, let birthDate, let wage, let startDate else { return nil }
    return NewWorker(
      kpj: kpj, nik: nik, name: name, birthDate: birthDate, sex: sex, wage: wage, startDate: startDate)
  }
}

struct Termination: Input {
  /// The reasons of `smile.employment.end_reason`.
  enum Reason: String, JSONChoice {
    case resignation, layoff, retirement, death, disability, other
    case contractEnd = "contract_end"
  }

  /// The last day of work.
  let endDate: PlainDate
  let reason: Reason

  static func read(_ fields: inout JSONFields) -> Termination? {
    let endDate = fields.required("end_date", PlainDate.self)
    let reason = fields.required("reason", Reason.self)
    guard let endDate, let reason else { return nil }
    return Termination(endDate: endDate, reason: reason)
  }
}
