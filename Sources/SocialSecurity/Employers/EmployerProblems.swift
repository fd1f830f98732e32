enum EmployerProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_npwp", 400, id: "NPWP terdiri dari 15 atau 16 angka.", en: "An NPWP has 15 or 16 digits."),
    ProblemText(
      "registration_already_decided", 409, id: "Pendaftaran ini sudah diputuskan.",
      en: "This registration was decided on already."),
    ProblemText(
      "own_registration", 403, id: "Pendaftaran yang menunjuk petugas sebagai kontak diputuskan oleh petugas lain.",
      en: "Another officer decides on a registration that names the officer as its contact."),
    ProblemText(
      "npwp_already_registered", 409, id: "Perusahaan aktif dengan NPWP ini sudah terdaftar.",
      en: "An active employer with this NPWP is registered already."),
    ProblemText(
      "month_is_past", 422, id: "Bulan ini sudah lewat; yang lalu tidak diubah.",
      en: "This month is past, and the past isn't changed."),
    ProblemText(
      "month_already_reported", 409, id: "Upah bulan ini atau sesudahnya sudah dilaporkan; lihat period.",
      en: "Wages were reported for this month or a later one; see period."),
    ProblemText(
      "relief_not_in_force", 422, id: "Keringanan ini tidak berlaku pada bulan tersebut.",
      en: "The relief isn't in force in that month."),
    ProblemText(
      "industry_without_relief", 422, id: "Keringanan ini tidak diberikan kepada industri tersebut.",
      en: "That industry doesn't get this relief."),
    ProblemText(
      "size_without_relief", 422, id: "Keringanan ini tidak untuk perusahaan dengan skala tersebut; lihat wanted.",
      en: "Employers of that size don't get this relief; see wanted."),
    ProblemText(
      "programme_not_voluntary", 422, id: "Skala perusahaan ini tidak memberi pilihan atas program tersebut.",
      en: "The size of this employer leaves no choice of that programme."),
    ProblemText(
      "closure_in_future", 422, id: "Tanggal penutupan tidak boleh setelah hari ini.",
      en: "An employer can't be recorded as closed before the day has come."),
    ProblemText(
      "too_few_workers", 422, id: "Jumlah pekerja aktif pada bulan pertama kurang dari yang disyaratkan; lihat wanted.",
      en: "Fewer workers were active in the first month than the relief wants; see wanted."),
    ProblemText(
      "jkk_in_arrears", 422, id: "Iuran sampai bulan yang disyaratkan belum lunas; lihat paid_through.",
      en: "Contributions up to the month that the relief wants aren't paid; see paid_through."),
    ProblemText(
      "relief_overlaps", 409, id: "Keringanan yang sama sudah dicatat untuk sebagian bulan itu.",
      en: "The same relief is recorded for some of those months already."),
    ProblemText(
      "relief_already_withdrawn", 409, id: "Keringanan ini sudah dicabut.", en: "This relief was withdrawn already."),
    ProblemText(
      "employer_user_exists", 409, id: "Alamat surel ini sudah dipakai pengguna atau undangan perusahaan ini.",
      en: "A user or an invitation of this employer has this e-mail address already."),
    ProblemText(
      "last_administrator", 409, id: "Perusahaan harus memiliki sedikitnya satu administrator.",
      en: "An employer keeps at least one administrator."),
    ProblemText(
      "employer_has_administrator", 409, id: "Administrator perusahaan ini masih dapat bertindak; ia yang mengundang.",
      en: "This employer has an administrator, who invites users."),
    ProblemText(
      "administrator_wanted", 422, id: "Petugas hanya menunjuk administrator.",
      en: "Officers appoint administrators alone."),
    ProblemText(
      "own_employer", 403, id: "Petugas tidak menunjuk administrator perusahaannya sendiri.",
      en: "Another officer appoints an administrator of the officer's own employer."),
    ProblemText(
      "invitation_quota_used", 429, id: "Terlalu banyak undangan hari ini.", en: "Too many invitations today."),
    ProblemText(
      "invitation_invalid", 410, id: "Undangan ini tidak dikenal, sudah dipakai, dicabut, atau kedaluwarsa.",
      en: "This invitation is unknown, used, withdrawn or expired."),
    ProblemText(
      "password_wanted", 422, id: "Akun baru memerlukan kata sandi.", en: "A new account wants a password."),
    ProblemText(
      "password_not_taken", 422, id: "Akun Anda sudah ada dan kata sandinya tetap.",
      en: "You have an account, and it keeps its password."),
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
      "date_too_far_ahead", 422, id: "Tanggal ini terlalu jauh di masa depan.",
      en: "This date lies too far in the future."),
    ProblemText(
      "start_before_birth", 422, id: "Hari pertama bekerja mendahului tanggal lahir.",
      en: "The first day of work lies before the birth date."),
    ProblemText(
      "end_contradicts_return", 409,
      id: "Iuran pekerja ini sudah dilaporkan untuk bulan sesudah tanggal tersebut; lihat period.",
      en: "A finalised return reports the worker for a month after that date; see period."),
    ProblemText(
      "end_date_and_reason", 422, id: "Tanggal dan alasan berakhirnya hubungan kerja harus diisi bersama.",
      en: "The end of an employment has a date and a reason together."),
    ProblemText(
      "wage_outside_employment", 422, id: "Tanggal upah ini di luar masa kerja.",
      en: "The wage's date lies outside the employment."),
    ProblemText(
      "unit_unknown", 422, id: "Perusahaan ini tidak memiliki unit aktif tersebut.",
      en: "The employer has no such active unit."),
    ProblemText(
      "unit_code_used", 409, id: "Kode unit ini sudah dipakai.", en: "Another unit has this code."),
    ProblemText(
      "employment_unknown", 422, id: "Anda tidak memiliki hubungan kerja tersebut.",
      en: "You have no such employment."),
    ProblemText(
      "not_employed_then", 422, id: "Hubungan kerja ini tidak mencakup bulan tersebut.",
      en: "The employment doesn't cover that month."),
    ProblemText(
      "report_pending", 409, id: "Laporan Anda tentang hal yang sama masih ditangani.",
      en: "A report of yours about the same is under way."),
    ProblemText(
      "note_required", 422, id: "Bantahan memuat alasannya.", en: "Who contests says why."),
    ProblemText(
      "report_already_answered", 409, id: "Laporan ini sudah dijawab.", en: "The report was answered already."),
    ProblemText(
      "report_already_decided", 409, id: "Laporan ini sudah selesai.", en: "The report is settled already."),
    ProblemText(
      "own_case", 403, id: "Laporan petugas sendiri atau tentang perusahaannya diputuskan oleh petugas lain.",
      en: "Another officer decides on a report by the officer, or about the officer's own employer."),
    ProblemText(
      "answer_awaited", 409, id: "Pemberi kerja masih dapat menjawab sampai answer_due.",
      en: "The employer may still answer until answer_due."),
    ProblemText(
      "verification_quota_used", 429, id: "Kuota pemeriksaan data peserta untuk hari ini sudah habis.",
      en: "Today's quota of member verifications is used up."),
  ]

  static let constraints: [String: Failure] = [
    "employment_spells_do_not_overlap": Failure(409, "employment_overlaps"),
    "employer_unit_code_once": Failure(409, "unit_code_used"),
    "employer_reliefs_do_not_overlap": Failure(409, "relief_overlaps"),
    "employer_npwp_active": Failure(409, "npwp_already_registered"),
  ]
}
