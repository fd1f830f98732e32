import Crypto
import HTTPServer

/// Where a try to log in comes from, and under what it is counted: keyed hashes, so that the table names nobody and
/// unknown identifiers behave as known ones.
struct LogInSource: Sendable {
  let key: [UInt8]
  /// False for the machine itself and its proxy, from which everyone seems to come.
  let counts: Bool
  private let code: HMACSHA256

  init(_ address: PeerAddress, _ code: HMACSHA256) {
    self.code = code
    key = code.code("source\u{1F}\(address.bucket)")
    counts = !address.isLocal
  }

  func key(of identifier: String) -> [UInt8] { code.code("identifier\u{1F}\(identifier)") }
}
