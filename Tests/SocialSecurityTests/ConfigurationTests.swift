import Testing

@testable import SocialSecurity

/// Settings are printed at the start; passwords never.
@Suite struct ConfigurationTests {
  @Test(arguments: [
    ("host=db password=hunter2 user=a", "host=db password=*** user=a"),
    ("host=db password = hunter2 user=a", "host=db password=*** user=a"),
    (#"password='hun\'ter2 x' user=a"#, "password=*** user=a"),
    (#"password=hun\ ter2 user=a"#, "password=*** user=a"),
    ("sslpassword=hunter2 user=a", "sslpassword=*** user=a"),
    ("postgresql://smile:hunter2@db/smile", "postgresql://smile:***@db/smile"),
    ("postgresql://smile:hun@ter2@db/smile", "postgresql://smile:***@db/smile"),
    ("postgresql://db/smile?password=hunter2", "postgresql://db/smile?password=***"),
    ("postgresql://db:5432/smile?user=a@b", "postgresql://db:5432/smile?user=a@b"),
    ("host=/run/postgresql dbname=smile", "host=/run/postgresql dbname=smile"),
  ]) func passwordsAreHidden(connection: String, shown: String) {
    #expect(Configuration.withoutPassword(connection) == shown)
  }

  @Test(arguments: [
    ("https://gateway.example/sms", true), ("https://gateway.example:8443/sms?from=SMILE", true),
    ("https://gateway.example", true), ("http://gateway.example/sms", false), ("https://a:b@gateway.example/", false),
    ("https://gateway.example/#x", false), ("https://gateway.example/\"x", false), ("https:///sms", false),
    ("https://gateway.example/a b", false), ("https://gateway.example/{a,b}", false), ("file:///etc/passwd", false),
  ]) func whereSMSMayGo(url: String, isTaken: Bool) {
    let configuration = try? Configuration(environment: ["SMS_HOOK_URL": url, "SMS_HOOK_KEY_FILE": "key"])
    #expect((configuration?.smsHook?.url == url) == isTaken)
  }

  @Test func everythingWrongIsSaidAtOnce() {
    let variables = ["ENVIRONMENT": "prod", "WORKERS": "+2", "LISTEN": "localhost", "PROXIES": "10.0.0.0/33"]
    do throws(Configuration.Problems) {
      _ = try Configuration(environment: variables)
      Issue.record("accepted")
    } catch {
      #expect(error.lines.count == 4)
    }
  }
}
