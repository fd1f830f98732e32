import JSON

enum ReturnProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "period_in_future", 422, id: "Bulan upah ini belum dimulai.", en: "The wage month hasn't begun."),
    ProblemText(
      "period_too_early", 422, id: "Untuk bulan upah ini belum ada tarif iuran.",
      en: "There are no contribution rates for that wage month."),
    ProblemText(
      "period_not_over", 422, id: "Bulan upah ini belum berakhir.", en: "The wage month isn't over."),
    ProblemText(
      "reason_required", 422, id: "Laporan revisi memuat alasannya.", en: "A revised return holds its reason."),
    ProblemText(
      "reason_not_taken", 422, id: "Hanya laporan revisi yang memuat alasan.",
      en: "Only a revised return holds a reason."),
    ProblemText(
      "nothing_to_revise", 409, id: "Belum ada laporan final bulan ini yang dapat direvisi.",
      en: "There is no finalised return of that month to revise."),
    ProblemText(
      "return_exists", 409, id: "Laporan bulan ini sudah ada; lihat return_id dan receipt.",
      en: "There is a return of that month already; see return_id and receipt."),
    ProblemText(
      "client_reference_used", 409, id: "Nomor rujukan ini sudah dipakai; lihat return_id dan receipt.",
      en: "The client reference is used already; see return_id and receipt."),
    ProblemText(
      "return_not_open", 409, id: "Laporan ini sudah difinalisasi atau dibatalkan.",
      en: "The return was finalised or discarded already."),
    ProblemText(
      "return_under_way", 409, id: "Laporan ini sedang diolah; lihat job_id.",
      en: "A job has the return; see job_id."),
    ProblemText(
      "upload_lost", 409, id: "Baris hilang sebelum diperiksa; kirim sekali lagi.",
      en: "The lines were lost before they were checked; send them again."),
    ProblemText(
      "return_takes_no_lines", 409, id: "Laporan tanpa kegiatan tidak memuat baris.",
      en: "A return of no activity takes no lines."),
    ProblemText(
      "line_key_required", 422, id: "Setiap baris perubahan harus terbaca dan memuat line_key.",
      en: "Each line of a change must be readable and hold a line_key."),
    ProblemText(
      "line_key_twice", 422, id: "Kunci ini muncul lebih dari sekali dalam perubahan.",
      en: "The key stands more than once in the change."),
    ProblemText(
      "lines_repeated", 422, id: "Lebih dari separuh baris mengulang baris lain; lihat lines dan different.",
      en: "More than half of the lines repeat others; see lines and different."),
    ProblemText(
      "return_without_lines", 422, id: "Tidak ada baris yang diterima untuk difinalisasi.",
      en: "There is no line that stands."),
    ProblemText(
      "lines_no_longer_stand", 422,
      id: "Baris dalam errors tidak berlaku lagi sejak diperiksa; perbaiki lalu kirim sekali lagi.",
      en: "Since they were checked, the lines in errors no longer stand; mend and send them again."),
    ProblemText(
      "return_outdated", 409,
      id: "Data peserta atau tarif berubah sejak baris diperiksa; lihat changed, kirim barisnya sekali lagi.",
      en: "Members or rates have changed since the lines were checked; see changed, and send the lines again."),
    ProblemText(
      "preview_outdated", 409, id: "Laporan tidak lagi seperti pada pratinjau; lihat changed, lalu uji sekali lagi.",
      en: "The return isn't what the preview showed any more; see changed, and rehearse once more."),
    ProblemText(
      "report_too_long", 422,
      id: "Untuk laporan uji sebagai CSV atau NDJSON barisnya terlalu banyak, lihat maximum; minta JSON.",
      en: "There are too many lines to report a rehearsal as CSV or NDJSON, see maximum; ask for JSON."),
    ProblemText(
      "digest_mismatch", 400, id: "Isi tidak sesuai dengan Content-Digest.",
      en: "The body isn't what Content-Digest says."),
    ProblemText(
      "malformed_header", 400, id: "Baris judul tidak dapat dibaca sebagai CSV dalam UTF-8.",
      en: "The header can't be read as CSV in UTF-8."),
    ProblemText(
      "unknown_column", 400, id: "Kolom {column} tidak dikenal.", en: "The column {column} is unknown."),
    ProblemText(
      "repeated_column", 400, id: "Kolom {column} berulang.", en: "The column {column} stands more than once."),
    ProblemText("missing_column", 400, id: "Kolom {column} tidak ada.", en: "The column {column} is missing."),
  ]
}
