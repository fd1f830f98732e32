import HTTPServer

/// Work that outlived its request, for whoever ordered it.
func getJob(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(reading: JobStatements.get, call.id("job_id"))
}
