import Testing

@testable import HTTPServer

@Suite struct PeerAddressTests {
  private func address(_ text: String) -> PeerAddress? { PeerAddress(parsing: Array(text.utf8)) }

  @Test(arguments: ["192.0.2.1", "0.0.0.0", "255.255.255.255", "::1", "2001:db8::ff00:42:8329", "::"])
  func textFormsComeBack(text: String) {
    #expect(address(text)?.description == text)
  }

  @Test func mappedAddressesAreIPv4() {
    #expect(address("::ffff:192.0.2.1") == address("192.0.2.1"))
  }

  @Test(arguments: [
    "", "localhost", "1.2.3", "1.2.3.4:80", "[::1]", "fe80::1%eth0", "256.1.1.1", "1.2.3.4\0", " 1.2.3.4",
  ])
  func otherTextIsNoAddress(text: String) {
    #expect(address(text) == nil)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("192.0.2.7", "192.0.2.7", true),
    ("192.0.2.7", "192.0.2.6", false), ("0.0.0.0/0", "203.0.113.9", true), ("2001:db8::/32", "2001:db8:1::1", true),
    ("2001:db8::/32", "2001:db9::1", false), ("::1/128", "::1", true), ("2001:db8::/96", "2001:db8::1:2", true),
    ("2001:db8::/112", "2001:db8::1:2", false), ("::/0", "10.0.0.1", false),
  ])
  func networksContain(network: String, member: String, isContained: Bool) throws {
    let network = try #require(TrustedProxies.Network(network))
    let member = try #require(address(member))
    #expect(network.contains(member) == isContained)
  }

  @Test(arguments: ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "x/8", ""])
  func otherTextIsNoNetwork(text: String) {
    #expect(TrustedProxies.Network(text) == nil)
  }

  /// Peer, what the fields say, and who the client is. Trusted: 10.0.0.0/8 and the Unix socket.
  @Test(arguments: [
    ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
    ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    ("10.0.0.1", ["1.1.1.1", "198.51.100.1,10.0.0.2"], "198.51.100.1"),
    ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
    ("10.0.0.1", ["1.1.1.1, unknown"], "10.0.0.1"),
    ("10.0.0.1", ["1.1.1.1, unknown, 198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", [""], "10.0.0.1"),
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
    ("unix", ["198.51.100.1"], "198.51.100.1"),
  ])
  func theClientIsTheRightmostThatNobodyTrusted(peer: String, fields: [String], client: String) throws {
    let network = try #require(TrustedProxies.Network("10.0.0.0/8"))
    let trusted = TrustedProxies(networks: [network], unixSocket: true)
    let from = peer == "unix" ? PeerAddress.unix : try #require(address(peer))
    #expect(trusted.client(of: from) { fields.map { Array($0.utf8) } }.description == client)
  }
}
