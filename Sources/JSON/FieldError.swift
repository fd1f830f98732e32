/// One thing wrong with a request's input, for the `errors` of a problem (RFC 9457, section 3).
package struct FieldError: Sendable, Equatable {
  /// Where in the body: a JSON pointer (RFC 6901), "" for the body itself; nil when `parameter` says where.
  package var pointer: String?
  /// The query parameter or header at fault.
  package var parameter: String?
  /// What is wrong there.
  package var problem: FieldProblem

  /// Stable, snake_case; the key of the message in each language.
  package var code: String { problem.code }
  /// What the message needs, such as ("max", "100").
  package var parameters: [FieldProblem.Parameter] { problem.parameters }

  /// An error of the body.
  package init(pointer: String, _ problem: FieldProblem) {
    self.pointer = pointer
    self.problem = problem
  }

  /// An error of a query parameter or header.
  package init(parameter: String, _ problem: FieldProblem) {
    self.parameter = parameter
    self.problem = problem
  }
}

/// Why one value was refused, without the place: what a type's own parsing throws.
package struct FieldProblem: Error, Sendable, Equatable {
  /// A named value for the message; never what the caller sent.
  package struct Parameter: Sendable, Equatable {
    /// Its place-holder in the message.
    package let name: String
    /// Its text.
    package let value: String

    /// A parameter of that name.
    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// Stable, snake_case.
  package let code: String
  /// In the order in which the message names them.
  package let parameters: [Parameter]

  /// A problem of a feature's own; the common ones are below.
  package init(_ code: String, _ parameters: [Parameter] = []) {
    self.code = code
    self.parameters = parameters
  }

  /// A field that must be there isn't.
  package static let required = FieldProblem("required")
  /// A field that nobody reads: a misspelling, or an attempt.
  package static let unknownField = FieldProblem("unknown_field")
  /// Two members of one object have the same name.
  package static let duplicateKey = FieldProblem("duplicate_key")
  /// NUL, a lone surrogate, or a character that the field doesn't allow (control or bidirectional formatting).
  package static let invalidText = FieldProblem("invalid_text")

  /// `expected`: string, integer, boolean, array or object.
  package static func wrongType(expected: String) -> FieldProblem {
    FieldProblem("wrong_type", [Parameter("expected", expected)])
  }

  /// The text isn't written as `format` (such as "date" or "uuid") says.
  package static func invalidFormat(_ format: String) -> FieldProblem {
    FieldProblem("invalid_format", [Parameter("format", format)])
  }

  /// Not one of a closed set of texts.
  package static func notAllowed(_ allowed: [String]) -> FieldProblem {
    FieldProblem("not_allowed", [Parameter("allowed", allowed.joined(separator: ", "))])
  }

  /// Text of more than `max` scalars (bytes, where the reader says so), or a number of more characters.
  package static func tooLong(max: Int) -> FieldProblem { FieldProblem("too_long", [Parameter("max", "\(max)")]) }
  /// Text of less than `min` scalars.
  package static func tooShort(min: Int) -> FieldProblem { FieldProblem("too_short", [Parameter("min", "\(min)")]) }
  /// More than `max` elements or members.
  package static func tooMany(max: Int) -> FieldProblem { FieldProblem("too_many", [Parameter("max", "\(max)")]) }
  /// Less than `min` elements.
  package static func tooFew(min: Int) -> FieldProblem { FieldProblem("too_few", [Parameter("min", "\(min)")]) }
  /// More than `max` containers inside each other.
  package static func tooDeep(max: Int) -> FieldProblem { FieldProblem("too_deep", [Parameter("max", "\(max)")]) }

  /// An integer outside of its range, or beyond 64 bits.
  package static func outOfRange(min: Int64, max: Int64) -> FieldProblem {
    FieldProblem("out_of_range", [Parameter("min", "\(min)"), Parameter("max", "\(max)")])
  }
}

/// JSON pointers (RFC 6901).
enum JSONPointer {
  /// `parent` followed by a member's name, with `~` and `/` escaped (section 4).
  static func member(_ name: String, of parent: String) -> String {
    var pointer = parent
    pointer.append("/")
    if name.utf8.allSatisfy({ $0 != 0x7E && $0 != 0x2F }) {
      pointer.append(name)
      return pointer
    }
    for scalar in name.unicodeScalars {
      switch scalar {
      case "~": pointer.append("~0")
      case "/": pointer.append("~1")
      default: pointer.unicodeScalars.append(scalar)
      }
    }
    return pointer
  }

  static func element(_ index: Int, of parent: String) -> String {
    "\(parent)/\(index)"
  }
}
