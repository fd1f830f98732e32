import HTTPServer
import Testing

@testable import SocialSecurity

/// `Prefer: wait` (RFC 7240 section 4.3).
@Suite struct JobWaitTests {
  @Test(arguments: [
    (nil, nil), ("wait=10", 10), ("wait=5", 5), ("respond-async, Wait=3", 3), ("wait=0", 0), ("wait=99", 10),
    ("wait=100", nil), ("wait=-1", nil), ("wait=", nil), ("wait=1.5", nil), ("wait", nil), ("await=5", nil),
    ("wait=٣", nil), ("wait=\"4\"; x=1", 4), ("tx=rollback,wait=2", 2),
  ] as [(String?, Int?)]) func seconds(header: String?, seconds: Int?) {
    #expect(JobWait(Headers(header.map { [("Prefer", $0)] } ?? [])).seconds == seconds)
  }
}

/// `Prefer: tx=rollback`, alone, among others, and in a field of its own.
@Suite struct RollbackTests {
  @Test(arguments: [
    (["tx=rollback"], true), (["TX = \"rollback\""], true), (["wait=1, tx=rollback;x"], true),
    (["wait=1", "tx=rollback"], true), ([], false), (["tx=commit"], false), (["tx=rollbacks"], false),
    (["xtx=rollback"], false), (["tx"], false), (["rollback"], false),
  ] as [([String], Bool)]) func rollback(fields: [String], isWanted: Bool) {
    #expect(Preferences(Headers(fields.map { ("Prefer", $0) })).wantsRollback == isWanted)
  }
}
