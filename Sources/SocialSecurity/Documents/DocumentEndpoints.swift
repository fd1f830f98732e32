import HTTPServer

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
