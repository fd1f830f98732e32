enum ClaimProblems {
  static let all = [
    ProblemText("unknown_claim_type", 422, id: "Jenis klaim tidak dikenal.", en: "No such claim type."),
    ProblemText(
      "unknown_claim_reason", 422, id: "Alasan ini tidak dikenal untuk jenis klaim tersebut.",
      en: "That type of claim doesn't have this reason."),
    ProblemText(
      "claim_already_open", 409, id: "Klaim sejenis masih berjalan.", en: "A claim of this type is open already."),
    ProblemText(
      "claim_state_conflict", 409, id: "Keadaan klaim tidak mengizinkan tindakan ini.",
      en: "The claim's state doesn't allow this."),
    ProblemText(
      "claim_not_ready", 422, id: "Klaim belum memenuhi syarat; lihat errors.",
      en: "The claim doesn't meet its conditions yet; see errors."),
    ProblemText(
      "membership_still_active", 422, id: "Masih ada hubungan kerja yang aktif.",
      en: "An employment hasn't ended yet."),
    ProblemText(
      "self_employment_still_active", 422,
      id: "Peserta masih membayar sendiri iuran JHT. Aturan ini belum diperiksa terhadap naskah peraturannya.",
      en: "The member still pays for themselves, JHT included. This rule wasn't verified against the law's text."),
    ProblemText(
      "no_self_employment_ended", 422, id: "Tidak ada pekerjaan mandiri dengan JHT yang sudah berakhir.",
      en: "No self-employment with JHT has ended."),
    ProblemText("age_not_reached", 422, id: "Usia yang disyaratkan belum tercapai.", en: "The age isn't reached yet."),
    ProblemText(
      "employment_end_reason_differs", 422, id: "Hubungan kerja terakhir berakhir dengan alasan lain.",
      en: "The last employment ended for another reason."),
    ProblemText(
      "waiting_time_not_over", 422, id: "Masa tunggu belum berakhir.", en: "The waiting time isn't over."),
    ProblemText("no_balance", 422, id: "Tidak ada saldo.", en: "There is no balance."),
    ProblemText(
      "document_missing", 422, id: "Dokumen {document_kind} belum dilampirkan.",
      en: "The document {document_kind} is missing."),
    ProblemText("unknown_document", 422, id: "Dokumen tidak ditemukan.", en: "No such document of yours."),
    ProblemText(
      "unknown_requirement", 422, id: "Persyaratan ini bukan milik klaim tersebut.",
      en: "The claim doesn't have that requirement."),
    ProblemText(
      "own_approval", 403, id: "Pembayaran dilakukan oleh petugas lain daripada yang menyetujui.",
      en: "Another officer than the one who approved it pays a claim."),
    ProblemText(
      "own_decision", 403, id: "Keputusan disetujui oleh petugas lain daripada yang memutuskan.",
      en: "A decision is approved by another officer than the one who made it."),
    ProblemText(
      "payouts_frozen", 409, id: "Pembayaran dibekukan: peserta melaporkan penyalahgunaan akunnya.",
      en: "Payouts are frozen: the member has reported unauthorised use of the account."),
    ProblemText(
      "own_claim", 403, id: "Petugas tidak boleh menangani klaimnya sendiri.",
      en: "An officer can't handle a claim of their own."),
    ProblemText(
      "claim_not_assigned_to_you", 409, id: "Klaim ditugaskan kepada petugas lain.",
      en: "The claim is assigned to somebody else."),
    ProblemText(
      "tax_not_computable", 422, id: "Pajak pembayaran lanjutan belum dapat dihitung.",
      en: "The tax of a later part payment can't be computed yet."),
    ProblemText(
      "balance_changed", 409, id: "Saldo berubah sejak keputusan dibuat.",
      en: "The balance has changed since the decision."),
    ProblemText(
      "payment_reference_used", 422, id: "Referensi pembayaran sudah dipakai.",
      en: "The payment reference was used before."),
  ]
}
