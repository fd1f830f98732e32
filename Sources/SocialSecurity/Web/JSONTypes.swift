import JSON
import PostgresClient

extension SQLUUID: JSONTextReadable {
  package init(parsing text: String) throws(FieldProblem) {
    guard let id = SQLUUID(parsing: Array(text.utf8)) else { throw .invalidFormat("uuid") }
    self = id
  }
}

extension Language: JSONChoice {}
