import PostgresClient

enum MemberStatements {
  static let me = Statement(
    "members.me",
    """
    SELECT b.body, smile.etag(smile.body_version(b.body)) AS etag
    FROM (
      SELECT json_strip_nulls(json_build_object(
        'id', m.id, 'full_name', m.full_name, 'birth_date', m.birth_date, 'sex', m.sex,
        'nik_last_four', m.nik_last_four, 'kpjs', m.kpjs, 'email', m.email, 'phone', m.phone, 'address', m.address,
        'segment', m.segment)) AS body
      FROM api.member AS m
      WHERE m.id = (SELECT smile.member_id())
      OFFSET 0) AS b
    """)

  static let update = Statement(
    "members.update", "SELECT status, body, etag, location FROM smile.update_own_member($1, $2, $3)",
    Bool.self, String?.self, String?.self)

  static let employments = Statement(
    "members.employments",
    """
    WITH found AS (
      SELECT e.id, e.employer_id, e.start_date, e.end_date, e.end_reason, e.wage,
        row_number() OVER (ORDER BY e.id DESC) AS place
      FROM smile.employment AS e
      WHERE e.member_id = (SELECT smile.member_id()) AND ($1 IS NULL OR e.id < $1)
      ORDER BY e.id DESC LIMIT $2 + 1)
    SELECT json_strip_nulls(json_build_object(
      'items', coalesce(json_agg(json_build_object(
        'id', f.id,
        'employer', json_build_object('id', f.employer_id, 'name', smile.employer_name(f.employer_id)),
        'start_date', f.start_date, 'end_date', f.end_date, 'end_reason', f.end_reason,
        'wage', smile.wage_on(f.id, greatest(smile.today(), f.start_date), f.wage))
        ORDER BY f.place) FILTER (WHERE f.place <= $2), '[]'),
      'next_after', CASE WHEN count(*) > $2 THEN (SELECT g.id FROM found AS g WHERE g.place = $2) END)) AS body
    FROM found AS f
    """,
    SQLUUID?.self, Int32.self)

  static let bankAccount = Statement(
    "members.bank_account",
    """
    SELECT json_strip_nulls(json_build_object('bank_code', b.bank_code, 'holder_name', b.holder_name,
        'number_last_four', b.number_last_four, 'changed_at', b.changed_at)) AS body,
      smile.etag(b.version) AS etag
    FROM api.bank_account AS b
    WHERE b.member_id = (SELECT smile.member_id())
    """)

  static let caller = Statement("members.caller", "SELECT smile.member_id()")

  static let putBankAccount = Statement(
    "members.put_bank_account", "SELECT status, body, etag, location FROM smile.put_bank_account($1, $2, $3, $4, $5)",
    String.self, String.self, [UInt8].self, String.self, String?.self)

  static let search = Statement(
    "members.search", "SELECT status, body, etag, location FROM smile.search_members($1, $2, $3, $4, $5, $6)",
    String?.self, [UInt8]?.self, String?.self, SQLDate?.self, SQLUUID?.self, Int32.self)

  static let open = Statement(
    "members.open", "SELECT status, body, etag, location FROM smile.open_member($1)", SQLUUID.self)

  static let create = Statement(
    "members.create", "SELECT status, body, etag, location FROM smile.create_member($1, $2, $3, $4, $5, $6)",
    [UInt8].self, [UInt8].self, String.self, String.self, SQLDate.self, String?.self)

  static let all: [any StatementDescription] = [
    me, update, employments, bankAccount, caller, putBankAccount, search, open, create,
  ]
}
