enum MemberProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "access_purpose_required", 400, id: "Header Access-Purpose (jenis:id) wajib untuk membuka data seseorang.",
      en: "An Access-Purpose header (kind:id) is required to open a person's record."),
    ProblemText("invalid_nik", 400, id: "Bukan NIK yang sah (16 angka).", en: "Not a valid NIK (16 digits)."),
    ProblemText("invalid_kpj", 400, id: "Bukan nomor KPJ (11 angka).", en: "Not a KPJ number (11 digits)."),
    ProblemText("invalid_name", 400, id: "Bukan nama.", en: "Not a name."),
    ProblemText("invalid_email", 400, id: "Bukan alamat surel yang sah.", en: "Not a valid e-mail address."),
    ProblemText(
      "invalid_phone", 400, id: "Bukan nomor telepon; tulis seperti +628123456789.",
      en: "Not a phone number; write it like +628123456789."),
    ProblemText(
      "email_or_phone", 400, id: "Kirimkan email atau phone, salah satu saja.", en: "Send either email or phone."),
    ProblemText(
      "contact_unchanged", 422, id: "Alamat ini sudah yang sekarang.", en: "This is the address already."),
    ProblemText(
      "contact_code_wrong", 422, id: "Kode tidak cocok dengan yang dikirim ke alamat baru.",
      en: "The code isn't the one that was sent to the new address."),
    ProblemText(
      "contact_change_ended", 410,
      id: "Perubahan ini sudah selesai, lewat waktu, digantikan yang lebih baru, atau kodenya terlalu sering salah.",
      en: "This change is done, expired, replaced by a newer one, or its code was wrong too often."),
    ProblemText("invalid_bank_code", 400, id: "Kode bank terdiri dari 3 angka.", en: "A bank code has 3 digits."),
    ProblemText(
      "invalid_bank_account_number", 400, id: "Nomor rekening terdiri dari 6 sampai 20 angka.",
      en: "An account number has 6 to 20 digits."),
    ProblemText(
      "search_needs_one", 400, id: "Sebutkan kpj, nik, atau name.", en: "Give one of kpj, nik or name."),
  ]
}
