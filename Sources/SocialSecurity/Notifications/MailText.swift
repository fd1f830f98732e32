import Crypto

/// A message as RFC 5322 text, 8-bit clean: UTF-8 in base64, headers in ASCII.
enum MailText {
  private static let lineMax = 76

  /// nil when the recipient isn't something that may stand in a header.
  static func compose(_ message: Message, from sender: String) -> [UInt8]? {
    guard isAddress(message.recipient), isAddress(sender) else { return nil }
    let lines = [
      "From: SMILE <\(sender)>",
      "To: <\(message.recipient)>",
      "Subject: =?UTF-8?B?\(Base64.encode(Array(message.subject.utf8)))?=",
      // The same for every try, so that a mail that was sent twice is seen once.
      "Message-ID: <\(message.id)@smile.invalid>",
      "Auto-Submitted: auto-generated",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: base64",
      "",
    ]
    var text = lines.joined(separator: "\r\n") + "\r\n"
    var rest = Base64.encode(Array(message.text.utf8))[...]
    while !rest.isEmpty {
      text += rest.prefix(lineMax) + "\r\n"
      rest = rest.dropFirst(lineMax)
    }
    return Array(text.utf8)
  }

  /// One address of visible ASCII without what separates addresses or ends headers (RFC 5322 section 3.4.1).
  static func isAddress(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty } && text.utf8.count <= 254 && text.utf8.first != 0x2D
      && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"<>,;:\"()[]\\".utf8.contains($0) }
  }
}
