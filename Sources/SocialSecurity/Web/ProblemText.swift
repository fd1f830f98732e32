/// A problem's text in both languages. Codes are part of the contract: one is never reused for another meaning.
package struct ProblemText: Sendable {
  package let code: String
  package let status: Int
  package let id: String
  package let en: String

  package init(_ code: String, _ status: Int, id: String, en: String) {
    self.code = code
    self.status = status
    self.id = id
    self.en = en
  }

  package func text(in language: Language) -> String { language == .id ? id : en }
}

/// Texts of all problems, those of the web layer and of each feature.
package struct ProblemCatalogue: Sendable {
  private let texts: [String: ProblemText]
  /// In the order of declaration.
  package let all: [ProblemText]

  package init(_ lists: [[ProblemText]]) {
    all = lists.flatMap { $0 }
    texts = Dictionary(all.map { ($0.code, $0) }, uniquingKeysWith: { first, _ in first })
  }

  package subscript(_ code: String) -> ProblemText? { texts[code] }

  /// Codes that stand twice: a mistake that stops the server at its start.
  var duplicates: [String] {
    Dictionary(grouping: all, by: \.code).filter { $0.value.count > 1 }.keys.sorted()
  }
}

/// Problems of the web layer itself.
enum WebProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "invalid_request", 400, id: "Permintaan tidak sesuai kontrak; lihat errors.",
      en: "The request doesn't match the contract; see errors."),
    ProblemText(
      "malformed_request", 400, id: "Pesan HTTP tidak dapat dibaca.", en: "The HTTP message can't be read."),
    ProblemText(
      "invalid_json", 400, id: "Isi permintaan bukan JSON yang sah.", en: "The body isn't valid JSON."),
    ProblemText(
      "idempotency_key_required", 400, id: "Header Idempotency-Key wajib di sini.",
      en: "An Idempotency-Key header is required here."),
    ProblemText(
      "idempotency_key_refused", 400, id: "Header Idempotency-Key tidak diterima di sini.",
      en: "An Idempotency-Key header isn't accepted here."),
    ProblemText(
      "invalid_token", 401, id: "Token tidak ada, tidak sah, atau sudah berakhir.",
      en: "The token is missing, invalid or expired."),
    ProblemText(
      "wrong_role", 403, id: "Sesi ini bertindak dalam peran lain.", en: "This session acts in another role."),
    ProblemText(
      "insufficient_scope", 403, id: "Izin untuk tindakan ini tidak diberikan.",
      en: "The permission for this action wasn't granted."),
    ProblemText(
      "address_not_allowed", 403, id: "Token ini tidak boleh dipakai dari alamat jaringan ini.",
      en: "This token may not be used from this network address."),
    ProblemText(
      "step_up_required", 401, id: "Tindakan ini memerlukan bukti identitas yang tidak lebih lama dari lima menit.",
      en: "This action needs a proof of identity no older than five minutes."),
    ProblemText("not_found", 404, id: "Tidak ditemukan.", en: "Not found."),
    ProblemText(
      "method_not_allowed", 405, id: "Metode ini tidak ada pada alamat ini.",
      en: "This path doesn't have that method."),
    ProblemText(
      "not_acceptable", 406, id: "Bentuk yang diminta tidak tersedia.", en: "The form asked for isn't available."),
    ProblemText(
      "request_timeout", 408, id: "Permintaan tidak selesai pada waktunya.",
      en: "The request took too long to arrive."),
    ProblemText(
      "conflict", 409, id: "Bertentangan dengan keadaan sekarang.", en: "In conflict with the present state."),
    ProblemText(
      "idempotency_in_flight", 409, id: "Permintaan dengan kunci yang sama sedang diproses.",
      en: "A request with the same key is being processed."),
    ProblemText(
      "etag_mismatch", 412, id: "Data telah berubah sejak dibaca.", en: "The resource has changed since it was read."),
    ProblemText(
      "payload_too_large", 413, id: "Isi permintaan terlalu besar.", en: "The body is too large."),
    ProblemText("uri_too_long", 414, id: "Alamat terlalu panjang.", en: "The request target is too long."),
    ProblemText(
      "unsupported_media_type", 415, id: "Jenis isi tidak diterima di sini.",
      en: "The body's media type or encoding isn't accepted here."),
    ProblemText("expectation_failed", 417, id: "Harapan tidak dapat dipenuhi.", en: "The expectation can't be met."),
    ProblemText(
      "misdirected_request", 421, id: "Nama host ini bukan milik layanan ini.",
      en: "This host name isn't served here."),
    ProblemText(
      "idempotency_key_reused", 422, id: "Kunci ini sudah dipakai untuk permintaan lain.",
      en: "The key was used for another request."),
    ProblemText(
      "if_match_required", 428, id: "Header If-Match wajib di sini.", en: "An If-Match header is required here."),
    ProblemText(
      "rate_limited", 429, id: "Terlalu banyak permintaan; coba lagi nanti.",
      en: "Too many requests; try again later."),
    ProblemText(
      "headers_too_large", 431, id: "Header permintaan terlalu besar.", en: "The request's headers are too large."),
    ProblemText("internal_error", 500, id: "Kesalahan pada pihak kami.", en: "A mistake on our side."),
    ProblemText("not_implemented", 501, id: "Tidak didukung.", en: "Not supported."),
    ProblemText(
      "unavailable", 503, id: "Layanan sedang tidak tersedia; coba lagi.",
      en: "The service is unavailable for the moment; try again."),
    ProblemText(
      "busy", 503, id: "Layanan sedang sibuk; coba lagi.", en: "The service is busy; try again."),
    ProblemText(
      "outcome_unknown", 503,
      id: "Hasil belum diketahui; ulangi dengan Idempotency-Key yang sama.",
      en: "The outcome isn't known; repeat with the same Idempotency-Key."),
    ProblemText("timeout", 503, id: "Permintaan memakan waktu terlalu lama.", en: "The request took too long."),
    ProblemText(
      "http_version_not_supported", 505, id: "Versi HTTP tidak didukung.", en: "HTTP version not supported."),
  ]
}
