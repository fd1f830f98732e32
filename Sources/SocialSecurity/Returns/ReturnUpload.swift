import Crypto
import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// Replaces the lines of an open return by the body's.
func putReturnLines(_ call: Call) async throws(Failure) -> Response {
  try await takeLines(call, .replace)
}

/// Replaces, adds and removes single lines of an open return by their keys.
func patchReturnLines(_ call: Call) async throws(Failure) -> Response {
  try await takeLines(call, .merge)
}

/// The caller and the return are judged before a byte is read; the
/// bytes go to an unnamed file, so that a slow sender holds no connection to PostgreSQL; then they stream through the
/// tokeniser into COPY, and one function turns the staged rows into lines with findings and amounts: here and now when
/// they are few, by a job when they are many. All or nothing. A file that fits into one piece needs no COPY and takes
/// one round trip.
private func takeLines(_ call: Call, _ change: PayrollChange) async throws(Failure) -> Response {
  let id = try call.id("return_id")
  let report = try await call.preferred(of: [.json, .csv, .ndjson])
  let format: PayrollFormat
  let digest: ContentDigest?
  let mapping: ColumnMapping?
  do {
    guard let known = call.request.mediaType.flatMap(PayrollFormat.init(rawValue:)) else {
      throw Failure(415, "unsupported_media_type")
    }
    format = known
    if let length = call.request.body.declaredLength, length > ReceivedPayroll.bytesMax(known) {
      throw Failure(413, "payload_too_large")
    }
    mapping = try call.query.value("columns")
    if mapping != nil, known != .csv { throw Failure.invalid(parameter: "columns", FieldProblem("unknown_parameter")) }
    digest = try call.request.headers.string(.contentDigest).map { (text) throws(Failure) in
      try ContentDigest(text)
    }
  } catch let failure as Failure {
    throw await call.refuse(failure)
  } catch {
    throw .bug
  }
  var admission = try call.work()
  try admission.add(ReturnStatements.admitUpload, id)
  _ = try await call.read(admission)

  let file = try await ReceivedPayroll(call, format)
  if let digest, digest.sha256 != file.digest { throw Failure(400, "digest_mismatch") }
  var reader = PayrollReader(format, for: change, mapping: mapping)
  let isWhole = file.bytes.length <= file.pieceBytes
  var first = try reader.start(try file.piece(at: 0), isWhole: isWhole)
  let upload = SQLUUID.random()
  var opening = try call.work()
  try opening.add(ReturnStatements.patience)
  try opening.add(ReturnStatements.beginUpload, id)
  guard isWhole else {
    let answer = try await ReturnWriter(
      call: call, id: id, change: change, report: report, upload: upload, file: file, reader: reader, first: first,
      opening: opening.segment
    ).write()
    return try await call.reported(answer, as: report)
  }
  first += reader.finish()
  try opening.add(ReturnStatements.stage, upload, call.stagedJSON(first))
  try opening.add(
    ReturnStatements.take, id, upload, file.digest, Int64(first.count), change == .merge,
    call.context.isRehearsal, call.language.rawValue, report.rawValue)
  let answer = try await call.answer(writing: opening, within: ReturnStatements.patienceLimit)
  return try await call.reported(answer, as: report)
}

extension RequestCall {
  /// What an upload answers: the report in the form that was asked for, or, always as JSON, a job and what it was
  /// ordered for.
  fileprivate func reported(_ answer: Response, as form: PayrollFormat) async throws(Failure) -> Response {
    guard form != .json, answer.status == 200 else { return try await inLanguage(settled(answer)) }
    var report = answer
    report.headers.remove("content-type")
    report.headers.append("Content-Type", "\(form.rawValue); charset=utf-8")
    return inLanguage(report)
  }

  /// Lines as `smile.stage_lines` takes them: one value, so that the whole change is one round trip.
  fileprivate func stagedJSON(_ lines: [PayrollLine]) throws(Failure) -> SQLJSON {
    var rows = StagingJSON(index: services.nationalIDIndex, sealer: services.sealer)
    do {
      for line in lines { try rows.append(line) }
    } catch {
      // No randomness for a seal.
      throw .unavailable()
    }
    return SQLJSON(rows.finish())
  }
}

