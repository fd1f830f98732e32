enum EmployerProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_npwp", 400, id: "NPWP terdiri dari 15 atau 16 angka.", en: "An NPWP has 15 or 16 digits."),
    ProblemText(
      "registration_already_decided", 409, id: "Pendaftaran ini sudah diputuskan.",
      en: "This registration was decided on already."),
    ProblemText(
      "npwp_already_registered", 409, id: "Perusahaan aktif dengan NPWP ini sudah terdaftar.",
      en: "An active employer with this NPWP is registered already."),
    ProblemText(
      "identity_mismatch", 422, id: "KPJ, NIK, nama, dan tanggal lahir ini bukan milik orang yang sama.",
      en: "This KPJ, NIK, name and birth date don't belong to the same person."),
    ProblemText(
      "employment_overlaps", 409, id: "Pekerja ini masih bekerja di perusahaan ini pada masa itu.",
      en: "The worker is employed here at that time already."),
    ProblemText(
      "employment_already_ended", 409, id: "Hubungan kerja ini sudah berakhir.",
      en: "This employment has ended already."),
    ProblemText(
      "end_before_start", 422, id: "Hari terakhir mendahului hari pertama bekerja.",
      en: "The last day lies before the first day of work."),
    ProblemText(
      "verification_quota_used", 429, id: "Kuota pemeriksaan data peserta untuk hari ini sudah habis.",
      en: "Today's quota of member verifications is used up."),
  ]

  static let constraints: [String: Failure] = [
    "employment_spells_do_not_overlap": Failure(409, "employment_overlaps"),
    "employer_npwp_active": Failure(409, "npwp_already_registered"),
  ]
}
