import JSON

/// Passwords that are known to be tried first: `blocked_passwords.csv` beside the migrations, one a line, folded and
/// sorted by bytes. `.make/blocked-passwords` makes the file and says where its words come from.
package struct BlockedPasswords: Sendable {
  private let text: [UInt8]
  /// Where each word begins; it ends before the next one's line feed.
  private let starts: [Int32]

  package var count: Int { starts.count }

  /// - Parameter directory: where `Migrations` lies.
  /// - Throws: `StartFailure` when the file can't be read or isn't sorted.
  package init(directory: String) throws(StartFailure) {
    let path = "\(directory)/Migrations/blocked_passwords.csv"
    guard let text = SmallFile.read(path), text.last == UInt8(ascii: "\n") else {
      throw StartFailure("\(path) can't be read")
    }
    var starts: [Int32] = []
    var start = 0
    for end in text.indices where text[end] == UInt8(ascii: "\n") {
      // Comments stand at the beginning.
      if text[start] != UInt8(ascii: "#") { starts.append(Int32(start)) }
      start = end + 1
    }
    self.text = text
    self.starts = starts
    for index in starts.indices.dropLast() where !word(index).lexicographicallyPrecedes(word(index + 1)) {
      throw StartFailure("\(path) isn't sorted")
    }
  }

  /// Whether a folded text is one of them, whole.
  func contains(_ text: String) -> Bool {
    let wanted = Array(text.utf8)
    var low = 0
    var high = starts.count
    while low < high {
      let middle = (low + high) / 2
      if word(middle).lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
    }
    return low < starts.count && word(low).elementsEqual(wanted)
  }

  private func word(_ index: Int) -> ArraySlice<UInt8> {
    let end = index + 1 < starts.count ? Int(starts[index + 1]) : text.count
    return text[Int(starts[index])..<(end - 1)]
  }
}

/// Why a password that is long enough is refused all the same (NIST SP 800-63B-4 section 3.1.1.2: expected, commonly
/// used, or of the service and its subscriber). The raw value is the problem's code.
package enum PasswordWeakness: String, Sendable {
  /// It is on the list, as it stands or dressed with digits, signs and look-alikes.
  case common = "password_common"
  /// It repeats itself, or follows the alphabet or the keyboard.
  case sequence = "password_sequence"
  /// What is left without the names and numbers of its owner and of this service is next to nothing.
  case personal = "password_personal"
}

extension BlockedPasswords {
  /// Along the rows and columns of a keyboard, through the alphabet and the digits; in both directions, twice over.
  private static let walks = [
    "abcdefghijklmnopqrstuvwxyz", "0123456789", "1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp",
    "q1w2e3r4t5y6u7i8o9p0", "1q2w3e4r5t6y7u8i9o0p", "a1b2c3d4e5f6g7h8i9j0", "zaq1xsw2cde3vfr4bgt5nhy6mju7",
  ].flatMap { walk in [walk + walk, String((walk + walk).reversed())] }

  private static let lookAlikes: [Unicode.Scalar: Unicode.Scalar] = [
    "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "l",
  ]
  private static let service = ["smile", "bpjs", "ketenagakerjaan", "jamsostek"]
  private static let wordMin = 4
  /// Letters and digits that must be left beside personal words.
  private static let restMin = 8
  private static let distinctMin = 5
  private static let periodMax = 4

  /// - Parameter words: names, addresses and numbers of the password's owner, as they come.
  func weakness(of password: String, of words: [String]) -> PasswordWeakness? {
    let folded = Self.fold(password)
    let scalars = Array(folded.unicodeScalars)
    let core = Self.trimmed(scalars[...])
    if contains(folded) || isCommon(core) || isCommon(scalars[...].dropLast(while: { !$0.properties.isAlphabetic })) {
      return .common
    }
    if Set(scalars).count < Self.distinctMin || Self.isWalk(folded) || Self.isWalk(Self.text(core)) { return .sequence }
    let period = Self.period(scalars)
    if period <= Self.periodMax { return .sequence }
    if period <= scalars.count / 2, isCommon(Self.trimmed(scalars[..<period])) { return .common }
    return Self.isPersonal(folded, words) ? .personal : nil
  }

  private func isCommon(_ scalars: ArraySlice<Unicode.Scalar>) -> Bool {
    guard scalars.count >= Self.wordMin else { return false }
    let plain = scalars.map { Self.lookAlikes[$0] ?? $0 }
    return contains(Self.text(scalars)) || contains(Self.text(plain[...]))
  }

  /// Normalisation form C in lower case, as the list is.
  private static func fold(_ text: String) -> String { TextRule.normalised(TextRule.normalised(text).lowercased()) }

  private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    return text
  }

  /// Without what isn't a letter at both ends: that is where digits and signs are put.
  private static func trimmed(_ scalars: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
    scalars.drop { !$0.properties.isAlphabetic }.dropLast(while: { !$0.properties.isAlphabetic })
  }

  private static func isWalk(_ text: String) -> Bool {
    text.utf8.count >= wordMin && walks.contains { $0.contains(text) }
  }

  /// The length after which it repeats itself; its own length when it doesn't.
  private static func period(_ scalars: [Unicode.Scalar]) -> Int {
    (1..<max(scalars.count, 1)).first { period in
      (period..<scalars.count).allSatisfy { scalars[$0] == scalars[$0 - period] }
    } ?? scalars.count
  }

  private static func isPersonal(_ folded: String, _ words: [String]) -> Bool {
    let parts = words.flatMap { word in
      let folded = fold(word)
      let pieces = folded.unicodeScalars.split { !isLetterOrDigit($0) }.map { text(Array($0)[...]) }
      return pieces + [pieces.joined()]
    }
    var rest = folded
    for part in Set(parts + service).sorted(by: { ($1.utf8.count, $0) < ($0.utf8.count, $1) })
    where part.unicodeScalars.count >= wordMin {
      rest = rest.replacing(part, with: " ")
    }
    return rest != folded && rest.unicodeScalars.count(where: isLetterOrDigit) < restMin
  }

  private static func isLetterOrDigit(_ scalar: Unicode.Scalar) -> Bool {
    scalar.properties.isAlphabetic || scalar.properties.numericType != nil
  }
}

extension ArraySlice {
  fileprivate func dropLast(while predicate: (Element) -> Bool) -> ArraySlice {
    var end = endIndex
    while end > startIndex, predicate(self[end - 1]) { end -= 1 }
    return self[startIndex..<end]
  }
}
