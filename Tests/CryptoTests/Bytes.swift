import Crypto

/// Bytes written as hexadecimal digits, for vectors.
func bytes(_ hexadecimal: String) -> [UInt8] {
  guard let bytes = Hex.decode(hexadecimal) else { preconditionFailure("not hexadecimal: \(hexadecimal)") }
  return bytes
}

func repeated(_ byte: UInt8, _ count: Int) -> [UInt8] {
  [UInt8](repeating: byte, count: count)
}

/// Two keys; the first is the newest.
let twoKeys = "b2 \(Base64.encode(repeated(0xB2, 32)))\na1 \(Base64.encode(repeated(0xA1, 32)))\n"
let oldKeyOnly = "a1 \(Base64.encode(repeated(0xA1, 32)))\n"
