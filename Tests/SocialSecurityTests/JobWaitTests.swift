import Testing

@testable import SocialSecurity

/// `Prefer: wait` (RFC 7240 section 4.3).
@Suite struct JobWaitTests {
  @Test(arguments: [
    (nil, nil), ("wait=10", 10), ("wait=5", 5), ("respond-async, Wait=3", 3), ("wait=0", 0), ("wait=99", 10),
    ("wait=100", nil), ("wait=-1", nil), ("wait=", nil), ("wait=1.5", nil), ("wait", nil), ("await=5", nil),
    ("wait=٣", nil),
  ] as [(String?, Int?)]) func seconds(header: String?, seconds: Int?) {
    #expect(JobWait(header).seconds == seconds)
  }
}
