enum ClientProblems {
  static let all: [ProblemText] = [
    ProblemText(
      "too_many_secrets", 409, id: "Klien ini sudah memiliki dua rahasia; cabut salah satunya dahulu.",
      en: "This client has two secrets already; revoke one of them first."),
    ProblemText(
      "client_without_secrets", 409, id: "Aplikasi tidak memiliki rahasia.", en: "An application has no secrets."),
    ProblemText(
      "field_not_yours", 403, id: "Isian ini hanya boleh diisi oleh petugas.", en: "Only officers give this field."),
    ProblemText(
      "not_for_this_kind", 422, id: "Isian ini tidak sesuai dengan jenis klien.",
      en: "This field doesn't fit the kind of client."),
    ProblemText(
      "unknown_employer", 422, id: "Pemberi kerja ini tidak terdaftar.", en: "No employer is registered by this id."),
    ProblemText(
      "expiry_out_of_range", 422, id: "Harus di masa depan; rahasia berlaku paling lama 365 hari.",
      en: "Must lie ahead; a secret lives 365 days at the most."),
  ]

  /// What a client's row refuses.
  static let constraints: [String: Failure] = [
    "client_names_its_employer": .refused("not_for_this_kind", pointer: "/employer_id"),
    "client_employer_id_fkey": .refused("unknown_employer", pointer: "/employer_id"),
    "client_scopes_fit_its_kind": .refused("not_for_this_kind", pointer: "/scopes"),
    "client_has_scopes": .refused("not_for_this_kind", pointer: "/scopes"),
    "client_networks_fit_its_kind": .refused("not_for_this_kind", pointer: "/allowed_networks"),
    "client_origins_fit_its_kind": .refused("not_for_this_kind", pointer: "/allowed_origins"),
    "client_expiry_fits_its_kind": .refused("not_for_this_kind", pointer: "/expires_at"),
  ]
}
