import Crypto
import Testing

struct TOTPTests {
  /// RFC 6238, appendix B: eight digits, three algorithms, whose secrets have 20, 32 and 64 bytes.
  @Test(arguments: [
    (59, "94287082", "46119246", "90693936"),
    (1_111_111_109, "07081804", "68084774", "25091201"),
    (1_111_111_111, "14050471", "67062674", "99943326"),
    (1_234_567_890, "89005924", "91819424", "93441116"),
    (2_000_000_000, "69279037", "90698825", "38618901"),
    (20_000_000_000, "65353130", "77737706", "47863826"),
  ] as [(Int64, String, String, String)])
  func rfc6238(_ time: Int64, _ sha1: String, _ sha256: String, _ sha512: String) throws {
    let digits = Array(String(repeating: "1234567890", count: 7).utf8)
    let step = TOTP.step(at: time)
    #expect(try TOTP(secret: Array(digits.prefix(20)), algorithm: .sha1, digits: 8).code(step: step) == sha1)
    #expect(try TOTP(secret: Array(digits.prefix(32)), algorithm: .sha256, digits: 8).code(step: step) == sha256)
    #expect(try TOTP(secret: Array(digits.prefix(64)), algorithm: .sha512, digits: 8).code(step: step) == sha512)
  }

  private let totp: TOTP

  init() throws {
    totp = try TOTP(secret: Array("12345678901234567890".utf8))
  }

  @Test func sixDigitsAreTheLastOfEight() throws {
    #expect(try totp.code(step: TOTP.step(at: 1_111_111_109)) == "081804")
  }

  @Test func thisStepAndTheOneBefore() throws {
    let step: Int64 = 1_000_000
    let code = try totp.code(step: step)
    for (seconds, accepted) in [(-1, false), (0, true), (29, true), (30, true), (59, true), (60, false)] {
      #expect(try totp.acceptedStep(of: code, at: step * 30 + Int64(seconds)) == (accepted ? step : nil))
    }
  }

  @Test func noStepTwice() throws {
    let step: Int64 = 1_000_000
    let code = try totp.code(step: step)
    #expect(try totp.acceptedStep(of: code, at: step * 30, after: step - 1) == step)
    #expect(try totp.acceptedStep(of: code, at: step * 30, after: step) == nil)
    #expect(try totp.acceptedStep(of: code, at: step * 30 + 30, after: step) == nil)
  }

  @Test(arguments: ["", "0", "12345", "1234567", "abcdef", "８１８０４０"])
  func otherTexts(_ code: String) throws {
    #expect(try totp.acceptedStep(of: code, at: 59) == nil)
  }

  @Test func provisioning() throws {
    #expect(
      totp.provisioningURI(issuer: "SMILE & co", account: "siti@example.id")
        == "otpauth://totp/SMILE%20%26%20co:siti%40example.id?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        + "&issuer=SMILE%20%26%20co&algorithm=SHA1&digits=6&period=30")
    #expect(try TOTP.freshSecret().count == 20)
    #expect(throws: CryptoError.self) { try TOTP(secret: []) }
  }
}
