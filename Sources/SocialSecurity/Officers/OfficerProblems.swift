enum OfficerProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "unknown_permission", 422, id: "Izin ini tidak dikenal.", en: "No such permission."),
    ProblemText(
      "own_permissions", 403, id: "Petugas tidak dapat mengubah izinnya sendiri.",
      en: "Nobody changes their own permissions."),
    ProblemText(
      "permission_not_grantable", 403, id: "Izin ini hanya dapat diberikan atau dicabut oleh operator sistem.",
      en: "Only the system's operator gives or takes this permission."),
    ProblemText(
      "own_request", 403, id: "Yang mengajukan tidak dapat menyetujui; harus petugas lain.",
      en: "Whoever asked for it doesn't approve it; another officer does."),
    ProblemText(
      "nothing_requested", 409, id: "Tidak ada yang menunggu persetujuan.", en: "Nothing awaits an approval."),
    ProblemText(
      "officer_exists", 409, id: "Sudah ada petugas dengan alamat surel ini.",
      en: "There is an officer with this e-mail address already."),
  ]
}
