/// What is written to employers, and to those who act for one.
extension MessageTemplate {
  static let employers: [String: (id: MessageTemplate, en: MessageTemplate)] = [
    "employer_invitation": (
      MessageTemplate(
        subject: "Undangan pengguna layanan pemberi kerja",
        text: """
          Yth. {full_name},

          {employer_name} mengundang Anda sebagai pengguna layanan pemberi kerja. Terima undangan itu dengan kode ini
          dalam 7 hari:

          {token}

          Jika alamat ini sudah memiliki akun, kata sandinya tetap; jika belum, pilihlah kata sandi Anda.
          Jika Anda tidak mengenal perusahaan ini, abaikan pesan ini.

          """),
      MessageTemplate(
        subject: "Invitation to act for an employer",
        text: """
          Dear {full_name},

          {employer_name} invites you as a user of the services for employers. Accept with this code within 7 days:

          {token}

          If this address has an account, it keeps its password; if not, you choose one.
          If you don't know this firm, ignore this message.

          """)
    ),
    "employer_registration_received": (
      MessageTemplate(
        subject: "Pendaftaran perusahaan diterima",
        text: """
          Yth. {full_name},

          pendaftaran {name} telah kami terima. Unggahlah berkasnya dalam 14 hari dengan kode ini:

          Nomor pendaftaran: {registration_id}
          {token}

          Jika Anda tidak mendaftarkan perusahaan ini, abaikan pesan ini.

          """),
      MessageTemplate(
        subject: "The registration of your firm has come in",
        text: """
          Dear {full_name},

          we have received the registration of {name}. Send its papers within 14 days with this code:

          Registration: {registration_id}
          {token}

          If you didn't register this firm, ignore this message.

          """)
    ),
    "employer_registration_rejected": (
      MessageTemplate(
        subject: "Pendaftaran perusahaan ditolak",
        text: """
          Yth. {full_name},

          pendaftaran {name} ditolak: {reason}

          Berkas yang Anda kirim telah dihapus. Anda dapat mendaftar kembali.

          """),
      MessageTemplate(
        subject: "The registration of your firm was rejected",
        text: """
          Dear {full_name},

          the registration of {name} was rejected: {reason}

          The papers that you sent are deleted. You may register again.

          """)
    ),
    "risk_class_changed": (
      MessageTemplate(
        subject: "Kelompok tingkat risiko JKK berubah",
        text: "{name}: mulai upah bulan {period} kelompok tingkat risiko JKK adalah {risk_class}.\n"),
      MessageTemplate(
        subject: "The JKK risk class changes",
        text: "{name}: from the wage month {period} on the JKK risk class is {risk_class}.\n")
    ),
    "employer_changed": (
      MessageTemplate(
        subject: "Data perusahaan diubah",
        text: "Petugas mengubah data {name}. Periksalah data perusahaan Anda; jika tidak benar, hubungi kami.\n"),
      MessageTemplate(
        subject: "The record of your firm was changed",
        text: "An officer changed the record of {name}. Look at it, and tell us if it isn't right.\n")
    ),
  ]
}