/// The uploaded file and its SHA-256.
struct ReceivedPayroll: Sendable {
  /// 256 MiB of CSV or NDJSON, some two million lines.
  static func bytesMax(_ format: PayrollFormat) -> Int {
    format == .json ? PayrollReader.jsonBytesMax : 256 << 20
  }

  let bytes: SpooledBody
  let digest: [UInt8]
  /// How much is read and tokenised at once: other requests of this worker wait for that long.
  let pieceBytes: Int

  /// - Throws: 413 over the limit, 400 for a broken body.
  init(_ call: Call, _ format: PayrollFormat) async throws(Failure) {
    let hasher: UploadHasher
    do {
      hasher = try await UploadHasher()
    } catch {
      throw .bug
    }
    do {
      bytes = try await call.request.body.spool(
        in: call.services.configuration.dataDirectory,
        quota: Self.bytesMax(format),
        observe: { (piece: [UInt8]) in hasher.take(piece) })
    } catch {
      throw Failure(bodyError: error)
    }
    guard let digest = await hasher.finish() else { throw .bug }
    self.digest = digest
    pieceBytes = format == .json ? PayrollReader.jsonBytesMax : CSVTokenizer.lineBytesMax + 1_024
  }

  /// - Throws: 503 when the disk fails.
  func piece(at offset: Int) throws(Failure) -> [UInt8] {
    do {
      return try bytes.read(at: offset, upTo: pieceBytes)
    } catch {
      throw .unavailable()
    }
  }
}

/// Takes the digest of a body on its way to the disk.
@LoopActor
private final class UploadHasher {
  private var digest: SHA256Stream?

  init() throws(CryptoError) {
    digest = try SHA256Stream()
  }

  func take(_ piece: [UInt8]) {
    do {
      try digest?.update(piece)
    } catch {
      digest = nil
    }
  }

  func finish() -> [UInt8]? {
    guard let stream = digest.take() else { return nil }
    return try? stream.finish()
  }
}

/// Writes the lines in one transaction, on a connection of its own.
private struct ReturnWriter: Sendable {
  let call: Call
  let id: SQLUUID
  let change: PayrollChange
  let report: PayrollFormat
  let upload: SQLUUID
  let file: ReceivedPayroll
  /// Behind the first piece.
  let reader: PayrollReader
  let first: [PayrollLine]
  /// The caller, patience, and the return, whose row is held until the end.
  let opening: Segment

  func write() async throws(Failure) -> Response {
    do {
      let result = try await call.services.database.dedicated {
        (connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? in
        try await run(on: connection)
      }
      return try call.context.answer(written: result)
    } catch let error as DatabaseError {
      throw call.services.failures.failure(for: error)
    } catch let failure as Failure {
      throw failure
    } catch {
      throw .bug
    }
  }

  @LoopActor
  private func run(on connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? {
    try await connection.transaction(rehearsing: call.context.isRehearsal) {
      (connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? in
      try await steps(on: connection)
    }
  }

  @LoopActor
  private func steps(on connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? {
    _ = try await connection.run(opening)
    let copy = try await connection.copyIn("COPY smile.return_staging FROM STDIN")
    var rows = StagingRows(
      upload: upload, index: call.services.nationalIDIndex, sealer: call.services.sealer)
    var reader = self.reader
    try append(first, to: &rows)
    for offset in stride(from: file.pieceBytes, to: file.bytes.length, by: file.pieceBytes) {
      try await copy.write(rows.take())
      // A whole file at once would keep the other requests of this worker waiting.
      await Task.yield()
      try append(reader.feed(piece(at: offset)), to: &rows)
    }
    try append(reader.finish(), to: &rows)
    try await copy.write(rows.take())
    _ = try await copy.finish()
    return try await connection.run(
      ReturnStatements.take, id, upload, file.digest, Int64(rows.line), change == .merge, call.context.isRehearsal,
      call.language.rawValue, report.rawValue)
  }

  private func append(_ lines: [PayrollLine], to rows: inout StagingRows) throws(DatabaseError) {
    do {
      for line in lines { try rows.append(line) }
    } catch {
      // No randomness for a seal; nothing was committed.
      throw .unavailable(retryAfter: 1)
    }
  }

  private func piece(at offset: Int) throws(DatabaseError) -> [UInt8] {
    do {
      return try file.piece(at: offset)
    } catch {
      throw .unavailable(retryAfter: 1)
    }
  }
}
