/// Why a request was refused before, or instead of, reaching the handler. Each ends its connection: what follows on it
/// can't be trusted to be a request (RFC 9112 sections 2.2, 6.3 and 11.2).
package enum FramingError: Error, Sendable, Equatable, CaseIterable {
  case badRequestLine, badTarget, badVersion
  case unknownMethod
  case badFieldLine, badHost, duplicateField
  case badContentLength, badTransferEncoding, unknownTransferEncoding
  case bodyNotAllowed
  case badChunk, badTrailer, truncated
  case unknownExpectation
  case foreignHost
  case requestLineTooLong, headersTooLarge, bodyTooLarge
  case timedOut
  case tooManyConnections

  /// The status of the refusal.
  package var status: Int {
    switch self {
    case .badRequestLine, .badTarget, .badFieldLine, .badHost, .duplicateField, .badContentLength,
      .badTransferEncoding, .bodyNotAllowed, .badChunk, .badTrailer, .truncated:
      400
    case .timedOut: 408
    case .bodyTooLarge: 413
    case .requestLineTooLong: 414
    case .unknownExpectation: 417
    case .foreignHost: 421
    case .headersTooLarge: 431
    case .unknownMethod, .unknownTransferEncoding: 501
    case .tooManyConnections: 503
    case .badVersion: 505
    }
  }
}
