import Crypto
import Testing

@testable import SocialSecurity

/// RFC 6749 sections 2.3.1, 3.2, 4.4.2 and 5.2.
@Suite struct OAuthFormTests {
  private static let id = "019ac3f2-7c11-7d5e-9b6a-2f6d1c1e8a20"
  private static let secret = "sck_" + String(repeating: "A", count: 43)
  private static let grant = "grant_type=client_credentials"

  private func outcome(_ body: String, _ authorization: String? = nil) -> String {
    do throws(OAuthRefusal) {
      let form = try OAuthForm(Array(body.utf8), authorization: authorization.map { Array($0.utf8) })
      try form.requireClientCredentials()
      _ = try form.confidentialClient()
      return try form.scopes().map { $0.joined(separator: "|") } ?? "all"
    } catch {
      return error.rawValue
    }
  }

  private func basic(_ pair: String) -> String { "Basic " + Base64.encode(Array(pair.utf8)) }

  @Test func credentialsInTheBody() {
    let pair = "client_id=\(Self.id)&client_secret=\(Self.secret)"
    #expect(outcome("\(Self.grant)&\(pair)") == "all")
    #expect(outcome("\(Self.grant)&\(pair)&scope=") == "all")
    #expect(outcome("\(Self.grant)&\(pair)&scope=a+b%20c") == "a|b|c")
    #expect(outcome("\(Self.grant)&\(pair)&resource=ignored") == "all")
    #expect(outcome("grant_type=password&\(pair)") == "unsupported_grant_type")
    #expect(outcome(pair) == "invalid_request")
    #expect(outcome("grant_type=&\(pair)") == "invalid_request")
    #expect(outcome("\(Self.grant)&\(Self.grant)&\(pair)") == "invalid_request")
    #expect(outcome("\(Self.grant)&\(pair)&scope=%zz") == "invalid_request")
    #expect(outcome("\(Self.grant)&client_id=\(Self.id)") == "invalid_client")
    #expect(outcome("\(Self.grant)&client_id=42&client_secret=\(Self.secret)") == "invalid_client")
    #expect(outcome("\(Self.grant)&client_id=\(Self.id)&client_secret=short") == "invalid_client")
    #expect(outcome(Self.grant) == "invalid_client")
    #expect(outcome("") == "invalid_request")
  }

  @Test func formEncodingIsStrict() {
    let pair = "client_id=\(Self.id)&client_secret=\(Self.secret)"
    for raw in [" ", "\n", "\u{0}", "\u{7F}", "é"] {
      #expect(outcome("\(Self.grant)&\(pair)&scope=a\(raw)") == "invalid_request")
    }
    #expect(outcome("\(Self.grant)&\(pair)&scope=returns:write") == "returns:write")
    #expect(outcome("\(Self.grant)&\(pair)&scope=a++b") == "invalid_scope")
    #expect(outcome("\(Self.grant)&\(pair)&scope=+a") == "invalid_scope")
    #expect(outcome("\(Self.grant)&\(pair)&scope=%C3%28") == "invalid_request")
    #expect(outcome("\(Self.grant)&\(pair)&x=%00") == "invalid_request")
  }

  /// A front end names itself and shows nothing (section 2.1); it may give tokens back and no more.
  @Test func aFrontEndShowsNoSecret() throws {
    let form = try OAuthForm(Array("token=x&client_id=\(Self.id)".utf8), authorization: nil)
    #expect(try form.client().secret == nil)
    #expect(try form.token() == "x")
    #expect(throws: OAuthRefusal.invalidClient) { try form.confidentialClient() }
    let without = try OAuthForm(Array("client_id=\(Self.id)&token=".utf8), authorization: nil)
    #expect(throws: OAuthRefusal.invalidRequest) { try without.token() }
  }

  @Test func credentialsByBasic() {
    let right = basic("\(Self.id):\(Self.secret)")
    #expect(outcome(Self.grant, right) == "all")
    #expect(outcome(Self.grant, "bAsIc" + right.dropFirst(5)) == "all")
    #expect(outcome(Self.grant, basic("\(Self.id.replacing("-", with: "%2D")):\(Self.secret)")) == "all")
    #expect(outcome("\(Self.grant)&client_id=\(Self.id)", right) == "all")
    #expect(outcome("\(Self.grant)&client_id=another", right) == "invalid_request")
    // Section 5.2: more than one mechanism for authenticating the client.
    #expect(outcome("\(Self.grant)&client_secret=\(Self.secret)", right) == "invalid_request")
    #expect(outcome(Self.grant, basic(Self.id)) == "invalid_client")
    #expect(outcome(Self.grant, basic(":")) == "invalid_client")
    #expect(outcome(Self.grant, "Basic ####") == "invalid_client")
    #expect(outcome(Self.grant, "Basic ") == "invalid_client")
    #expect(outcome(Self.grant, "Bearer x") == "invalid_client")
  }
}
