import Crypto
import Testing

struct EncodingTests {
  /// RFC 4648, section 10.
  @Test(arguments: [
    ("", "", ""), ("f", "Zg==", "MY"), ("fo", "Zm8=", "MZXQ"), ("foo", "Zm9v", "MZXW6"),
    ("foob", "Zm9vYg==", "MZXW6YQ"), ("fooba", "Zm9vYmE=", "MZXW6YTB"), ("foobar", "Zm9vYmFy", "MZXW6YTBOI"),
  ])
  func rfc4648(_ text: String, _ base64: String, _ base32: String) {
    let bytes = Array(text.utf8)
    let unpadded = base64.filter { $0 != "=" }
    #expect(Base64.encode(bytes) == base64)
    #expect(Base64.decode(base64) == bytes)
    #expect(Base64URL.encode(bytes) == unpadded)
    #expect(Base64URL.decode(unpadded) == bytes)
    #expect(Base32.encode(bytes) == base32)
    #expect(Base32.decode(base32) == bytes)
  }

  @Test func alphabets() {
    #expect(Base64URL.encode([0xFB, 0xFF, 0xBF]) == "-_-_")
    #expect(Base64.encode([0xFB, 0xFF, 0xBF]) == "+/+/")
    #expect(Hex.encode([0x00, 0xFF, 0x1A]) == "00ff1a")
    #expect(Hex.decode("00ff1a") == [0x00, 0xFF, 0x1A])
  }

  /// One value has one spelling: anything else would be a second key for the same secret.
  @Test(arguments: ["A", "Zg==", "Zh", "Zm9", "Zm9v\n", " Zm9v", "Zm+v", "Zm/v", "Zm9vé", "Zm9vY"])
  func refusedBase64URL(_ text: String) {
    #expect(Base64URL.decode(text) == nil)
  }

  @Test(arguments: ["Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Z=g=", "Zm9v=", "Zm-v", "Zg==\n", "=Zg="])
  func refusedBase64(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test func refusedHexadecimalAndBase32() {
    for text in ["0", "0G", "FF", "0x", " 0", "é"] { #expect(Hex.decode(text) == nil) }
    for text in ["my", "MZ", "M", "MZX", "M1", "MY======"] { #expect(Base32.decode(text) == nil) }
  }

  @Test func roundTripOfEveryLength() throws {
    for count in 0..<200 {
      let bytes = try SecureRandom.bytes(count)
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
      #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
      #expect(Base32.decode(Base32.encode(bytes)) == bytes)
      #expect(Hex.decode(Hex.encode(bytes)) == bytes)
    }
  }
}
