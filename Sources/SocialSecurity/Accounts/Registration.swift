import JSON

/// A member who asks for an account.
struct Registration: Input {
  let kpj: KPJ
  let nik: NIK
  let name: PersonName
  let birthDate: PlainDate
  let email: EmailAddress
  let phone: PhoneNumber
  let username: Username?
  let password: Password

  static func read(_ fields: inout JSONFields) -> Registration? {
    let kpj = fields.required("kpj", KPJ.self)
    let nik = fields.required("nik", NIK.self)
    let name = fields.required("full_name", PersonName.self)
    let birthDate = fields.required("birth_date", PlainDate.self)
    let email = fields.required("email", EmailAddress.self)
    let phone = fields.required("phone", PhoneNumber.self)
    let username = fields.optional("username", Username.self)
    let password = fields.required("password", Password.self)
    guard let kpj, let nik, let name, let birthDate, let email, let phone, let password else { return nil }
    return Registration(
      kpj: kpj, nik: nik, name: name, birthDate: birthDate, email: email, phone: phone, username: username,
      password: password)
  }

  /// What the password must not consist of.
  var personalWords: [String] {
    [kpj.digits, nik.digits, name.text, email.text, phone.text, username?.text ?? ""] + birthDate.spellings
  }
}

extension PlainDate {
  /// The digits of a birth date in the two orders in which people write it.
  var spellings: [String] {
    let (day, month) = (Digits.two(day), Digits.two(month))
    return ["\(day)\(month)\(year)", "\(year)\(month)\(day)"]
  }
}

struct Confirmation: Input {
  let token: ReturnedToken

  static func read(_ fields: inout JSONFields) -> Confirmation? {
    fields.required("token", ReturnedToken.self).map(Confirmation.init)
  }
}

struct Resend: Input {
  let email: EmailAddress

  static func read(_ fields: inout JSONFields) -> Resend? {
    fields.required("email", EmailAddress.self).map(Resend.init)
  }
}
