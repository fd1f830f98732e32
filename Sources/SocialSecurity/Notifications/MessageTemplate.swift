/// The text of a message in one language. `{name}` stands for a parameter.
struct MessageTemplate: Sendable {
  let subject: String
  let text: String
  /// What an SMS says instead.
  var short: String? = nil

  /// The template of that name; a bare notice when there is none, so that a message is never lost.
  static func of(_ name: String, in language: Language) -> MessageTemplate {
    guard let pair = all[name] else {
      return MessageTemplate(subject: "SMILE", text: "\(name)\n")
    }
    return language == .id ? pair.id : pair.en
  }

  static let all = persons.merging(employers) { known, _ in known }

  private static let persons: [String: (id: MessageTemplate, en: MessageTemplate)] = [
    "registration_confirmation": (
      MessageTemplate(
        subject: "Konfirmasi pendaftaran akun",
        text: """
          Yth. {full_name},

          konfirmasikan akun Anda dengan kode ini dalam 24 jam:

          {token}

          Jika Anda tidak mendaftar, abaikan pesan ini.

          """),
      MessageTemplate(
        subject: "Confirm your account",
        text: """
          Dear {full_name},

          confirm your account with this code within 24 hours:

          {token}

          If you didn't register, ignore this message.

          """)
    ),
    "registration_mismatch": (
      MessageTemplate(
        subject: "Pendaftaran tidak dapat diproses",
        text: """
          Data pendaftaran yang diberikan dengan alamat ini tidak cocok dengan data peserta kami.
          Periksa nomor peserta, NIK, nama, dan tanggal lahir, lalu coba lagi.

          """),
      MessageTemplate(
        subject: "Your registration couldn't be processed",
        text: """
          The data given with this address don't match a member's record.
          Check membership number, NIK, name and birth date, then try again.

          """)
    ),
    "log_in_code": (
      MessageTemplate(
        subject: "Kode masuk",
        text: """
          Yth. {full_name},

          kode masuk Anda: {token}

          Kode ini berlaku 10 menit dan satu kali. Jangan berikan kepada siapa pun, juga bukan kepada petugas kami.
          Jika Anda tidak sedang masuk, orang lain mengetahui kata sandi Anda: segera gantilah.

          """,
        short: "SMILE: kode masuk Anda {token}, berlaku 10 menit. Jangan berikan kepada siapa pun.\n"),
      MessageTemplate(
        subject: "Your log-in code",
        text: """
          Dear {full_name},

          your log-in code: {token}

          It is good for 10 minutes and once. Give it to nobody, not even to us.
          If you aren't logging in, somebody knows your password: change it at once.

          """,
        short: "SMILE: your log-in code is {token}, for 10 minutes. Give it to nobody.\n")
    ),
    "contact_code": (
      MessageTemplate(
        subject: "Konfirmasi alamat baru",
        text: """
          Yth. {full_name},

          konfirmasikan alamat baru Anda dengan kode ini: {token}

          Kode ini berlaku 10 menit dan satu kali. Jika Anda tidak memintanya, abaikan pesan ini.

          """,
        short: "SMILE: kode konfirmasi nomor Anda {token}, berlaku 10 menit.\n"),
      MessageTemplate(
        subject: "Confirm your new address",
        text: """
          Dear {full_name},

          confirm your new address with this code: {token}

          It is good for 10 minutes and once. If you didn't ask for it, ignore this message.

          """,
        short: "SMILE: the code that confirms your number is {token}, for 10 minutes.\n")
    ),
    "contact_in_use": (
      MessageTemplate(
        subject: "Alamat ini sudah dipakai",
        text: """
          Yth. {full_name},

          seseorang ingin memakai alamat surel Anda untuk akunnya. Akun Anda tidak berubah, dan akun itu tidak
          mendapat alamat Anda. Jika itu Anda sendiri, pakailah alamat lain untuk akun yang kedua.

          """),
      MessageTemplate(
        subject: "This address is in use",
        text: """
          Dear {full_name},

          somebody wanted your e-mail address for their account. Your account is as it was, and theirs doesn't get your
          address. If it was you, take another address for the second account.

          """)
    ),
    "contact_notice": (
      MessageTemplate(
        subject: "Nomor telepon diubah",
        text: "SMILE: nomor telepon akun Anda diubah. Jika bukan Anda, segera hubungi kami.\n"),
      MessageTemplate(
        subject: "Phone number changed",
        text: "SMILE: the phone number of your account was changed. If it wasn't you, tell us at once.\n")
    ),
    "account_exists": (
      MessageTemplate(
        subject: "Anda sudah memiliki akun",
        text: """
          Yth. {full_name},

          seseorang mencoba mendaftar dengan data Anda, tetapi akun Anda sudah ada. Masuklah dengan akun itu.
          Jika bukan Anda yang mencoba, laporkan kepada kami.

          """),
      MessageTemplate(
        subject: "You have an account already",
        text: """
          Dear {full_name},

          somebody tried to register with your data, but you have an account. Log in with that one.
          If it wasn't you, tell us.

          """)
    ),
    "grant_confirmation": (
      MessageTemplate(
        subject: "Konfirmasi peran baru untuk akun Anda",
        text: """
          Yth. {full_name},

          akun Anda akan mendapat peran baru (kepesertaan atau perusahaan). Konfirmasikan dengan kode ini dalam 24 jam:

          {token}

          Kata sandi dan nama pengguna akun Anda tetap yang sekarang; yang diisi saat mendaftar tidak dipakai.
          Jika Anda tidak mendaftar, abaikan pesan ini.

          """),
      MessageTemplate(
        subject: "Confirm a new role for your account",
        text: """
          Dear {full_name},

          your account is about to get another role (a membership or a firm). Confirm it with this code within 24 hours:

          {token}

          Your account keeps its password and username; those given at the registration aren't used.
          If you didn't register, ignore this message.

          """)
    ),
    "address_in_use": (
      MessageTemplate(
        subject: "Alamat ini sudah dipakai",
        text: """
          Yth. {full_name},

          seseorang mendaftarkan peserta lain dengan alamat surel Anda. Satu akun hanya untuk satu peserta:
          daftarkan peserta itu dengan alamat surelnya sendiri.
          Jika Anda tidak mengetahuinya, abaikan pesan ini.

          """),
      MessageTemplate(
        subject: "This address is in use",
        text: """
          Dear {full_name},

          somebody registered another member with your e-mail address. An account is for one member only:
          register that member with an address of their own.
          If you know nothing of it, ignore this message.

          """)
    ),
    "password_reset": (
      MessageTemplate(
        subject: "Atur ulang kata sandi",
        text: """
          Yth. {full_name},

          atur ulang kata sandi Anda dengan kode ini dalam 15 menit:

          {token}

          Hanya kode terbaru yang berlaku. Jika Anda tidak memintanya, abaikan pesan ini: kata sandi Anda tidak berubah.

          """),
      MessageTemplate(
        subject: "Reset your password",
        text: """
          Dear {full_name},

          reset your password with this code within 15 minutes:

          {token}

          Only the newest code works. If you didn't ask for it, ignore this message: your password hasn't changed.

          """)
    ),
    "officer_invitation": (
      MessageTemplate(
        subject: "Akun petugas Anda",
        text: """
          Yth. {full_name},

          akun petugas telah dibuat untuk Anda. Tetapkan kata sandi Anda dengan kode ini dalam 24 jam:

          {token}

          Setelah itu, mintalah kode baru lewat pengaturan ulang kata sandi.

          """),
      MessageTemplate(
        subject: "Your officer's account",
        text: """
          Dear {full_name},

          an officer's account was made for you. Set your password with this code within 24 hours:

          {token}

          After that, ask for a new code by resetting the password.

          """)
    ),
    "compromise_to_review": (
      MessageTemplate(
        subject: "Laporan penyalahgunaan akun",
        text: "Laporan {report_id} menunggu. Pembayaran dibekukan sampai laporan itu ditutup.\n"),
      MessageTemplate(
        subject: "Unauthorised use reported",
        text: "Report {report_id} is waiting. Payouts are frozen until it is closed.\n")
    ),
    "security_notice": (
      MessageTemplate(
        subject: "Keamanan akun Anda",
        text: """
          Yth. {full_name},

          pada akun Anda terjadi: {event}.
          Waktu: {at}
          Alamat jaringan: {address}

          Jika bukan Anda yang melakukannya, laporkan penyalahgunaan dari pengaturan keamanan akun,
          atau atur ulang kata sandi dan hubungi kami.

          """),
      MessageTemplate(
        subject: "The security of your account",
        text: """
          Dear {full_name},

          on your account: {event}.
          Time: {at}
          Network address: {address}

          If it wasn't you, report unauthorised use from your account's security settings,
          or reset your password and tell us.

          """)
    ),
    "claim_submitted": (
      MessageTemplate(subject: "Klaim diterima", text: "Klaim {claim_id} telah kami terima.\n"),
      MessageTemplate(subject: "Claim received", text: "We have received your claim {claim_id}.\n")
    ),
    "claim_approved": (
      MessageTemplate(subject: "Klaim disetujui", text: "Klaim {claim_id} telah disetujui.\n"),
      MessageTemplate(subject: "Claim approved", text: "Your claim {claim_id} is approved.\n")
    ),
    "claim_rejected": (
      MessageTemplate(
        subject: "Klaim ditolak", text: "Klaim {claim_id} ditolak. Alasannya tercantum pada klaim tersebut.\n"),
      MessageTemplate(
        subject: "Claim rejected", text: "Your claim {claim_id} is rejected. The claim itself says why.\n")
    ),
    "claim_paid": (
      MessageTemplate(subject: "Klaim dibayar", text: "Manfaat klaim {claim_id} telah dibayarkan.\n"),
      MessageTemplate(subject: "Claim paid", text: "The benefit of your claim {claim_id} is paid.\n")
    ),
  ]
}
