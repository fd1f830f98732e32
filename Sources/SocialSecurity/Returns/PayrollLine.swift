import JSON

/// One line of a return with every field in its own type, and what is wrong with those that have none. The codes are
/// those of `GET /v1/rules`.
package struct PayrollLine: Sendable {
  package struct Problem: Sendable, Equatable {
    package let field: PayrollColumn?
    package let code: String

    /// As the staging table keeps it: `field:code`.
    var text: String { "\(field?.rawValue ?? ""):\(code)" }
  }

  package private(set) var lineKey: String?
  package private(set) var kpj: KPJ?
  package private(set) var nik: NIK?
  package private(set) var name: PersonName?
  package private(set) var birthDate: PlainDate?
  package private(set) var sex: Sex?
  package private(set) var wage: Int64?
  package private(set) var backPay: Int64?
  package private(set) var backPayPeriod: WageMonth?
  /// Whether the line of this key goes.
  package private(set) var removes = false
  package private(set) var problems: [Problem] = []

  /// A line that couldn't be read as a line.
  package init(unreadable code: String) {
    problems = [Problem(field: nil, code: code)]
  }

  package init(_ fields: PayrollFields) {
    guard PayrollColumn.allCases.allSatisfy({ isText(fields[$0]) }) else {
      problems = [Problem(field: nil, code: "encoding_invalid")]
      return
    }
    lineKey = text(fields, .lineKey, or: "line_key_malformed") { (text) throws(FieldProblem) in
      try TextRule.line(1...64).check(text)
    }
    switch String(decoding: fields[.remove], as: UTF8.self) {
    case "", "false": break
    case "true":
      removes = true
      return
    default: note(.remove, "remove_invalid")
    }
    kpj = text(fields, .kpj, or: "kpj_malformed") { (text) throws(FieldProblem) in try KPJ(parsing: text) }
    nik = text(fields, .nik, or: "nik_malformed") { (text) throws(FieldProblem) in try NIK(parsing: text) }
    name = text(fields, .fullName, or: "name_malformed") { (text) throws(FieldProblem) in
      try PersonName(parsing: text)
    }
    if fields[.fullName].isEmpty { note(.fullName, "name_missing") }
    birthDate = PlainDate(fields[.birthDate])
    if birthDate == nil {
      note(.birthDate, fields[.birthDate].isEmpty ? "birth_date_missing" : "birth_date_invalid")
    }
    sex = Sex.allCases.first { $0.rawValue.utf8.elementsEqual(fields[.sex]) }
    if sex == nil, !fields[.sex].isEmpty { note(.sex, "sex_invalid") }
    readWage(fields[.wage])
    readBackPay(fields[.backPay], fields[.backPayPeriod])
    for code in nik?.disagreements(birthDate: birthDate, sex: sex) ?? [] { note(.nik, code) }
  }

  // MARK: money

  private mutating func readWage(_ bytes: ArraySlice<UInt8>) {
    switch Self.amount(bytes) {
    case .success(let amount): wage = amount
    case .failure(let fault):
      note(.wage, bytes.isEmpty ? "wage_missing" : "wage_\(fault.rawValue)")
    }
  }

  /// Amount and month belong together.
  private mutating func readBackPay(_ amount: ArraySlice<UInt8>, _ month: ArraySlice<UInt8>) {
    if !amount.isEmpty {
      if case .success(let value) = Self.amount(amount), value > 0 { backPay = value } else {
        note(.backPay, "back_pay_malformed")
      }
      if month.isEmpty { note(.backPayPeriod, "back_pay_period_missing") }
    } else if !month.isEmpty {
      note(.backPay, "back_pay_missing")
    }
    if !month.isEmpty {
      backPayPeriod = WageMonth(month)
      if backPayPeriod == nil { note(.backPayPeriod, "back_pay_period_invalid") }
    }
  }

  private enum AmountFault: String, Error {
    case malformed, negative
    case notWhole = "not_whole"
    case tooLarge = "too_large"
  }

  /// Plain digits; what comes close to a number is told apart, since each has another remedy.
  private static func amount(_ bytes: ArraySlice<UInt8>) -> Result<Int64, AmountFault> {
    if bytes.first == UInt8(ascii: "-") {
      if case .failure(.malformed) = amount(bytes.dropFirst()) { return .failure(.malformed) }
      return .failure(.negative)
    }
    let digits = bytes.prefix { (0x30...0x39).contains($0) }
    guard !digits.isEmpty else { return .failure(.malformed) }
    if digits.count < bytes.count {
      let rest = bytes.dropFirst(digits.count)
      let isDecimal = rest.first == UInt8(ascii: ".") || rest.first == UInt8(ascii: ",")
      let decimals = rest.dropFirst()
      return .failure(
        isDecimal && !decimals.isEmpty && decimals.allSatisfy { (0x30...0x39).contains($0) } ? .notWhole : .malformed)
    }
    let significant = digits.drop { $0 == 0x30 }
    guard let value = significant.isEmpty ? 0 : Digits.value(significant),
      Rupiah.wages.contains(Int64(value))
    else { return .failure(.tooLarge) }
    return .success(Int64(value))
  }

  // MARK: fields

  private mutating func note(_ field: PayrollColumn, _ code: String) {
    problems.append(Problem(field: field, code: code))
  }

  private mutating func text<T>(
    _ fields: PayrollFields, _ column: PayrollColumn, or code: String, _ parse: (String) throws(FieldProblem) -> T
  ) -> T? {
    guard !fields[column].isEmpty else { return nil }
    do {
      return try parse(String(decoding: fields[column], as: UTF8.self))
    } catch {
      note(column, code)
      return nil
    }
  }
}
