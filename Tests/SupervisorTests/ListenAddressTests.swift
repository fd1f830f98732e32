import Supervisor
import Testing

struct ListenAddressTests {
  @Test(arguments: [
    ("127.0.0.1:8080", true), ("0.0.0.0:0", false), ("[::1]:443", true), ("[2001:db8::1]:65535", false),
    ("unix:/run/smile.sock", true), ("10.1.2.3:1", false),
  ])
  func readsAndShows(_ text: String, _ isLoopback: Bool) throws {
    let address = try #require(ListenAddress(parsing: text))
    #expect(address.description == text)
    #expect(address.isLoopback == isLoopback)
  }

  @Test(arguments: [
    "", "8080", ":8080", "localhost:8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+80",
    "127.0.0.1:080", "127.0.0.1:80 ", "127.0.0.1:８０", "::1:80", "[127.0.0.1]:80", "[::1]", "[::1:80", "127.1:80",
    "unix:", "unix:relative", "unix:/" + String(repeating: "x", count: 107), "999.0.0.1:80",
  ])
  func refuses(_ text: String) {
    #expect(ListenAddress(parsing: text) == nil)
  }
}
