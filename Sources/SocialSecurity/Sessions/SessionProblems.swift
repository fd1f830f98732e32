enum SessionProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_credentials", 401, id: "Nama pengguna atau kata sandi salah.",
      en: "The identifier or the password is wrong."),
    ProblemText(
      "invalid_refresh_token", 401, id: "Token penyegar tidak berlaku; silakan masuk lagi.",
      en: "The refresh token isn't valid; log in again."),
    ProblemText(
      "too_many_attempts", 429, id: "Terlalu banyak percobaan masuk; coba lagi nanti.",
      en: "Too many log-in attempts; try again later."),
    ProblemText(
      "unknown_client", 422, id: "Aplikasi dengan client_id ini tidak terdaftar.",
      en: "No application is registered under this client_id."),
    ProblemText(
      "unknown_grant", 422, id: "Akun ini tidak memiliki peran tersebut.", en: "This account has no such grant."),
  ]
}
