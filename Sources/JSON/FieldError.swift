/// One thing wrong with a request's input, for the `errors` of a problem (RFC 9457, section 3).
package struct FieldError: Sendable, Equatable {
  /// Where in the body: a JSON pointer (RFC 6901), "" for the body itself; nil when `parameter` says where.
  package var pointer: String?
  /// The query parameter or header at fault.
  package var parameter: String?
  package var problem: FieldProblem

  /// Stable, snake_case; the key of the message in each language.
  package var code: String { problem.code }
  /// What the message needs, such as ("max", "100").
  package var parameters: [FieldProblem.Parameter] { problem.parameters }

  package init(pointer: String, _ problem: FieldProblem) {
    self.pointer = pointer
    self.problem = problem
  }

  package init(parameter: String, _ problem: FieldProblem) {
    self.parameter = parameter
    self.problem = problem
  }
}

/// Why one value was refused, without the place: what a type's own parsing throws.
package struct FieldProblem: Error, Sendable, Equatable {
  package struct Parameter: Sendable, Equatable {
    package let name: String
    package let value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package let code: String
  package let parameters: [Parameter]

  package init(_ code: String, _ parameters: [Parameter] = []) {
    self.code = code
    self.parameters = parameters
  }

  package static let required = FieldProblem("required")
  package static let unknownField = FieldProblem("unknown_field")
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

  package static func tooLong(max: Int) -> FieldProblem { FieldProblem("too_long", [Parameter("max", "\(max)")]) }
  package static func tooShort(min: Int) -> FieldProblem { FieldProblem("too_short", [Parameter("min", "\(min)")]) }
  package static func tooMany(max: Int) -> FieldProblem { FieldProblem("too_many", [Parameter("max", "\(max)")]) }
  package static func tooFew(min: Int) -> FieldProblem { FieldProblem("too_few", [Parameter("min", "\(min)")]) }
  package static func tooDeep(max: Int) -> FieldProblem { FieldProblem("too_deep", [Parameter("max", "\(max)")]) }

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
