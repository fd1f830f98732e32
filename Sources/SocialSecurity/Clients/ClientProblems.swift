enum ClientProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "too_many_secrets", 409, id: "Klien ini sudah memiliki dua rahasia.", en: "This client has two secrets already.")
  ]
}
