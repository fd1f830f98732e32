import Testing

@testable import SocialSecurity

/// `Accept` (RFC 9110 section 12.5.1): the most specific range decides, then the weight, then our own order.
@Suite struct AcceptanceTests {
  static let offered = ["application/json", "text/csv", "application/x-ndjson"]

  @Test(arguments: [
    ([], "application/json"), ([""], "application/json"), (["*/*"], "application/json"), (["text/csv"], "text/csv"),
    (["text/*"], "text/csv"), (["text/csv, application/json"], "application/json"),
    (["text/csv, application/json;q=0.9"], "text/csv"), (["TEXT/CSV ; q=0.5, */*; q=0.1"], "text/csv"),
    (["application/*;q=0.2", "text/csv;q=0.1"], "application/json"),
    (["application/json;q=0, */*"], "text/csv"), (["application/json;q=0.0,application/*"], "application/x-ndjson"),
    (["text/html"], nil), (["*/*;q=0"], nil), (["text/csv;q=0.000"], nil), (["text/csv;q=x"], "text/csv"),
    (["text/csv;q=0.001, application/json;q=0.002"], "application/json"), (["text/csv;charset=utf-8"], "text/csv"),
  ] as [([String], String?)]) func choice(lines: [String], wanted: String?) {
    #expect(Acceptance(lines.map { Array($0.utf8) }).choice(of: Self.offered) == wanted)
  }
}
