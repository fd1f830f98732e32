enum DocumentProblems {
  static let all = [
    ProblemText(
      "document_malformed", 422, id: "Berkas bukan dokumen utuh dari jenis yang dinyatakan.",
      en: "The file isn't a whole document of the type that it is declared as."),
    ProblemText(
      "document_quota_exceeded", 422, id: "Batas jumlah atau ukuran dokumen tercapai.",
      en: "The limit on the number or the size of your documents is reached."),
    ProblemText(
      "document_in_use", 409, id: "Dokumen melekat pada klaim dan tidak dapat dihapus.",
      en: "The document belongs to a claim and can't be deleted."),
    ProblemText(
      "document_not_released", 409, id: "Dokumen belum atau tidak lolos pemeriksaan.",
      en: "The document hasn't passed its scan."),
    ProblemText(
      "unknown_purpose", 400, id: "Tujuan dokumen tidak dikenal bagi peran ini.",
      en: "Not a purpose of documents for this role."),
    ProblemText(
      "extension_differs", 400, id: "Akhiran nama berkas tidak sesuai dengan jenisnya.",
      en: "The file name's extension doesn't fit the media type."),
  ]

  /// A document that goes while it is attached: whoever comes second learns that the other was first.
  static let constraints: [String: Failure] = [
    "claim_document_document_id_member_id_fkey": Failure(409, "document_in_use")
  ]
}
