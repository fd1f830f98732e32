import Crypto
import HTTPServer
import JSON
import Testing

@testable import SocialSecurity

/// Whether a text can be a value of a type: a column that a clerk could read.
private func canBe<T: JSONTextReadable>(_ type: T.Type, _ text: String) -> Bool { (try? T(parsing: text)) != nil }

@Suite struct IdentityValueTests {
  @Test(arguments: [
    ("3171014507700001", true), ("3171010507700001", true), ("3171013107709999", true), ("3171017107700001", true),
    ("3171013207700001", false), ("3171014007700001", false), ("3171017207700001", false),
    ("3171010007700001", false), ("3171014513700001", false), ("3171014500700001", false),
    ("3171014507700000", false), ("0971014507700001", false), ("317101450770001", false),
    ("31710145077000011", false), ("317101450770000O", false), ("٣١٧١٠١٤٥٠٧٧٠٠٠٠١", false), ("", false),
  ]) func nik(text: String, isOne: Bool) {
    #expect(canBe(NIK.self, text) == isOne)
  }

  @Test(arguments: [
    ("26000000001", true), ("00000000000", true), ("2600000000", false), ("260000000011", false),
    ("2600000000x", false), ("+2600000000", false), (" 2600000000", false),
  ]) func kpj(text: String, isOne: Bool) {
    #expect(canBe(KPJ.self, text) == isOne)
  }

  @Test(arguments: [
    ("siti@contoh.id", "siti@contoh.id"), ("Siti.R@Contoh.ID", "siti.r@contoh.id"), ("a+b@x-y.co.id", "a+b@x-y.co.id"),
    ("siti@contoh", nil), ("siti", nil), ("@contoh.id", nil), ("siti@", nil), ("a@b@c.id", nil), ("a b@c.id", nil),
    (".a@c.id", nil), ("a..b@c.id", nil), ("a@-c.id", nil), ("a@c-.id", nil), ("a@c..id", nil), ("ä@c.id", nil),
    ("a@c.id\r\nBcc: x@y.id", nil), ("a\u{0}@c.id", nil), (String(repeating: "a", count: 65) + "@c.id", nil),
    ("a@" + String(repeating: "a.", count: 130) + "id", nil),
  ]) func emailAddress(text: String, kept: String?) {
    #expect((try? EmailAddress(parsing: text))?.text == kept)
  }

  @Test(arguments: [
    ("+628123456789", "+628123456789"), ("08123456789", "+628123456789"), ("+6221555", "+6221555"),
    ("+62 812", nil), ("628123456789", nil), ("+0812345678", nil), ("08", nil), ("+6281234567890123", nil), ("", nil),
  ]) func phoneNumber(text: String, kept: String?) {
    #expect((try? PhoneNumber(parsing: text))?.text == kept)
  }

  @Test(arguments: [
    ("Siti", true), ("H. Muh. Ya'qub, S.Ag.", true), ("Nguyễn Văn Ánh", true), ("42", false), ("", false),
    (" Siti", false), ("Siti\nRahayu", false), ("Si\u{202E}ti", false), (String(repeating: "a", count: 101), false),
  ]) func personName(text: String, isOne: Bool) {
    #expect(canBe(PersonName.self, text) == isOne)
  }

  @Test(arguments: [
    ("siti.rahayu", "siti.rahayu"), ("SITI_1", "siti_1"), ("12-3", "12-3"), ("ab", nil), (".ab", nil), ("-ab", nil),
    ("_ab", nil),
    ("a b", nil), ("a@b", nil), (String(repeating: "a", count: 41), nil), ("sití", nil),
  ]) func username(text: String, kept: String?) {
    #expect((try? Username(parsing: text))?.text == kept)
  }

  @Test(arguments: [
    (14, 1, "password_too_short"), (15, 1, nil), (256, 1, nil), (257, 1, "password_too_long"), (15, 4, nil),
    (256, 4, nil),
  ]) func password(length: Int, width: Int, problem: String?) {
    let character = width == 1 ? "a" : "😀"
    do throws(FieldProblem) {
      _ = try Password(parsing: String(repeating: character, count: length))
      #expect(problem == nil)
    } catch {
      #expect(error.code == problem)
    }
  }

  @Test func aNIKIsFoundByAnIndexThatNeedsTheKey() throws {
    let nik = try NIK(parsing: "3171014507700001")
    let one = try HMACSHA256(key: Array(repeating: 1, count: 32))
    let other = try HMACSHA256(key: Array(repeating: 2, count: 32))
    #expect(nik.index(under: one).count == 16)
    #expect(nik.index(under: one) == nik.index(under: one))
    #expect(nik.index(under: one) != nik.index(under: other))
    #expect(try nik.index(under: one) != NIK(parsing: "3171014507700002").index(under: one))
    #expect(nik.lastFour == "0001")
  }
}

@Suite struct TokenTests {
  @Test func aFreshTokenIsWhatItsDigestSays() throws {
    for kind in [TokenDigest.Kind.access, .refresh, .clientSecret] {
      let token = try FreshToken(kind)
      #expect(TokenDigest(kind, token.text.utf8)?.bytes == token.digest)
      #expect(try FreshToken(kind).text != token.text)
    }
  }

  @Test func aRefreshTokenHasOneSuccessorUnderOneKey() throws {
    let token = try FreshToken(.refresh).text
    let key = try HMACSHA256(key: Array(repeating: 1, count: 32))
    let other = try HMACSHA256(key: Array(repeating: 2, count: 32))
    let successor = FreshToken(successorOf: token, under: key)
    #expect(successor.text == FreshToken(successorOf: token, under: key).text)
    #expect(successor.text != FreshToken(successorOf: token, under: other).text)
    #expect(TokenDigest(.refresh, successor.text.utf8)?.bytes == successor.digest)
  }

  @Test(arguments: [
    "", "42", String(repeating: "A", count: 42), String(repeating: "A", count: 44), String(repeating: "=", count: 43),
    String(repeating: "B", count: 43),
  ]) func noMailedToken(text: String) {
    #expect(!canBe(ReturnedToken.self, text))
  }

  @Test func throttlesTellSourcesApartAndNotSpellings() throws {
    let key = try HMACSHA256(key: Array(repeating: 1, count: 32))
    let one = try #require(PeerAddress(parsing: "203.0.113.1".utf8))
    let other = try #require(PeerAddress(parsing: "203.0.113.2".utf8))
    let local = try #require(PeerAddress(parsing: "127.0.0.1".utf8))
    #expect(LogInSource(one, key).key != LogInSource(other, key).key)
    #expect(LogInSource(one, key).key == LogInSource(one, key).key)
    #expect(LogInSource(one, key).key(of: "a") != LogInSource(one, key).key(of: "b"))
    #expect(LogInSource(one, key).key(of: "a") == LogInSource(other, key).key(of: "a"))
    #expect(LogInSource(one, key).counts && !LogInSource(local, key).counts)
    let body = #"{"identifier":"SiTi@Contoh.ID","password":"x"}"#
    #expect(try LogIn(json: Array(body.utf8)).folded == "siti@contoh.id")
  }
}
