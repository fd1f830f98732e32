import Testing

@testable import SocialSecurity

@Suite struct MessageTests {
  @Test(arguments: MessageTemplate.all.keys.sorted())
  func bothLanguagesSayTheSame(name: String) throws {
    let pair = try #require(MessageTemplate.all[name])
    #expect(Self.placeholders(pair.id.text) == Self.placeholders(pair.en.text))
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

  @Test func anUnknownTemplateIsStillAMessage() {
    #expect(MessageTemplate.of("not_there", in: .en).text == "not_there\n")
  }
}
