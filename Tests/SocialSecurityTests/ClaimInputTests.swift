import Testing

@testable import JSON
@testable import SocialSecurity

@Suite struct ClaimInputTests {
  @Test(arguments: [
    ("2026-11-05T09:00:00+07:00", true), ("2026-11-05T02:00:00Z", true), ("2024-02-29T00:00:00Z", true),
    ("2026-11-05T02:00:00.123456Z", true), ("2026-02-29T00:00:00Z", false), ("2100-02-29T00:00:00Z", false),
    ("2026-13-01T00:00:00Z", false), ("2026-04-31T00:00:00Z", false), ("2026-11-05T24:00:00Z", false),
    ("2026-11-05T09:60:00Z", false), ("2026-11-05 09:00:00Z", false), ("2026-11-05T09:00:00", false),
    ("2026-11-05", false), ("2026-11-05T09:00:00+24:00", false), ("٢٠٢٦-11-05T09:00:00Z", false), ("", false),
  ]) func instants(text: String, isOne: Bool) {
    #expect(((try? Instant(parsing: text)) != nil) == isOne)
  }

  @Test(arguments: [
    (#"{"reference":"TRX-1"}"#, true), (#"{"reference":""}"#, false), (#"{"reference":"a b"}"#, false),
    (#"{"reference":"ä"}"#, false), (#"{"reference":5}"#, false), (#"{}"#, false),
    (#"{"reference":"TRX-1","amount":5}"#, false),
  ]) func paymentReferences(body: String, isTaken: Bool) {
    #expect(((try? ClaimPayment(json: Array(body.utf8))) != nil) == isTaken)
  }

  @Test func everyErrorOfADecisionAtOnce() {
    do {
      _ = try ClaimDecision(json: Array(#"{"decision":"maybe","reason":"","note":1}"#.utf8))
      Issue.record("taken")
    } catch {
      #expect(error.status == 400)
      #expect(error.errors.map { "\($0.pointer ?? "") \($0.code)" } == [
        "/decision not_allowed", "/reason too_short", "/note unknown_field",
      ])
    }
  }

  @Test(arguments: [
    ("", "attachment"), ("ktp.pdf", "attachment; filename*=UTF-8''ktp.pdf"),
    ("a b\"c;d%.pdf", "attachment; filename*=UTF-8''a%20b%22c%3Bd%25.pdf"),
    ("é.pdf", "attachment; filename*=UTF-8''%C3%A9.pdf"), ("../x.pdf", "attachment; filename*=UTF-8''..%2Fx.pdf"),
  ]) func dispositions(name: String, header: String) {
    #expect(ContentDisposition.attachment(name) == header)
  }
}
