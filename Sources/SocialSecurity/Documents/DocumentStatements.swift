import PostgresClient

enum DocumentStatements {
  static let list = Statement(
    "documents.list", "SELECT smile.list_documents($1, $2, $3)", String?.self, SQLUUID?.self, Int32.self)

  static let get = Statement(
    "documents.get",
    "SELECT smile.document_body(d.id), smile.etag(d.version) FROM smile.document AS d WHERE d.id = $1", SQLUUID.self)

  /// What a download's head needs; writes an audit row when an officer asks.
  static let content = Statement(
    "documents.content",
    "SELECT media_type, size, sha256, file_name, released FROM smile.read_document($1)", SQLUUID.self)

  static let chunk = Statement(
    "documents.chunk",
    "SELECT c.content FROM smile.document_chunk AS c WHERE c.document_id = $1 AND c.number = $2",
    SQLUUID.self, Int32.self, binaryResult: true)

  static let begin = Statement(
    "documents.begin", "SELECT smile.begin_document($1, $2, $3, $4, $5)",
    String.self, String?.self, String.self, Int32.self, [UInt8].self)

  static let addChunk = Statement(
    "documents.add_chunk",
    "INSERT INTO smile.document_chunk (document_id, number, content) VALUES ($1, $2, $3)",
    SQLUUID.self, Int32.self, [UInt8].self)

  static let finish = Statement(
    "documents.finish", "SELECT status, body, etag, location FROM smile.finish_document($1, $2, $3)",
    SQLUUID?.self, String.self, [UInt8].self)

  static let delete = Statement(
    "documents.delete", "SELECT status, body, etag, location FROM smile.delete_document($1, $2)",
    SQLUUID.self, String?.self)

  static let all: [any StatementDescription] = [list, get, content, chunk, begin, addChunk, finish, delete]
}
