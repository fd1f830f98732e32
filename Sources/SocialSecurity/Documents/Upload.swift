import Crypto
import EventLoop
import HTTPServer
import JSON
import PostgresClient

/// Takes a file as the body. The caller is judged before a byte is read; the bytes go to an unnamed file, so that
/// memory holds one piece however many upload at once; then row and chunks are written in one transaction.
func uploadDocument(_ call: Call) async throws(Failure) -> Response {
  let announced: AnnouncedDocument
  do {
    announced = try AnnouncedDocument(call)
  } catch {
    throw await call.refuse(error)
  }
  try await call.identify()
  let file = try await announced.receive(call)
  var opening = try call.change()
  try opening.add(
    DocumentStatements.begin, announced.purpose, announced.fileName, announced.format.rawValue,
    Int32(file.bytes.length), file.digest)
  return try await DocumentWriter(call: call, announced: announced, file: file, opening: opening.segment).write()
}

/// What the head of an upload says of the file.
struct AnnouncedDocument: Sendable {
  /// 10 MiB.
  static let bytesMax = 10 << 20

  let purpose: String
  let fileName: String?
  let format: DocumentFormat

  /// - Throws: 415 for other media types, 400 for the query, 413 for a declared length over the limit.
  init<Caller: CallerKind>(_ call: RequestCall<Caller>) throws(Failure) {
    guard let mediaType = call.request.mediaType, let format = DocumentFormat(rawValue: mediaType) else {
      throw Failure(415, "unsupported_media_type")
    }
    self.format = format
    guard let purpose = call.query["purpose"] else { throw .invalid(parameter: "purpose", .required) }
    self.purpose = purpose
    fileName = try Self.fileName(call.query["file_name"], format)
    if let length = call.request.body.declaredLength, length > Self.bytesMax {
      throw Failure(413, "payload_too_large")
    }
  }

  private static func fileName(_ text: String?, _ format: DocumentFormat) throws(Failure) -> String? {
    guard let text else { return nil }
    let name: String
    do {
      name = try TextRule.line(1...100).check(text)
    } catch {
      throw .invalid(parameter: "file_name", error)
    }
    let ending = name.utf8.reversed().prefix { $0 != UInt8(ascii: ".") }.reversed().map { $0 | 0x20 }
    guard ending.count < name.utf8.count, format.extensions.contains(where: { ending == Array($0.utf8) }) else {
      throw .invalid(parameter: "file_name", FieldProblem("extension_differs"))
    }
    return name
  }

  /// - Throws: 413, 400 for a broken body, 422 when it isn't a whole file of its declared type.
  func receive<Caller: CallerKind>(_ call: RequestCall<Caller>) async throws(Failure) -> ReceivedDocument {
    let observer: UploadObserver
    do {
      observer = try await UploadObserver(format)
    } catch {
      throw .bug
    }
    let spooled: SpooledBody
    do {
      spooled = try await call.request.body.spool(
        in: call.services.configuration.dataDirectory, quota: Self.bytesMax,
        observe: { (piece: [UInt8]) in observer.take(piece) })
    } catch {
      throw Failure(bodyError: error)
    }
    guard let digest = await observer.finish() else { throw Failure(422, "document_malformed") }
    call.context.observation.keepDigest(digest)
    return ReceivedDocument(bytes: spooled, digest: digest)
  }
}

struct ReceivedDocument: Sendable {
  let bytes: SpooledBody
  /// SHA-256.
  let digest: [UInt8]
}

/// Sees every piece of an upload on its way to the disk.
@LoopActor
private final class UploadObserver {
  private var digest: SHA256Stream?
  private var scanner: any StructureScanner

  init(_ format: DocumentFormat) throws(CryptoError) {
    scanner = format.makeScanner()
    digest = try SHA256Stream()
  }

  func take(_ piece: [UInt8]) {
    scanner.scan(piece)
    do {
      try digest?.update(piece)
    } catch {
      digest = nil
    }
  }

  /// The digest of a whole file of the format; nil otherwise.
  func finish() -> [UInt8]? {
    guard scanner.isWhole, let stream = digest.take() else { return nil }
    return try? stream.finish()
  }
}

/// Writes a document and its chunks in one transaction, on a connection of its own.
struct DocumentWriter<Caller: CallerKind>: Sendable {
  /// Bytes of a chunk.
  private static var chunkLength: Int { 256 << 10 }

  let call: RequestCall<Caller>
  let announced: AnnouncedDocument
  let file: ReceivedDocument
  /// The caller, the idempotency key, and the document's row.
  let opening: Segment

  func write() async throws(Failure) -> Response {
    do {
      let result = try await call.services.database.dedicated {
        (connection: DedicatedConnection) async throws(DatabaseError) -> QueryResult? in
        try await run(on: connection)
      }
      let response = try call.context.answer(written: result)
      guard call.context.isRehearsal else { return response }
      return Response(status: 200, headers: .json, body: response.body)
    } catch let error as DatabaseError {
      let failure = call.services.failures.failure(for: error)
      guard failure.status == 208 else { throw failure }
      return try await call.context.replay(Caller.self)
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
    let document = try await connection.run(opening).last?.uuid(0, 0)
    if let document {
      var number: Int32 = 0
      for offset in stride(from: 0, to: file.bytes.length, by: Self.chunkLength) {
        _ = try await connection.run(DocumentStatements.addChunk, document, number, piece(at: offset))
        number += 1
      }
    }
    return try await connection.run(DocumentStatements.finish, document, announced.purpose, file.digest)
  }

  private func piece(at offset: Int) throws(DatabaseError) -> [UInt8] {
    do {
      return try file.bytes.read(at: offset, upTo: Self.chunkLength)
    } catch {
      // The disk failed under us; nothing was committed.
      throw .unavailable(retryAfter: 1)
    }
  }
}
