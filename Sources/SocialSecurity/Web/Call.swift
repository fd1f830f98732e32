import HTTPServer
import JSON
import PostgresClient

/// Who makes a call: the first statement of its pipeline says so.
package protocol CallerKind: Sendable {
  static func introduce(_ context: CallContext, to segment: inout Segment) throws(DatabaseError)
}

/// Anyone: no token is looked at.
package enum Anyone: CallerKind {
  package static func introduce(_ context: CallContext, to segment: inout Segment) throws(DatabaseError) {
    try segment.add(WebStatements.open, context.address, context.requestID.uuid)
  }
}

/// A caller with a token, judged by `smile.authenticate` against the endpoint's grants.
package enum Principal: CallerKind {
  package static func introduce(_ context: CallContext, to segment: inout Segment) throws(DatabaseError) {
    try segment.add(
      WebStatements.authenticate, context.token?.bytes ?? [], context.access,
      context.endpoint.options.contains(.stepUp), context.address, context.requestID.uuid, context.purpose)
  }
}

package typealias Call = RequestCall<Principal>
package typealias OpenCall = RequestCall<Anyone>

/// A request on its way to its answer, as a handler sees it.
package struct RequestCall<Caller: CallerKind>: Sendable {
  package let context: CallContext

  package var request: Request { context.request }
  package var services: Services { context.services }
  package var query: Query { context.query }
  package var language: Language { context.language }

  /// A path parameter that is an id.
  ///
  /// - Throws: 404 when it isn't written as one: no such resource can exist.
  package func id(_ name: StaticString) throws(Failure) -> SQLUUID {
    guard let text = context.parameter(name), let id = SQLUUID(parsing: text) else {
      throw .notFound
    }
    return id
  }

  /// A path parameter as text.
  package func parameter(_ name: StaticString) -> String { context.parameter(name) ?? "" }

  /// The `If-Match` header as sent; `smile.check_match` judges it.
  package var ifMatch: String? { request.headers.string(.ifMatch) }

  /// Work of several statements, for handlers in which Swift must decide; begins with who the caller is.
  package func work() throws(Failure) -> Work<Caller> { try Work(context) }

  /// Runs read-only work in one round trip.
  package func read(_ work: Work<Caller>) async throws(Failure) -> [QueryResult] {
    try await context.run(work.segment, .read)
  }

  /// Runs a change in one round trip, as one transaction.
  package func write(_ work: Work<Caller>) async throws(Failure) -> [QueryResult] {
    try await context.run(work.segment, .write)
  }

  /// The answer of one read: a row of `body` and, for a single resource, `etag`. No row is a 404.
  package func answer<each P: SQLParameter>(
    reading statement: Statement<repeat each P>, _ values: repeat each P
  ) async throws(Failure) -> Response {
    var work = try self.work()
    try work.add(statement, repeat each values)
    let results = try await read(work)
    return try context.answer(read: results.last)
  }

  /// The answer of one change: a row of `smile.answer_row`. Claims the request's idempotency key in the same
  /// transaction, and only rehearses under `validate_only=true`.
  package func answer<each P: SQLParameter>(
    writing statement: Statement<repeat each P>, _ values: repeat each P
  ) async throws(Failure) -> Response {
    var work = try self.work()
    try context.claimKey(in: &work.segment)
    try work.add(statement, repeat each values)
    return try await context.answer(writing: work.segment, Caller.self)
  }

  /// The answer of a change of several statements, the last of which gives the `smile.answer_row`.
  ///
  /// - Parameter limit: how long it may take when that is longer than usual.
  package func answer(writing work: Work<Caller>, within limit: Duration? = nil) async throws(Failure) -> Response {
    try await context.answer(writing: work.segment, Caller.self, within: limit)
  }

  /// Work that begins with the caller and the claim of the idempotency key.
  package func change() throws(Failure) -> Work<Caller> {
    var work = try self.work()
    try context.claimKey(in: &work.segment)
    return work
  }

  /// The JSON body, read into a type that can't be wrong. The caller is judged first: 401 and 403 win over 400, and
  /// nobody unknown fills our memory, or is told to go on (RFC 9110 section 10.1.1).
  package func input<T: Input>(_: T.Type = T.self) async throws(Failure) -> T {
    let isSmall = request.body.declaredLength.map { $0 <= 64 << 10 } ?? false
    if !isSmall || request.headers.contains(.expect) { try await identify() }
    do {
      return try T(json: try await context.body())
    } catch {
      try await identify()
      throw error
    }
  }

  /// Ends with `failure`, unless the caller may not be here at all.
  package func refuse(_ failure: Failure) async -> Failure {
    do {
      try await identify()
      return failure
    } catch {
      return error
    }
  }

  /// Judges the caller and does nothing else; nothing to do on an open endpoint.
  package func identify() async throws(Failure) {
    if context.endpoint.grants.isEmpty { return }
    _ = try await read(work())
  }
}

/// Statements of one round trip, after the one that introduces the caller.
package struct Work<Caller: CallerKind>: Sendable {
  var segment = Segment()

  init(_ context: CallContext) throws(Failure) {
    do {
      try Caller.introduce(context, to: &segment)
    } catch {
      throw context.services.failures.failure(for: error)
    }
  }

  package mutating func add<each P: SQLParameter>(
    _ statement: Statement<repeat each P>, _ values: repeat each P
  ) throws(Failure) {
    do {
      try segment.add(statement, repeat each values)
    } catch {
      // The only way to fail here: text that PostgreSQL can't hold.
      throw .invalid([FieldError(pointer: "", .invalidText)])
    }
  }
}

/// A type that a request body is read into.
package protocol Input: Sendable {
  /// Reads every field and collects all errors; nil when something needed is missing or wrong.
  static func read(_ fields: inout JSONFields) -> Self?
}

extension Input {
  /// - Throws: 400 with every error of the body.
  init(json bytes: [UInt8]) throws(Failure) {
    let document: JSONDocument
    do {
      document = try JSONReader.parse(bytes)
    } catch {
      throw Failure(
        400, "invalid_json",
        errors: [
          FieldError(
            pointer: "",
            FieldProblem(
              "invalid_json", [FieldProblem.Parameter("reason", "\(error.reason), line \(error.line)")]))
        ])
    }
    var fields = JSONFields(document)
    let value = Self.read(&fields)
    fields.finish()
    guard fields.errors.isEmpty, let value else { throw .invalid(fields.errors) }
    self = value
  }
}
