import Crypto
import Testing

@testable import SocialSecurity

@Suite struct MessageTests {
  @Test(arguments: MessageTemplate.all.keys.sorted())
  func bothLanguagesSayTheSame(name: String) throws {
    let pair = try #require(MessageTemplate.all[name])
    #expect(Self.placeholders(pair.id.text) == Self.placeholders(pair.en.text))
    #expect(pair.id.short.map(Self.placeholders) == pair.en.short.map(Self.placeholders))
    for short in [pair.id.short, pair.en.short].compactMap({ $0 }) {
      #expect(short.utf8.count <= 160 && short.utf8.allSatisfy { $0 < 0x80 }, "one SMS")
    }
    for template in [pair.id, pair.en] {
      #expect(!template.subject.isEmpty && template.text.hasSuffix("\n"))
      #expect(Self.placeholders(template.subject).isEmpty, "a subject carries nobody's data")
    }
  }

  static func placeholders(_ text: String) -> [String] {
    text.matches(of: /\{[a-z_]+\}/).map { String($0.output) }.sorted()
  }

  @Test(arguments: [
    ("sri@example.id", true), ("a.b+c@mail.example.co.id", true), ("-oQ/tmp@example.id", false), ("a@b@c", false),
    ("sri@example.id\nBcc: x@y.z", false), ("sri@example.id, x@y.z", false), ("<sri@example.id>", false),
    ("sri example@x.y", false), ("@example.id", false), ("sri@", false), ("sri@exämple.id", false), ("", false),
  ]) func whatMayStandInAHeader(address: String, isAddress: Bool) {
    #expect(MailText.isAddress(address) == isAddress)
  }

  @Test func headersHoldNothingButTheirOwn() throws {
    let message = Message(
      id: .random(), createdAt: "", channel: "email", recipient: "sri@example.id",
      template: "account_exists", language: .id, parameters: ["full_name": "Sri\r\n.\r\nBcc: x@y.z"])
    let bytes = try #require(MailText.compose(message, from: "smile@example.id"))
    let mail = String(decoding: bytes, as: UTF8.self)
    let parts = mail.split(separator: "\r\n\r\n", maxSplits: 1)
    #expect(parts.count == 2 && !parts[0].contains("Bcc"))
    #expect(mail.split(separator: "\r\n").allSatisfy { $0.utf8.count <= 78 && $0.utf8.allSatisfy { $0 < 0x80 } })
    #expect(!message.text.contains("\r"))
  }

  /// What curl reads as its configuration: quotes and backslashes end nothing, and the signature is of what is sent.
  @Test func anSMSIsOneSignedRequest() throws {
    let key = try HMACSHA256(key: [UInt8](repeating: 7, count: 32))
    let settings = SMSHook.Settings(url: "https://gateway.example/sms", keyFile: "", authorities: "/etc/a\"b")
    let message = Message(
      id: .random(), createdAt: "", channel: "sms", recipient: "+628111000001", template: "contact_code",
      language: .en, parameters: ["token": "12\"\n\\3456"])
    let request = SMSHook.request(for: message, to: settings, key, at: 1_700_000_000)
    let body = #"{"id":"\#(message.id)","to":"+628111000001","text":"SMILE: the code that confirms your number is "#
      + #"12\" \\3456, for 10 minutes.\n","language":"en"}"#
    let signature = Base64.encode(key.code("\(message.id).1700000000.\(body)"))
    let quoted = body.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    let lines = request.split(separator: "\n").map(String.init)
    #expect(lines.contains(#"data-binary = "\#(quoted)""#))
    #expect(lines.contains(#"header = "webhook-signature: v1,\#(signature)""#))
    #expect(lines.contains(#"cacert = "/etc/a\"b""#))
    #expect(lines.contains(#"proto = "=https""#) && lines.contains(#"max-redirs = "0""#))
  }

  @Test func anUnknownTemplateIsStillAMessage() {
    #expect(MessageTemplate.of("not_there", in: .en).text == "not_there\n")
  }
}
