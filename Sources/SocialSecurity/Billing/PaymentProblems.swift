enum PaymentProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_payment_code", 400, id: "Kode pembayaran terdiri dari 12 angka.",
      en: "A payment code has 12 digits."),
    ProblemText(
      "payment_code_unknown", 422, id: "Tidak ada tagihan dengan kode pembayaran ini.",
      en: "No billing has this payment code."),
    ProblemText(
      "instant_lies_ahead", 422, id: "Waktu ini belum terjadi.", en: "This instant lies in the future."),
    ProblemText(
      "reversed_before_paid", 422, id: "Pembatalan tidak mungkin mendahului pembayarannya.",
      en: "A payment can't be reversed before it was made."),
    ProblemText(
      "day_lies_ahead", 422, id: "Hari ini belum tiba.", en: "This day lies in the future."),
    ProblemText(
      "control_totals_differ", 422,
      id: "Jumlah baris atau nilai tidak sama dengan yang dinyatakan; tidak ada yang dibukukan.",
      en: "The rows don't add up to the declared control totals; nothing was booked."),
    ProblemText(
      "statement_exists", 409, id: "Rekening koran hari itu sudah diterima dengan isi lain.",
      en: "That day's statement was taken already, with other content."),
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
      "resolution_requested", 409, id: "Penyelesaian sudah diminta dan menunggu petugas lain.",
      en: "A resolution was requested already and waits for another officer."),
    ProblemText(
      "resolution_not_requested", 409, id: "Belum ada penyelesaian yang diminta.",
      en: "No resolution was requested."),
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
