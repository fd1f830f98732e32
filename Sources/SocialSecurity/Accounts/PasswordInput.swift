import JSON

/// A password to be judged, with what is known of whom it will belong to.
struct PasswordCheck: Input {
  let password: String
  let words: [String]

  static func read(_ fields: inout JSONFields) -> PasswordCheck? {
    let password = fields.required("password", String.self)
    var words = [
      fields.optional("full_name", text: .line(1...100)), fields.optional("email", text: .line(1...254)),
      fields.optional("username", text: .line(1...40)), fields.optional("phone", text: .line(1...20)),
      fields.optional("kpj", text: .line(1...11)), fields.optional("nik", text: .line(1...16)),
    ].compactMap { $0 }
    words += fields.optional("birth_date", PlainDate.self)?.spellings ?? []
    return password.map { PasswordCheck(password: $0, words: words) }
  }
}

/// The current password is taken as it comes: today's rules may be younger than it.
struct PasswordChange: Input {
  let current: String
  let new: Password

  static func read(_ fields: inout JSONFields) -> PasswordChange? {
    let current = fields.required("current_password", String.self)
    let new = fields.required("new_password", Password.self)
    guard let current, let new else { return nil }
    return PasswordChange(current: current, new: new)
  }
}

struct PasswordResetRequest: Input {
  /// E-mail address or username; both are kept in lower case, and only ASCII letters can stand in one.
  let identifier: String

  static func read(_ fields: inout JSONFields) -> PasswordResetRequest? {
    fields.required("identifier", text: .line(1...254)).map { text in
      PasswordResetRequest(
        identifier: String(decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self))
    }
  }
}

struct PasswordReset: Input {
  let token: ReturnedToken
  let new: Password

  static func read(_ fields: inout JSONFields) -> PasswordReset? {
    let token = fields.required("token", ReturnedToken.self)
    let new = fields.required("new_password", Password.self)
    guard let token, let new else { return nil }
    return PasswordReset(token: token, new: new)
  }
}
