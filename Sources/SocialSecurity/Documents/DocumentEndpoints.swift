import HTTPServer

let documentEndpoints: [Endpoint] = [
  Endpoint(
    .POST, "/v1/documents", "uploadDocument", [.member, .employer], parameters: ["purpose", "file_name"],
    uploadDocument),
  Endpoint(
    .GET, "/v1/documents", "listDocuments", [.member, .employer], parameters: ["purpose", "limit", "after"],
    listDocuments),
  Endpoint(.GET, "/v1/documents/{document_id}", "getDocument", documentReaders, getDocument),
  Endpoint(.GET, "/v1/documents/{document_id}/content", "getDocumentContent", documentReaders, getDocumentContent),
  Endpoint(.DELETE, "/v1/documents/{document_id}", "deleteDocument", [.member, .employer], deleteDocument),
]

/// Owners see their documents; officers see those that belong to a claim, which row-level security judges.
private let documentReaders: [Grant] = [
  .member, .employer, .officer("review_claims"), .officer("approve_claims"), .officer("pay_claims"),
]

func listDocuments(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  return try await call.answer(reading: DocumentStatements.list, call.query["purpose"], page.after, page.limit)
}

func getDocument(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: DocumentStatements.get, call.id("document_id"))
}

func deleteDocument(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(writing: DocumentStatements.delete, call.id("document_id"), call.ifMatch)
}
