import JSON

/// Work that a relief of PP 50/2025 tells apart.
enum WorkSector: String, JSONChoice {
  case transport, other
}

/// Who pays in the end: the member, the state's budget (APBN) or a region's (APBD).
enum Funding: String, JSONChoice {
  case own
  case stateBudget = "state_budget"
  case regionalBudget = "regional_budget"
}

enum OwnBillingStatus: String, JSONChoice {
  case unpaid, paid, withdrawn
  case partiallyPaid = "partially_paid"
}

/// A member who pays for themselves from a month on.
struct NewSelfEmployment: Input {
  /// nil: this month.
  let firstPeriod: WageMonth?
  /// Names the income band, in rupiah a month.
  let incomeBase: Int64
  let withJHT: Bool
  let sector: WorkSector
  let funding: Funding

  static func read(_ fields: inout JSONFields) -> NewSelfEmployment? {
    let firstPeriod = fields.optional("first_period", WageMonth.self)
    let incomeBase = fields.required("income_base", in: IncomeBand.incomes)
    let withJHT = fields.required("with_jht", Bool.self)
    let sector = fields.required("sector", WorkSector.self)
    let funding = fields.required("funding", Funding.self)
    guard let incomeBase, let withJHT, let sector, let funding else { return nil }
    return NewSelfEmployment(
      firstPeriod: firstPeriod, incomeBase: incomeBase, withJHT: withJHT, sector: sector, funding: funding)
  }
}

/// A merge patch (RFC 7396): other terms from a coming month on, and the end.
struct SelfEmploymentChange: Input {
  /// The first month of the new terms; there when any of them is.
  let from: WageMonth?
  let incomeBase: Int64?
  let withJHT: Bool?
  let sector: WorkSector?
  let funding: Funding?
  /// null takes an end back.
  let lastPeriod: Patch<WageMonth>

  static func read(_ fields: inout JSONFields) -> SelfEmploymentChange? {
    let changesTerms =
      fields.has("income_base") || fields.has("with_jht") || fields.has("sector") || fields.has("funding")
    let from = changesTerms ? fields.required("from", WageMonth.self) : fields.optional("from", WageMonth.self)
    return SelfEmploymentChange(
      from: from, incomeBase: fields.optional("income_base", in: IncomeBand.incomes),
      withJHT: fields.optional("with_jht", Bool.self), sector: fields.optional("sector", WorkSector.self),
      funding: fields.optional("funding", Funding.self), lastPeriod: fields.patch("last_period", WageMonth.self))
  }
}

/// So many months in a row, from a month on.
struct NewOwnBilling: Input {
  /// A year at once: no month is billed that lies more than twelve ahead, for what it will cost isn't known.
  static let monthsMax: Int64 = 12

  /// nil: from the earliest that isn't billed.
  let from: WageMonth?
  let months: Int32

  static func read(_ fields: inout JSONFields) -> NewOwnBilling? {
    let from = fields.optional("from", WageMonth.self)
    guard let months = fields.required("months", in: 1...monthsMax) else { return nil }
    return NewOwnBilling(from: from, months: Int32(months))
  }
}
