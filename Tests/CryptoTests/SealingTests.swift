import Testing

@testable import Crypto

struct SealingTests {
  /// Test cases 13 to 16 of McGrew and Viega, "The Galois/Counter Mode of Operation": key, nonce, associated data,
  /// plaintext, ciphertext, tag.
  static let vectors: [[String]] = [
    [
      String(repeating: "00", count: 32), String(repeating: "00", count: 12), "", "", "",
      "530f8afbc74536b9a963b4f1c4cb738b",
    ],
    [
      String(repeating: "00", count: 32), String(repeating: "00", count: 12), "", String(repeating: "00", count: 16),
      "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919",
    ],
    [
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
      "b094dac5d93471bdec1a502270e3cc6c",
    ],
    [
      "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
      "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
      "76fc6ece0f4e1768cddf8853bb2d551b",
    ],
  ]

  @Test(arguments: vectors) func aes256GCM(_ vector: [String]) throws {
    let (key, nonce, associated) = (bytes(vector[0]), bytes(vector[1]), bytes(vector[2]))
    let (plain, cipher, tag) = (bytes(vector[3]), bytes(vector[4]), bytes(vector[5]))
    #expect(try LibCrypto.seal(plain, key: key, nonce: nonce, associated: associated) == cipher + tag)
    #expect(LibCrypto.open(cipher, tag: tag, key: key, nonce: nonce, associated: associated) == plain)
    #expect(LibCrypto.open(cipher, tag: tag, key: key, nonce: nonce, associated: associated + [0]) == nil)
    #expect(LibCrypto.open(cipher, tag: Array(tag.reversed()), key: key, nonce: nonce, associated: associated) == nil)
  }

  private let place = SealedPlace(table: "national_id", column: "sealed", row: "0192e4a0-0000-7000-8000-000000000001")

  @Test func roundTripAndLayout() throws {
    let sealer = try Sealer(try KeyRing(text: twoKeys))
    let sealed = try sealer.seal("3174012501900001", at: place)
    #expect(sealed.count == 1 + 2 + 12 + 16 + 16)
    #expect(Array(sealed.prefix(3)) == [2] + Array("b2".utf8))
    #expect(try sealer.openText(sealed, at: place) == "3174012501900001")
    #expect(try sealer.open(try sealer.seal([UInt8](), at: place), at: place).isEmpty)
    #expect(try sealer.seal("same", at: place) != sealer.seal("same", at: place))
  }

  @Test func openNowhereElse() throws {
    let sealer = try Sealer(try KeyRing(text: twoKeys))
    let sealed = try sealer.seal("secret", at: place)
    for other in [
      SealedPlace(table: "national_ids", column: "sealed", row: place.row),
      SealedPlace(table: "national_id", column: "sealer", row: place.row),
      SealedPlace(table: "national_id", column: "sealed", row: "0192e4a0-0000-7000-8000-000000000002"),
    ] {
      #expect(throws: SealingError.notAuthentic) { try sealer.open(sealed, at: other) }
    }
  }

  @Test func everyChangedByteShows() throws {
    let sealer = try Sealer(try KeyRing(text: twoKeys))
    let sealed = try sealer.seal("secret", at: place)
    for index in sealed.indices {
      var changed = sealed
      changed[index] ^= 1
      #expect(throws: SealingError.self) { try sealer.open(changed, at: place) }
      #expect(throws: SealingError.self) { try sealer.open(Array(sealed.prefix(index)), at: place) }
    }
  }

  @Test func rotation() throws {
    let before = try Sealer(try KeyRing(text: oldKeyOnly))
    let after = try Sealer(try KeyRing(text: twoKeys))
    let sealed = try before.seal("secret", at: place)
    #expect(try after.openText(sealed, at: place) == "secret")
    #expect(after.isOutdated(sealed))
    let again = try after.seal("secret", at: place)
    #expect(!after.isOutdated(again))
    #expect(throws: SealingError.unknownKey) { try before.open(again, at: place) }
  }
}

struct SigningTests {
  /// RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature.
  @Test(arguments: [
    [
      "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        + "d25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        + "387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
      "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        + "4a7c15e9716ed28dc027beceea1ec40a",
    ],
  ])
  func rfc8032(_ vector: [String]) throws {
    let key = try SigningKey(seed: bytes(vector[0]))
    let message = bytes(vector[2])
    let signature = bytes(vector[3])
    #expect(key.publicKey.bytes == bytes(vector[1]))
    #expect(try key.sign(message) == signature)
    let publicKey = try #require(VerifyingKey(bytes(vector[1])))
    #expect(publicKey.isValid(signature, for: message))
    #expect(!publicKey.isValid(signature, for: message + [0]))
    #expect(!publicKey.isValid(Array(signature.dropLast()), for: message))
    for index in signature.indices {
      var changed = signature
      changed[index] ^= 1
      #expect(!publicKey.isValid(changed, for: message))
    }
  }

  @Test func badKeys() {
    #expect(throws: CryptoError.self) { try SigningKey(seed: repeated(1, 31)) }
    #expect(VerifyingKey(repeated(1, 33)) == nil)
    // Not a point of the curve.
    #expect(VerifyingKey(repeated(0xFF, 32))?.isValid(repeated(0, 64), for: []) == false)
  }
}
