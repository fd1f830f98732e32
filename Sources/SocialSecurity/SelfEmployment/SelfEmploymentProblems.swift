enum SelfEmploymentProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "already_self_employed", 409, id: "Kepesertaan mandiri (BPU) sudah berjalan pada bulan itu.",
      en: "The member pays for themselves already at that time."),
    ProblemText(
      "self_employment_ended", 409, id: "Kepesertaan mandiri ini sudah berakhir; daftar lagi untuk melanjutkan.",
      en: "This spell has ended; enrol again to go on."),
    ProblemText(
      "month_already_billed", 409, id: "Bulan ini sudah ditagih; tarik tagihannya lebih dulu bila belum dibayar.",
      en: "The month is billed already; withdraw the billing first if it isn't paid."),
    ProblemText(
      "nothing_to_withdraw", 409, id: "Tidak ada bulan yang belum dibayar dalam tagihan ini.",
      en: "No month of this billing is open."),
    ProblemText("month_has_passed", 422, id: "Bulan ini sudah lewat.", en: "This month has passed."),
    ProblemText(
      "period_too_far_ahead", 422, id: "Bulan ini lebih dari dua belas bulan di depan.",
      en: "This month lies more than twelve months ahead."),
    ProblemText(
      "period_outside_self_employment", 422, id: "Kepesertaan mandiri tidak mencakup bulan ini.",
      en: "The member doesn't pay for themselves in this month."),
    ProblemText(
      "income_band_not_in_force", 422, id: "Tidak ada kelompok penghasilan dengan dasar ini pada bulan itu.",
      en: "No income band of this base is in force in that month."),
    ProblemText(
      "bounds_descend", 422, id: "Batas atas lebih rendah daripada batas bawah.",
      en: "The upper bound lies below the lower one."),
    ProblemText(
      "contribution_above_income", 422, id: "Iuran lebih besar daripada dasar penghasilan.",
      en: "The contribution is more than the base of income."),
    ProblemText(
      "income_band_overlaps", 409, id: "Kelompok dengan dasar ini sudah berlaku pada masa itu.",
      en: "A band of this base is in force at that time already."),
    ProblemText(
      "income_band_already_approved", 409, id: "Usulan ini sudah disetujui.",
      en: "This proposal was approved already."),
    ProblemText(
      "own_proposal", 403, id: "Usulan sendiri disetujui oleh petugas lain.",
      en: "Another officer approves one's own proposal."),
    ProblemText(
      "already_member", 409, id: "Orang dengan NIK ini sudah menjadi peserta.",
      en: "The person with this NIK is a member already."),
    ProblemText(
      "birth_date_lies_ahead", 422, id: "Tanggal lahir ini belum terjadi.", en: "This birth date lies in the future."),
  ]

  static let constraints: [String: Failure] = [
    "income_bands_do_not_overlap": Failure(409, "income_band_overlaps"),
    "self_employed_month_once": Failure(409, "month_already_billed"),
  ]
}
