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
    "employer_administrator_appointed": (
      MessageTemplate(
        subject: "Administrator perusahaan ditunjuk",
        text: """
          Petugas menunjuk administrator layanan untuk {name}, karena tidak ada lagi administrator yang dapat bertindak.
          Jika perusahaan Anda tidak memintanya, segera hubungi kami.

          """),
      MessageTemplate(
        subject: "An administrator of your firm was appointed",
        text: """
          An officer appointed an administrator of the services for {name}, since none could act any more.
          If your firm didn't ask for it, tell us at once.

          """)
    ),
    "worker_report_to_answer": (
      MessageTemplate(
        subject: "Laporan pekerja menunggu jawaban",
        text: """
          Ada laporan pekerja perusahaan Anda yang menunggu jawaban. Bukalah daftar laporan pekerja dan jawablah paling
          lambat {answer_due}; sesudah itu petugas memutuskannya.

          """),
      MessageTemplate(
        subject: "A worker's report waits for your answer",
        text: """
          A report of one of your workers waits for your answer. Open the list of workers' reports and answer by
          {answer_due}; after that an officer decides.

          """)
    ),
    "worker_report_answered": (
      MessageTemplate(
        subject: "Laporan Anda dijawab",
        text: "Pemberi kerja menjawab laporan Anda {report_id}. Jawabannya tercantum pada laporan tersebut.\n"),
      MessageTemplate(
        subject: "Your report was answered",
        text: "The employer answered your report {report_id}. The report itself says how.\n")
    ),
    "worker_report_decided": (
      MessageTemplate(
        subject: "Laporan pekerja diputuskan",
        text: "Petugas memutuskan laporan {report_id}. Putusannya tercantum pada laporan tersebut.\n"),
      MessageTemplate(
        subject: "A worker's report was decided",
        text: "An officer decided on the report {report_id}. The report itself says how.\n")
    ),
    "worker_reports_to_decide": (
      MessageTemplate(
        subject: "Laporan pekerja menunggu putusan",
        text: "Laporan pekerja yang baru menunggu putusan petugas: {reports}.\n"),
      MessageTemplate(
        subject: "Workers' reports wait for a decision",
        text: "New reports of workers that wait for an officer's decision: {reports}.\n")
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
