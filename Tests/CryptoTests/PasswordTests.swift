import Testing

@testable import Crypto

struct PasswordTests {
  /// Hashes published with Openwall's yescrypt.
  @Test(arguments: [
    ("openwall", "$y$j9T$AAt9R641xPvCI9nXw1HHW/$cuQRBMN3N/f8IcmVN.4YrZ1bHMOiLOoz9/XQMKV/v0A"),
    ("pleaseletmein", "$y$j9T$e8R9q85ZuzUkArEUurdtS.$esON.7y6H.u3UCPVCpbRFueRpAut2n2cMf1EhpjbuiC"),
    ("pleaseletmein", "$y$jD5.7$LdJMENpBABJJ3hIHjB1Bi.$HboGM6qPrsK.StKYGt6KErmUYtioHreJd98oIugoNB6"),
  ])
  func yescrypt(_ password: String, _ hash: String) {
    #expect(LibCrypt.hash(password, setting: hash) == hash)
    #expect(LibCrypt.hash(password + "x", setting: hash) != hash)
  }

  @Test(arguments: ["", "*0", "$y$", "$y$j9T", "$9$abc$def", "$y$j9T$é$", "$y$j9T$a\u{0}b$"])
  func refusedSettings(_ setting: String) {
    #expect(LibCrypt.hash("password", setting: setting) == nil)
  }

  /// Cost 1 is for tests only: a hash takes 1 MiB.
  private let hasher: PasswordHasher

  init() throws {
    hasher = try PasswordHasher(try KeyRing(text: twoKeys), cost: 1)
  }

  @Test func hashAndVerify() throws {
    let stored = try hasher.hash("correct horse battery staple")
    #expect(stored.hasPrefix("b2:$y$"))
    #expect(hasher.verify("correct horse battery staple", against: stored))
    #expect(!hasher.verify("correct horse battery stable", against: stored))
    #expect(!hasher.verify("", against: stored))
    #expect(try hasher.hash("correct horse battery staple") != stored)
    #expect(!hasher.needsRehash(stored))
  }

  /// What crypt alone would cut or fold.
  @Test func everyByteCounts() throws {
    let stored = try hasher.hash("abc\u{0}def")
    #expect(hasher.verify("abc\u{0}def", against: stored))
    #expect(!hasher.verify("abc", against: stored))
    for length in [73, 200, 256, 1_024] {
      let password = String(repeating: "p", count: length)
      let stored = try hasher.hash(password)
      #expect(hasher.verify(password, against: stored))
      #expect(!hasher.verify(String(password.dropLast()) + "q", against: stored))
    }
  }

  @Test func oneWordInTwoSpellings() throws {
    let stored = try hasher.hash("caf\u{E9} di Jakarta")
    #expect(hasher.verify("cafe\u{301} di Jakarta", against: stored))
  }

  @Test func rotationOfPepperAndCost() throws {
    let before = try PasswordHasher(try KeyRing(text: oldKeyOnly), cost: 1)
    let stored = try before.hash("password")
    #expect(hasher.verify("password", against: stored))
    #expect(hasher.needsRehash(stored))
    #expect(!before.verify("password", against: try hasher.hash("password")))
    let dearer = try PasswordHasher(try KeyRing(text: twoKeys), cost: 2)
    let cheap = try hasher.hash("password")
    #expect(dearer.verify("password", against: cheap))
    #expect(dearer.needsRehash(cheap))
  }

  @Test func nothingOpensBrokenHashes() throws {
    for stored in ["", ":", "b2:", "b2:*0", "b2:$y$j75$salt", "zz:$y$j75$salt$hash", "b2:$6$salt$hash", "$y$j75$s$h"] {
      #expect(!hasher.verify("password", against: stored))
      #expect(!hasher.verify("", against: stored))
    }
    #expect(hasher.needsRehash("nonsense"))
    #expect(!hasher.verifyAgainstNothing(""))
    #expect(!hasher.verifyAgainstNothing("password"))
    #expect(throws: CryptoError.self) { try PasswordHasher(try KeyRing(text: twoKeys), cost: 0) }
    #expect(throws: CryptoError.self) { try PasswordHasher(try KeyRing(text: twoKeys), cost: 12) }
  }
}
