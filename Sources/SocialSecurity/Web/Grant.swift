/// One way of being allowed in: a kind of caller, and for most kinds a permission, role or scope.
///
/// Access is data: the router carries it, `smile.authenticate` judges it in the database, `openapi.yaml` repeats it
/// as `x-access`, and tests compare the three.
package struct Grant: Sendable, Hashable {
  /// The form that the database, the contract and the route table share, such as `officer:review_claims`.
  package let text: String

  private init(_ text: String) { self.text = text }

  /// Any caller with a valid token, whatever it acts as.
  package static let any = Grant("any")
  /// A person acting as a member.
  package static let member = Grant("member")
  /// Any user of an employer.
  package static let employer = Grant("employer")

  /// A user of an employer with that role; an `admin` may do what `payroll` may, and that what `viewer` may.
  package static func employer(_ role: EmployerRole) -> Grant { Grant("employer:\(role.rawValue)") }

  /// Any officer, for what concerns the officer's own account.
  package static let officer = Grant("officer")

  /// An officer with that permission.
  package static func officer(_ permission: String) -> Grant { Grant("officer:\(permission)") }

  /// A machine client of an employer with that scope.
  package static func client(_ scope: String) -> Grant { Grant("client:\(scope)") }

  /// A bank's machine client with that scope.
  package static func bank(_ scope: String) -> Grant { Grant("bank:\(scope)") }
}

/// What a user of an employer may do there.
package enum EmployerRole: String, Sendable, CaseIterable {
  case admin, payroll, viewer
}
