enum AccountProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "confirmation_token_invalid", 410, id: "Token konfirmasi tidak berlaku, sudah dipakai, atau sudah lewat waktu.",
      en: "The confirmation token is unknown, used or expired."),
    ProblemText(
      "account_exists", 409, id: "Sudah ada akun dengan alamat surel atau kepesertaan ini.",
      en: "There is an account with this e-mail address or membership already."),
    ProblemText(
      "password_too_short", 400, id: "Kata sandi paling sedikit 12 karakter.",
      en: "A password has at least 12 characters."),
    ProblemText(
      "password_too_long", 400, id: "Kata sandi paling banyak 256 karakter.",
      en: "A password has at most 256 characters."),
    ProblemText(
      "invalid_username", 400, id: "Nama pengguna terdiri dari 3 sampai 40 huruf kecil, angka, titik, garis.",
      en: "A username has 3 to 40 lower-case letters, digits, dots, dashes or underscores."),
  ]
}
