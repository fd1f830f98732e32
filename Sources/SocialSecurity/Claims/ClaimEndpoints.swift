import HTTPServer
import PostgresClient

func listClaimTypes(_ call: OpenCall) async throws(Failure) -> Response {
  try await call.answer(reading: ClaimStatements.types)
}

func createClaim(_ call: Call) async throws(Failure) -> Response {
  let claim = try await call.input(NewClaim.self)
  return try await call.answer(writing: ClaimStatements.create, claim.type, claim.reason, claim.note)
}

func listClaims(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let state: ClaimState?
  do {
    state = try call.query.claimState()
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: ClaimStatements.list, state?.rawValue, page.after, page.limit)
}

func getClaim(_ call: Call) async throws(Failure) -> Response {
  // Not over a shared connection: an officer's look is written down.
  var work = try call.work()
  try work.add(ClaimStatements.get, call.id("claim_id"))
  return try await call.context.answer(read: call.write(work).last)
}

func getClaimTimeline(_ call: Call) async throws(Failure) -> Response {
  var response = try await call.answer(reading: ClaimStatements.timeline, call.id("claim_id"), call.language.rawValue)
  response.headers.append("Content-Language", call.language.rawValue)
  return response
}

func attachClaimDocument(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("claim_id")
  let input = try await call.input(ClaimDocument.self)
  return try await call.answer(writing: ClaimStatements.attach, id, input.document, input.requirement)
}

func submitClaim(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(ClaimStatements.submit)
}

func withdrawClaim(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(ClaimStatements.withdraw)
}

func listClaimQueue(_ call: Call) async throws(Failure) -> Response {
  let page = try await call.page()
  let state: ClaimState?
  let mine: Bool
  do {
    state = try call.query.claimState()
    mine = try call.query.flag("mine")
  } catch {
    throw await call.refuse(error)
  }
  return try await call.answer(reading: ClaimStatements.queue, state?.rawValue, mine, page.after, page.limit)
}

func assignClaim(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(ClaimStatements.assign)
}

func decideClaim(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("claim_id")
  let input = try await call.input(ClaimDecision.self)
  return try await call.answer(writing: ClaimStatements.decide, id, input.decision.outcome, input.reason)
}

func approveClaim(_ call: Call) async throws(Failure) -> Response {
  try await call.answer(ClaimStatements.approve)
}

func payClaim(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("claim_id")
  let input = try await call.input(ClaimPayment.self)
  return try await call.answer(writing: ClaimStatements.pay, id, input.reference)
}

extension Call {
  /// An action on a claim that needs no input: the body is absent or `{}`.
  fileprivate func answer(_ action: Statement<SQLUUID>) async throws(Failure) -> Response {
    let id = try self.id("claim_id")
    if request.body.declaredLength != 0 { _ = try await input(NoInput.self) }
    return try await answer(writing: action, id)
  }
}
