import Crypto
import EventLoop
import HTTPServer
import PostgresClient

/// The file itself, chunk by chunk as the client takes it; never shown by a browser in our name.
func getDocumentContent(_ call: Call) async throws(Failure) -> Response {
  let id = try call.id("document_id")
  var work = try call.work()
  try work.add(DocumentStatements.content, id)
  let found = try await call.write(work).last
  guard let found, found.rowCount == 1, let mediaType = found.string(0, 0), let size = found.int(0, 1),
    let digest = found.bytea(0, 2), let fileName = found.string(0, 3)
  else { throw .notFound }
  guard found.bool(0, 4) == true else { throw Failure(409, "document_not_released") }

  var response = Response(status: 200)
  let etag = "\"\(Hex.encode(digest))\""
  response.headers.append("ETag", etag)
  if let known = call.request.headers.string(.ifNoneMatch), ETag.matches(known, etag) {
    response.status = 304
    return response
  }
  response.headers.append("Content-Type", mediaType)
  response.headers.append("Content-Disposition", ContentDisposition.attachment(fileName))
  let reader: ContentReader
  do {
    reader = try await ContentReader(call: call, document: id, length: size, digest: digest)
  } catch {
    throw .bug
  }
  response.body = .stream(length: size) { try await reader.next() }
  return response
}

/// Reads a document's chunks in their order, each in a transaction of its own that judges the caller again. The digest
/// is compared before the last piece leaves: a difference cuts the connection, so nobody takes damaged bytes for whole.
@LoopActor
private final class ContentReader {
  struct Damaged: Error {}

  private let call: Call
  private let document: SQLUUID
  private let length: Int
  private let digest: [UInt8]
  private var stream: SHA256Stream?
  private var number: Int32 = 0
  private var sent = 0

  init(call: Call, document: SQLUUID, length: Int, digest: [UInt8]) throws(CryptoError) {
    self.call = call
    self.document = document
    self.length = length
    self.digest = digest
    stream = try SHA256Stream()
  }

  func next() async throws -> [UInt8]? {
    guard sent < length else { return nil }
    var work = try call.work()
    try work.add(DocumentStatements.chunk, document, number)
    guard let piece = try await call.read(work).last?.bytea(0, 0), !piece.isEmpty else { throw Damaged() }
    try stream?.update(piece)
    number += 1
    sent += piece.count
    if sent >= length {
      guard let whole = stream.take(), sent == length, try whole.finish() == digest else { throw Damaged() }
    }
    return piece
  }
}

/// `Content-Disposition` (RFC 6266) with the name in UTF-8 (RFC 8187), everything but unreserved characters escaped,
/// so that no name can end the field or leave its parameter.
enum ContentDisposition {
  static func attachment(_ fileName: String) -> String {
    guard !fileName.isEmpty else { return "attachment" }
    var text = "attachment; filename*=UTF-8''"
    for byte in fileName.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
        text.unicodeScalars.append(Unicode.Scalar(byte))
      default: text += "%" + Hex.encode([byte]).uppercased()
      }
    }
    return text
  }
}
