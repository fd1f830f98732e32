import Crypto
import HTTPServer
import JSON
import PostgresClient

func getWorker(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: WorkerStatements.get, call.id("employer_id"), call.id("employment_id"))
}

func updateWorker(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let employment = try call.id("employment_id")
  let change = try await call.input(WorkerChange.self)
  var json = JSONWriter()
  change.write(to: &json)
  return try await call.answer(
    writing: WorkerStatements.update, employer, employment, SQLJSON(json.bytes), call.ifMatch)
}

/// Many changes at once, each with an outcome of its own.
func changeWorkers(_ call: Call) async throws(Failure) -> Response {
  let employer = try call.id("employer_id")
  let wanted = try await workerChanges(call)
  let json: [UInt8]
  do {
    json = try wanted.json(index: call.services.nationalIDIndex, sealer: call.services.sealer)
  } catch {
    throw .bug
  }
  return try await call.inLanguage(
    call.answer(writing: WorkerStatements.change, employer, SQLJSON(json), call.language.rawValue))
}

/// From JSON, CSV or NDJSON.
private func workerChanges(_ call: Call) async throws(Failure) -> WorkerChanges {
  guard let file = call.request.mediaType.flatMap(WorkerChangeFile.init(rawValue:)) else {
    return try await call.input()
  }
  try await call.identify()
  return try WorkerChanges(json: file.json(of: await call.context.collectBody(atMost: 1 << 20)))
}

/// A merge patch (RFC 7396) of what an employer says of a worker.
struct WorkerChange: Input {
  struct Wage: Sendable {
    /// A month's, in whole rupiah.
    let amount: Int64
    let from: PlainDate
  }

  let wage: Wage?
  let unit: Patch<SQLUUID>
  let employeeNumber: Patch<String>
  let jobTitle: Patch<String>
  /// null takes an end back.
  let endDate: Patch<PlainDate>
  let endReason: Patch<Termination.Reason>

  static func read(_ fields: inout JSONFields) -> WorkerChange? {
    var wage: Wage?
    if fields.has("wage") || fields.has("wage_from") {
      let amount = fields.required("wage", in: Rupiah.wages)
      let from = fields.required("wage_from", PlainDate.self)
      if let amount, let from { wage = Wage(amount: amount, from: from) }
    }
    return WorkerChange(
      wage: wage, unit: fields.patch("unit_id", SQLUUID.self),
      employeeNumber: fields.patch("employee_number", text: .line(1...30)),
      jobTitle: fields.patch("job_title", text: .line(1...100)),
      endDate: fields.patch("end_date", PlainDate.self),
      endReason: fields.patch("end_reason", Termination.Reason.self))
  }

  /// What `smile.apply_worker_change` takes: the members that change, null where one is cleared.
  func write(to json: inout JSONWriter) {
    json.object { json in
      if let wage {
        json.field("wage", wage.amount)
        json.field("wage_from", wage.from.description)
      }
      Self.write("unit_id", unit, to: &json) { $0.description }
      Self.write("employee_number", employeeNumber, to: &json) { $0 }
      Self.write("job_title", jobTitle, to: &json) { $0 }
      Self.write("end_date", endDate, to: &json) { $0.description }
      Self.write("end_reason", endReason, to: &json) { $0.rawValue }
    }
  }

  private static func write<Value>(
    _ name: StaticString, _ patch: Patch<Value>, to json: inout JSONWriter, _ text: (Value) -> String
  ) {
    switch patch {
    case .absent: return
    case .clear:
      json.key(name)
      json.null()
    case .set(let value): json.field(name, text(value))
    }
  }
}

/// Hires, changes and terminations in one list.
struct WorkerChanges: Input {
  enum Kind: String, JSONChoice, Sendable {
    case hire, change, termination
  }

  enum Action: Sendable {
    case hire(NewWorker)
    case change(SQLUUID, WorkerChange)
    case termination(SQLUUID, Termination)
  }

  struct Line: Sendable {
    /// The sender's own handle, given back.
    let key: String?
    let action: Action
  }

  static let linesMax = 500

  let lines: [Line]

  static func read(_ fields: inout JSONFields) -> WorkerChanges? {
    let lines: [Line]? = fields.list("changes", min: 1, max: linesMax) { line in
      let key = line.optional("line_key", text: .line(1...64))
      guard let kind = line.required("action", Kind.self), let action = action(of: kind, &line) else { return nil }
      return Line(key: key, action: action)
    }
    return lines.map { WorkerChanges(lines: $0) }
  }

  private static func action(of kind: Kind, _ line: inout JSONFields) -> Action? {
    if kind == .hire { return NewWorker.read(&line).map(Action.hire) }
    let employment = line.required("employment_id", SQLUUID.self)
    if kind == .change {
      guard let change = WorkerChange.read(&line), let employment else { return nil }
      return .change(employment, change)
    }
    guard let termination = Termination.read(&line), let employment else { return nil }
    return .termination(employment, termination)
  }

  /// What `smile.change_workers` takes. NIKs leave here only as index and sealed.
  ///
  /// - Throws: when there is no randomness for a seal.
  func json(index: HMACSHA256, sealer: Sealer) throws(CryptoError) -> [UInt8] {
    var json = JSONWriter()
    try json.array { (json: inout JSONWriter) throws(CryptoError) in
      for (number, line) in lines.enumerated() {
        try json.object { (json: inout JSONWriter) throws(CryptoError) in
          json.field("line", number + 1)
          json.field("line_key", optional: line.key)
          try Self.write(line.action, to: &json, index, sealer)
        }
      }
    }
    return json.bytes
  }

  private static func write(
    _ action: Action, to json: inout JSONWriter, _ index: HMACSHA256, _ sealer: Sealer
  ) throws(CryptoError) {
    switch action {
    case .hire(let worker):
      let nikIndex = worker.nik.index(under: index)
      json.field("action", Kind.hire.rawValue)
      json.field("kpj", optional: worker.kpj?.digits)
      json.field("nik_index", Hex.encode(nikIndex))
      json.field("nik_sealed", Hex.encode(try sealer.seal(worker.nik.digits, at: .nationalID(nikIndex))))
      json.field("nik_last_four", worker.nik.lastFour)
      json.field("full_name", worker.name.text)
      json.field("birth_date", worker.birthDate.description)
      json.field("sex", optional: worker.sex?.rawValue)
      json.field("wage", worker.wage)
      json.field("start_date", worker.startDate.description)
      json.key("problems")
      json.array { json in
        for problem in worker.problems { json.string(problem) }
      }
    case .change(let employment, let change):
      json.field("action", Kind.change.rawValue)
      json.field("employment_id", employment.description)
      json.key("change")
      change.write(to: &json)
    case .termination(let employment, let termination):
      json.field("action", Kind.termination.rawValue)
      json.field("employment_id", employment.description)
      json.field("end_date", termination.endDate.description)
      json.field("reason", termination.reason.rawValue)
    }
  }
}
