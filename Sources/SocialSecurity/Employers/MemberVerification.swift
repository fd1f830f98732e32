import Crypto
import HTTPServer
import JSON
import PostgresClient

/// Tells for each person whether the four facts belong together, and never which one doesn't.
func verifyMembers(_ call: Call) async throws(Failure) -> Response {
  let wanted = try await call.input(MemberVerifications.self)
  let persons = wanted.json(index: call.services.nationalIDIndex)
  return try await call.answer(writing: WorkerStatements.verify, SQLJSON(persons))
}

struct MemberVerifications: Input {
  struct Person: Sendable {
    /// The sender's own handle, given back.
    let lineKey: String?
    let kpj: KPJ
    let nik: NIK
    let name: PersonName
    let birthDate: PlainDate
    let sex: Sex?
  }

  static let personsMax = 200

  let persons: [Person]

  static func read(_ fields: inout JSONFields) -> MemberVerifications? {
    let persons: [Person]? = fields.list("persons", min: 1, max: personsMax) { person in
      let lineKey = person.optional("line_key", text: .line(1...64))
      let kpj = person.required("kpj", KPJ.self)
      let nik = person.required("nik", NIK.self)
      let name = person.required("full_name", PersonName.self)
      let birthDate = person.required("birth_date", PlainDate.self)
      let sex = person.optional("sex", Sex.self)
      guard let kpj, let nik, let name, let birthDate else { return nil }
      return Person(lineKey: lineKey, kpj: kpj, nik: nik, name: name, birthDate: birthDate, sex: sex)
    }
    return persons.map { MemberVerifications(persons: $0) }
  }

  /// What `smile.verify_members` takes: a NIK leaves here as its index alone.
  func json(index: HMACSHA256) -> [UInt8] {
    var json = JSONWriter()
    json.array { json in
      for (number, person) in persons.enumerated() {
        json.object { json in
          json.field("line", number + 1)
          json.field("line_key", optional: person.lineKey)
          json.field("kpj", person.kpj.digits)
          json.field("nik_index", Hex.encode(person.nik.index(under: index)))
          json.field("full_name", person.name.text)
          json.field("birth_date", person.birthDate.description)
          let warnings = person.nik.disagreements(birthDate: person.birthDate, sex: person.sex)
          if !warnings.isEmpty {
            json.field("warnings", array: { (json: inout JSONWriter) in for code in warnings { json.string(code) } })
          }
        }
      }
    }
    return json.bytes
  }
}
