enum AccountProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "confirmation_token_invalid", 410, id: "Token konfirmasi tidak berlaku, sudah dipakai, atau sudah lewat waktu.",
      en: "The confirmation token is unknown, used or expired."),
    ProblemText(
      "account_exists", 409, id: "Sudah ada akun dengan alamat surel atau kepesertaan ini.",
      en: "There is an account with this e-mail address or membership already."),
    ProblemText(
      "password_too_short", 400, id: "Kata sandi paling sedikit 15 karakter.",
      en: "A password has at least 15 characters."),
    ProblemText(
      "password_too_long", 400, id: "Kata sandi paling banyak 256 karakter.",
      en: "A password has at most 256 characters."),
    ProblemText(
      "password_refused", 422, id: "Kata sandi ini terlalu mudah ditebak; lihat errors.",
      en: "This password is too easy to guess; see errors."),
    ProblemText(
      "password_common", 422, id: "Kata sandi ini sering dipakai orang, atau hanya variasi dari yang sering dipakai.",
      en: "Many people use this password, or one that differs from it in digits and signs only."),
    ProblemText(
      "password_sequence", 422, id: "Kata sandi ini mengikuti urutan atau mengulang dirinya.",
      en: "This password follows a sequence or repeats itself."),
    ProblemText(
      "password_personal", 422, id: "Kata sandi ini hampir hanya terdiri dari nama atau nomor Anda.",
      en: "This password consists of little more than your names or numbers."),
    ProblemText(
      "current_password_wrong", 422, id: "Kata sandi sekarang salah.", en: "The current password is wrong."),
    ProblemText(
      "password_changed_meanwhile", 409, id: "Kata sandi telah diubah pada saat yang sama.",
      en: "The password was changed at the same time."),
    ProblemText(
      "reset_token_invalid", 410, id: "Token pengaturan ulang tidak berlaku, sudah dipakai, atau sudah lewat waktu.",
      en: "The reset token is unknown, used or expired."),
    ProblemText(
      "account_reported", 409,
      id: "Penyalahgunaan akun ini dilaporkan; kontak dan rekening tidak dapat diubah sebelum laporan ditutup.",
      en: "Unauthorised use of this account was reported; contacts and bank account stay until the report is closed."),
    ProblemText(
      "own_report", 403, id: "Laporan atas akun sendiri ditutup oleh petugas lain.",
      en: "Another officer closes a report on one's own account."),
    ProblemText(
      "report_already_closed", 409, id: "Laporan ini sudah ditutup.", en: "The report is closed already."),
    ProblemText(
      "invalid_username", 400, id: "Nama pengguna terdiri dari 3 sampai 40 huruf kecil, angka, titik, garis.",
      en: "A username has 3 to 40 lower-case letters, digits, dots, dashes or underscores."),
  ]
}
