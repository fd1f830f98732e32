import JSON
import Testing

@testable import SocialSecurity

@Suite struct ClientSettingsTests {
  private func text<T: JSONTextReadable>(_ text: String, _: T.Type, _ read: (T) -> String) -> String? {
    (try? T(parsing: text)).map(read)
  }

  @Test(arguments: [
    ("10.0.0.0/8", "10.0.0.0/8"), ("192.0.2.7", "192.0.2.7/32"), ("0.0.0.0/0", "0.0.0.0/0"),
    ("2001:DB8::/32", "2001:db8::/32"), ("2001:db8::1", "2001:db8::1/128"), ("::/0", "::/0"),
    ("2001:db8:0:0:8000::/65", "2001:db8:0:0:8000::/65"), ("::ffff:192.0.2.0/24", "192.0.2.0/24"),
  ])
  func aNetworkHasOneSpelling(_ given: String, _ kept: String) {
    #expect(text(given, AllowedNetwork.self, \.text) == kept)
  }

  @Test(arguments: [
    "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0/8",
    "2001:db8::/129", "2001:db8::1/64", "2001:db8::8000:0:0:0/64", "unix", "localhost", "fe80::1%eth0", " 10.0.0.0/8",
    "::ffff:192.0.2.0/120",
  ])
  func whatIsNoNetwork(_ given: String) {
    #expect(text(given, AllowedNetwork.self, \.text) == nil)
  }

  @Test(arguments: [
    "https://jaminan.example", "https://a.b-c.id:8443", "http://localhost:3000", "http://127.0.0.1",
    "https://localhost",
  ])
  func anOriginAsBrowsersWriteIt(_ given: String) {
    #expect(text(given, WebOrigin.self, \.text) == given)
  }

  @Test(arguments: [
    "", "null", "*", "https://", "https://*.example", "https://Jaminan.example", "https://jaminan.example/",
    "https://jaminan.example:443", "http://localhost:80", "https://jaminan.example:0", "https://jaminan.example:065",
    "https://jaminan.example:65536", "http://jaminan.example", "https://a@b.example", "https://-a.example",
    "https://a..example", "https://a.example:", "ftp://a.example", "https://jämin.example", "https://[::1]",
  ])
  func whatIsNoOrigin(_ given: String) {
    #expect(text(given, WebOrigin.self, \.text) == nil)
  }
}
