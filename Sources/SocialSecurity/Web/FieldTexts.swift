import JSON

/// Texts of what can be wrong with a single field; `{name}` stands for a parameter of the error.
enum FieldTexts {
  private static let texts: [String: (id: String, en: String)] = [
    "required": ("Wajib diisi.", "Required."),
    "unknown_field": ("Isian tidak dikenal.", "Unknown field."),
    "unknown_parameter": ("Parameter tidak dikenal.", "Unknown parameter."),
    "repeated_parameter": ("Parameter berulang.", "Repeated parameter."),
    "duplicate_key": ("Isian muncul lebih dari sekali.", "The field stands more than once."),
    "wrong_type": ("Harus berupa {expected}.", "Must be of type {expected}."),
    "invalid_text": ("Memuat karakter yang tidak diterima.", "Holds characters that aren't accepted."),
    "invalid_format": ("Tidak ditulis sebagai {format}.", "Isn't written as {format}."),
    "not_allowed": ("Harus salah satu dari: {allowed}.", "Must be one of: {allowed}."),
    "too_long": ("Paling banyak {max}.", "At most {max} long."),
    "too_short": ("Paling sedikit {min}.", "At least {min} long."),
    "too_many": ("Paling banyak {max} unsur.", "At most {max} elements."),
    "too_few": ("Paling sedikit {min} unsur.", "At least {min} elements."),
    "too_deep": ("Paling dalam {max} tingkat.", "At most {max} levels deep."),
    "out_of_range": ("Harus antara {min} dan {max}.", "Must lie between {min} and {max}."),
    "invalid_json": ("Bukan JSON yang sah ({reason}).", "Not valid JSON ({reason})."),
  ]

  /// The message of an error: its own text, or that of the problem with the same code, or what the error brought along
  /// as `message_id` and `message_en`, or the bare code.
  static func message(of problem: FieldProblem, in language: Language, _ catalogue: ProblemCatalogue) -> String {
    let brought = problem.parameters.first { $0.name == "message_\(language.rawValue)" }?.value
    var message = catalogue[problem.code]?.text(in: language) ?? brought ?? problem.code
    if let pair = texts[problem.code] { message = language == .id ? pair.id : pair.en }
    for parameter in problem.parameters {
      guard let range = message.firstRange(of: "{\(parameter.name)}") else { continue }
      message.replaceSubrange(range, with: parameter.value)
    }
    return message
  }
}
