enum PaymentProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_payment_code", 400, id: "Kode pembayaran terdiri dari 12 angka dengan angka pemeriksa.",
      en: "A payment code has 12 digits, the last of which checks the others."),
    ProblemText(
      "payment_code_unknown", 422, id: "Tidak ada tagihan dengan kode pembayaran ini.",
      en: "No billing has this payment code."),
    ProblemText(
      "instant_lies_ahead", 422, id: "Waktu ini belum terjadi.", en: "This instant lies in the future."),
    ProblemText(
      "reversed_before_paid", 422, id: "Pembatalan tidak mungkin mendahului pembayarannya.",
      en: "A payment can't be reversed before it was made."),
    ProblemText(
      "bank_reference_used", 409, id: "Nomor bank ini sudah dipakai untuk pembayaran lain.",
      en: "The bank reference was used for another payment."),
    ProblemText(
      "payment_already_reversed", 409, id: "Pembayaran ini sudah dibatalkan dengan keterangan lain.",
      en: "This payment was reversed already, with other particulars."),
    ProblemText(
      "exception_already_resolved", 409, id: "Pengecualian ini sudah diselesaikan.",
      en: "This exception was resolved already."),
    ProblemText(
      "credit_already_used", 409, id: "Kelebihan bayar ini sudah dipakai untuk tagihan lain.",
      en: "The surplus has paid another billing since."),
    ProblemText(
      "action_not_possible", 422, id: "Tindakan ini tidak sesuai dengan alasan pengecualian.",
      en: "This action doesn't fit the exception's reason."),
  ]

  static let constraints: [String: Failure] = [
    "payment_reference_once": Failure(409, "bank_reference_used"),
    "payment_reversed_once": Failure(409, "payment_already_reversed"),
  ]
}
