import JSON

/// Where benefits are paid: a bank of Indonesia and an account there.
struct BankAccount: Input {
  let bank: BankCode
  let number: BankAccountNumber
  let holder: PersonName

  static func read(_ fields: inout JSONFields) -> BankAccount? {
    let bank = fields.required("bank_code", BankCode.self)
    let number = fields.required("number", BankAccountNumber.self)
    let holder = fields.required("holder_name", PersonName.self)
    guard let bank, let number, let holder else { return nil }
    return BankAccount(bank: bank, number: number, holder: holder)
  }
}

/// A bank's three digits in the national clearing system, such as 014.
struct BankCode: Sendable, JSONTextReadable {
  let digits: String

  init(parsing text: String) throws(FieldProblem) {
    guard Digits.areAll(text, count: 3) else { throw FieldProblem("invalid_bank_code") }
    digits = text
  }
}

/// An account's number; kept sealed, shown by its last four digits.
struct BankAccountNumber: Sendable, JSONTextReadable {
  let digits: String

  init(parsing text: String) throws(FieldProblem) {
    guard (6...20).contains(text.utf8.count), Digits.areAll(text, count: text.utf8.count) else {
      throw FieldProblem("invalid_bank_account_number")
    }
    digits = text
  }

  var lastFour: String { String(digits.suffix(4)) }
}
