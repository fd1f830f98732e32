import Testing

@testable import SocialSecurity

@Suite struct AdminCommandTests {
  private func parse(_ line: String, typed: String? = nil) -> String {
    do throws(AdminCommand.Misuse) {
      let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      switch try AdminCommand(words, readLine: { typed }) {
      case .createOfficer(let email, let name, let permissions, let password):
        return "\(email.text) \(name.text) \(permissions) \(password?.text ?? "-")"
      case .createBankClient(let name): return name
      case .endSessions(let email): return email?.text ?? "everybody"
      case .removeAuthenticator(let email): return "off \(email.text)"
      case .setDisabled(let isDisabled, let email): return "\(isDisabled ? "disabled" : "enabled") \(email.text)"
      case .secondFactorPolicy(let npp, let required): return "\(npp) \(required)"
      case .importMembers(let file): return file
      case .demoData: return "demo"
      }
    } catch {
      return "! \(error.reason)"
    }
  }

  private let officer = "create-officer --email A@B.id --name Ani"

  @Test func commands() {
    #expect(parse("\(officer) --permissions a,b") == #"a@b.id Ani ["a", "b"] -"#)
    #expect(parse("\(officer) --permissions ") == "a@b.id Ani [] -")
    #expect(
      parse("\(officer) --permissions a --password-stdin", typed: "perahu kertas biru laut")
        == #"a@b.id Ani ["a"] perahu kertas biru laut"#)
    #expect(parse("create-bank-client --name Bank") == "Bank")
    #expect(parse("end-sessions --email A@B.id") == "a@b.id")
    #expect(parse("end-sessions --everybody") == "everybody")
    #expect(parse("disable-account --email A@B.id") == "disabled a@b.id")
    #expect(parse("enable-account --email A@B.id") == "enabled a@b.id")
    #expect(parse("remove-authenticator --email A@B.id") == "off a@b.id")
    #expect(parse("second-factor-policy --npp 10000001 --required") == "10000001 true")
    #expect(parse("second-factor-policy --npp 10000001 --optional") == "10000001 false")
    #expect(parse("demo-data") == "demo")
  }

  @Test func misuse() {
    #expect(parse("") == "! no such command")
    #expect(parse("fly") == "! no such command")
    #expect(parse(officer) == "! --permissions is missing")
    #expect(parse("create-officer --email x --name Ani --permissions a") == "! --email: invalid_email")
    #expect(parse("\(officer) --permissions a --password-stdin", typed: "x") == "! the password: password_too_short")
    #expect(parse("\(officer) --permissions a --password-stdin") == "! the password: password_too_short")
    #expect(parse("create-bank-client --name") == "! --name?")
    #expect(parse("create-bank-client --name A --name B") == "! --name?")
    #expect(parse("end-sessions") == "! --email is missing")
    #expect(parse("end-sessions --everybody --email A@B.id") == "! --email has no meaning here")
    #expect(parse("second-factor-policy --npp 1") == "! --required or --optional?")
    #expect(parse("second-factor-policy --npp 1 --required --optional") == "! --optional has no meaning here")
    #expect(parse("demo-data --name A") == "! --name has no meaning here")
    #expect(parse("demo-data now") == "! now?")
  }
}
