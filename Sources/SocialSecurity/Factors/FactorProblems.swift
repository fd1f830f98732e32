enum FactorProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "mfa_required", 401, id: "Faktor kedua diperlukan; lanjutkan dengan challenge ini.",
      en: "A second factor is needed; go on with this challenge."),
    ProblemText(
      "invalid_code", 401, id: "Kode salah, atau challenge tidak berlaku lagi.",
      en: "The code is wrong, or the challenge isn't valid any more."),
    ProblemText(
      "wrong_code", 422, id: "Kode tidak cocok dengan rahasia yang baru dibuat.",
      en: "The code doesn't fit the secret that was just made."),
    ProblemText(
      "code_required", 422, id: "Akun ini memiliki faktor kedua; kirimkan kodenya.",
      en: "This account has a second factor; send its code."),
    ProblemText(
      "password_required", 422, id: "Akun ini tidak memiliki faktor kedua; kirimkan kata sandinya.",
      en: "This account has no second factor; send its password."),
    ProblemText(
      "password_or_code", 400, id: "Kirimkan password atau code, salah satu saja.",
      en: "Send either password or code."),
    ProblemText(
      "second_factor_required", 403,
      id: "Sesi ini belum menunjukkan faktor kedua; masuklah ke peran yang memerlukannya terlebih dahulu.",
      en: "This session hasn't shown a second factor; act in the role that asks for one first."),
    ProblemText(
      "sms_unavailable", 422, id: "Instalasi ini tidak mengirim SMS.", en: "This installation sends no SMS."),
    ProblemText(
      "totp_not_started", 409, id: "Tidak ada rahasia yang menunggu kode pertamanya.",
      en: "No secret waits for its first code."),
    ProblemText(
      "totp_inactive", 409, id: "Akun ini tidak memiliki aplikasi autentikator.",
      en: "This account has no authenticator."),
  ]
}
