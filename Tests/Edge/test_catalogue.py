"""What the database itself promises, read from its catalogue: row-level security, definer functions, grants."""
import psycopg
import pytest

# What smile_api may read without being anybody: law, calendars, lists of words.
PUBLIC = {"claim_paper", "claim_reason", "claim_state", "claim_transition", "claim_type", "clock", "deployment",
          "document_kind", "holiday", "income_band", "ledger_account", "legal_parameter", "officer_permission", "rule",
          "rule_example"}

# COPY refuses row-level security: the server may only put lines in here, and a definer function takes them out.
STAGING = {"return_staging"}

# Nothing of these is ever changed or removed by the server: corrections are new rows.
APPEND_ONLY = {"audit_log", "ledger_transaction", "posting", "security_event", "claim_event", "claim_decision",
               "claim_approval", "claim_payment", "contribution", "payment", "payment_reversal",
               "payment_exception", "settlement", "signed_message", "payment_statement", "payment_statement_row",
               "late_fine", "jht_advance"}

# Where smile_auth sees every row: identity, and what registration, log-in and the officers' search compare.
IDENTITY = {"account", "account_grant", "employer_invitation", "mail_token", "security_event", "security_event_kind",
            "log_in_throttle", "known_device", "totp", "recovery_code", "mfa_challenge", "client", "client_secret",
            "session", "access_token", "refresh_token", "member", "member_number", "national_id", "employer", "clock",
            "legal_parameter", "audit_log", "outbox", "compromise_report", "contact_change",
            "officer_permission"}

# Every function that sees more than its caller, by its owner, with what keeps it from telling.
DEFINERS = {
    "smile_auth": {
        "accept_invitation": "wants the mailed token",
        "approve_client_secret": "another officer with manage_clients than who made it",
        "approve_officer": "another officer with manage_officers than who requested it",
        "authenticate": "finds a token by its digest",
        "begin_contact_confirmation": "the caller's own; counts the try",
        "begin_invitation": "wants the mailed token",
        "begin_log_in": "counts the try; gives the hash to the server alone",
        "begin_password_change": "counts the try; gives the caller's own hash to the server alone",
        "begin_password_reset": "wants the mailed token",
        "begin_second_factor": "counts the try; gives the sealed secret to the server alone",
        "begin_step_up": "the caller's own; counts the try",
        "change_password": "the server has verified the caller's password",
        "close_compromise_report": "wants an officer who verifies members",
        "confirm_contact_change": "the caller's own; wants the code that was sent",
        "confirm_totp": "the caller's own",
        "confirm_registration": "wants the mailed token",
        "client_origins": "origins are no secret",
        "client_quotas": "ids and numbers",
        "create_client": "wants the employer's administrator or an officer who manages clients",
        "create_client_secret": "wants who manages the client",
        "create_employer_account": "wants an officer who manages employers",
        "create_officer_by_invitation": "wants an officer who manages officers",
        "end_other_sessions": "the caller's own",
        "end_session": "the caller's own",
        "finish_log_in": "wants the challenge's digest and a code",
        "front_end_of": "wants a token's digest",
        "get_client": "wants who manages the client",
        "invite_employer_user": "wants the employer's administrator, or an officer where none can act",
        "introspect_token": "wants the secret's digest; of the client's own tokens",
        "issue_client_token": "wants the secret's digest",
        "list_clients": "the caller's employer's; all for an officer who manages clients",
        "get_employer_user": "the caller's employer's; all for an officer who manages employers",
        "get_officer": "wants an officer who manages officers",
        "list_compromise_reports": "wants an officer who verifies members",
        "list_employer_users": "the caller's employer's; all for an officer who manages employers",
        "list_officers": "wants an officer who manages officers",
        "list_security_events": "the caller's own",
        "list_sessions": "the caller's own",
        "note_security": "the caller's own account",
        "note_security_event": "not the server's to call",
        "open_compromise_report": "wants an officer who verifies members; leaves a trace",
        "open_session": "the server has verified the password",
        "own_compromise_report": "the caller's own",
        "own_contact_change": "the caller's own",
        "start_contact_change": "the caller's own; whether the address is another's stays untold",
        "own_account": "the caller's own",
        "purge_identity": "smile_jobs alone; deletes what is dead",
        "refresh_session": "wants the refresh token's digest",
        "report_compromise": "the caller's own account",
        "request_password_reset": "answers nothing",
        "reset_password": "wants the mailed token",
        "register_member": "compares four facts; answers nothing",
        "resend_confirmation": "answers nothing",
        "remove_employer_user": "wants the employer's administrator",
        "remove_totp": "the caller's own",
        "replace_recovery_codes": "the caller's own",
        "resend_code": "answers nothing",
        "revoke_client": "wants who manages the client",
        "revoke_client_secret": "wants who manages the client",
        "revoke_token": "wants the token's digest and the secret's; a front end has none",
        "search_members": "wants an officer who reads members; leaves a trace",
        "start_totp": "the caller's own",
        "step_up": "the caller's own; the server has verified password or code",
        "switch_grant": "the caller's own grants",
        "update_client": "wants who manages the client",
        "update_employer_user": "wants the employer's administrator, or an officer where none can act",
        "update_officer": "wants an officer who manages officers",
        "waiting_totp": "the caller's own; counts the try",
    },
    "smile_owner": {
        "tell_officers_of_reports": "smile_jobs alone; a number",
        "unpost_reductions": "a trigger; of a billing that is open again",
        "answer_worker_report": "the caller's employer's, none that is confidential",
        "approve_employer_registration": "wants an officer who manages employers",
        "approve_income_band": "wants an officer who manages parameters",
        "bill_self_employed": "the caller's own",
        "book": "not the server's to call",
        "cover_overdrawn": "a trigger; answers nothing",
        "decide_payment_exception": "wants an officer who manages billing",
        "charge_begun_months": "smile_jobs alone",
        "drop_statement": "a trigger; of a job that failed",
        "run_statement_job": "smile_jobs alone; as the bank that sent it",
        "take_statement": "wants a bank's client",
        "book_claim_payment": "compares the claim with the caller",
        "change_self_employment": "the caller's own",
        "change_workers": "the caller's employer's",
        "claim_arrears": "the caller's own; all for an officer who handles claims",
        "claim_blockers": "codes only",
        "claim_message": "the caller's own",
        "create_member": "wants an officer who verifies members",
        "create_signing_key": "wants an officer who manages clients",
        "own_signing_keys": "the caller's own, sealed",
        "revoke_signing_key": "wants an officer who manages clients",
        "signing_keys_body": "not the server's to call",
        "claimant": "wants an officer who handles claims; of a submitted claim",
        "compute_jht_claim": "compares the claim with the caller",
        "count_document": "the caller's own",
        "decide_worker_report": "wants an officer who manages employers",
        "discard_return": "the caller's employer's",
        "dispute_wage": "the caller's own employment",
        "employer_name": "a name is no secret",
        "choose_programme": "wants the employer's administrator or an officer who manages employers",
        "employer_statement": "the caller's employer's; all for an officer who manages billing",
        "end_employment": "the caller's employer's",
        "enrol_self_employed": "the caller's own",
        "expire_old_rows": "smile_jobs alone; deletes what is dead",
        "finalise_return": "the caller's employer's",
        "grant_relief": "wants an officer who manages employers",
        "hire_worker": "the caller's employer's",
        "identify_member": "not the server's to call",
        "issue_certificate": "the caller's employer's",
        "is_own_claim": "yes or no",
        "ledger_sum": "a sum",
        "list_annual_totals": "the caller's employer's",
        "list_discrepancies": "the caller's employer's; all for an officer who manages employers, with a trace",
        "list_employer_arrears": "wants an officer who manages billing",
        "list_obligations": "the caller's employer's; all for an officer who manages billing",
        "load_lines": "the caller's employer's",
        "month_lines": "the caller's employer's; all for an officer who manages billing",
        "make_partitions": "makes empty tables",
        "notify_member": "answers nothing",
        "propose_income_band": "wants an officer who manages parameters",
        "open_protection": "wants an officer who reads members, and a purpose; leaves a trace",
        "open_registration": "wants the token mailed to the contact",
        "own_protection": "the caller's own",
        "record_payment": "wants a bank's client",
        "report_leave": "the caller's own employment",
        "resolve_payment_exception": "wants an officer who manages billing",
        "reverse_payment": "the caller's own payments",
        "refuse_frozen_bank_account": "a trigger; says whether, to whom it belongs",
        "refuse_frozen_payout": "a trigger; says whether, to who pays",
        "register_employer": "writes one waiting row",
        "reject_employer_registration": "wants an officer who manages employers",
        "release_return": "a trigger; of a job that failed",
        "run_return_job": "smile_jobs alone; as whoever ordered it",
        "sandbox_outbox": "wants a database declared dev or sandbox",
        "self_employment_state": "the caller's own; all for an officer",
        "set_risk_class": "wants an officer who manages employers",
        "set_clock": "wants a database declared dev or sandbox",
        "summarise_months": "the caller's employer's; all for an officer who manages billing",
        "update_employer": "wants the employer's administrator or an officer who manages employers",
        "update_worker": "the caller's employer's",
        "verify_certificate": "wants the certificate's code",
        "verify_members": "yes or no, with a quota; leaves a trace",
        "withdraw_relief": "wants an officer who manages employers",
        "withdraw_self_employed_billing": "the caller's own",
        "worker_body": "compares the caller's employer",
    },
}


@pytest.fixture(scope="module")
def catalogue(cluster, migrated):
    def rows(sql):
        with cluster.connect(migrated) as connection:   # closed at once: the database is a template
            return connection.execute(sql).fetchall()
    return rows


TABLES = """
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'smile' AND c.relkind IN ('r', 'p')"""


def partitions_aside(name):
    """audit_log_2026_11 is audit_log."""
    return name.rstrip("0123456789_").removesuffix("_default")


def test_every_table_has_row_level_security_forced_and_a_policy(catalogue):
    open_ones = catalogue(f"""
        SELECT c.relname {TABLES} AND NOT (c.relrowsecurity AND c.relforcerowsecurity
          AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid))""")
    assert {name for (name,) in open_ones} == STAGING
    granted = catalogue(f"""
        SELECT c.relname, a.privilege_type FROM (SELECT c.relname, c.relacl {TABLES}) AS c, aclexplode(c.relacl) AS a
        WHERE a.grantee IN ('smile_api'::regrole, 'smile_jobs'::regrole)""")
    assert {what for name, what in granted if name in STAGING} == {"INSERT"}
    assert len(catalogue(f"SELECT c.relname {TABLES}")) > 30


def test_everything_belongs_to_the_owner(catalogue):
    """Tables, views and sequences to smile_owner; functions to it or to smile_auth; nothing to who serves."""
    assert catalogue("""
        SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('smile', 'api') AND c.relowner <> 'smile_owner'::regrole AND c.relkind <> 'i'""") == []
    assert catalogue("""
        SELECT p.proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('smile', 'api')
          AND p.proowner NOT IN ('smile_owner'::regrole, 'smile_auth'::regrole)""") == []


def test_the_roles_are_what_they_should_be(catalogue):
    rows = catalogue("""
        SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolinherit
        FROM pg_roles WHERE rolname LIKE 'smile%' ORDER BY rolname""")
    assert rows == [
        ("smile_api", False, False, False, False, True, False),
        ("smile_auth", False, False, False, False, False, False),
        ("smile_backup", False, True, False, False, True, False),
        ("smile_jobs", False, False, False, False, True, False),
        ("smile_owner", False, False, False, False, False, False)]
    assert catalogue("""
        SELECT r.rolname, m.rolname FROM pg_auth_members AS a
        JOIN pg_roles AS r ON r.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
        WHERE m.rolname LIKE 'smile%'""") == [("smile_auth", "smile_owner")]


def test_nothing_is_granted_to_everybody(catalogue):
    assert catalogue("""
        SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a
        WHERE n.nspname IN ('smile', 'api') AND a.grantee = 0""") == []
    assert catalogue("""
        SELECT p.proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        LEFT JOIN LATERAL aclexplode(p.proacl) AS a ON true
        WHERE n.nspname IN ('smile', 'api') AND (p.proacl IS NULL OR a.grantee = 0)""") == []
    assert catalogue("""
        SELECT n.nspname FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
        WHERE n.nspname IN ('smile', 'api', 'public') AND a.grantee = 0""") == []


def test_the_ledger_and_the_audit_log_only_grow(catalogue):
    changing = catalogue(f"""
        SELECT c.relname, a.privilege_type
        FROM (SELECT c.relname, c.relacl {TABLES}) AS c, aclexplode(c.relacl) AS a
        WHERE a.grantee IN ('smile_api'::regrole, 'smile_auth'::regrole)
          AND a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')""")
    assert {(name, what) for name, what in changing if partitions_aside(name) in APPEND_ONLY} == set()
    assert not any(what == "TRUNCATE" for _, what in changing)
    known = {partitions_aside(name) for (name,) in catalogue(f"SELECT c.relname {TABLES}")}
    assert APPEND_ONLY | PUBLIC | IDENTITY <= known


def test_every_definer_function_is_known_and_has_a_fixed_path(catalogue):
    rows = catalogue("""
        SELECT r.rolname, p.proname, p.proconfig
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_roles AS r ON r.oid = p.proowner
        WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prosecdef""")
    found = {owner: {name for role, name, _ in rows if role == owner} for owner, _, _ in rows}
    assert found == {owner: set(names) for owner, names in DEFINERS.items()}
    loose = {name for _, name, settings in rows if settings != ["search_path=pg_catalog, smile, pg_temp"]}
    assert loose == set()


def test_the_server_runs_nothing_that_a_superuser_owns(catalogue):
    """Except what the extensions bring, which are no definer functions."""
    assert catalogue("""
        SELECT p.proname FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner
        JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE r.rolsuper AND p.prosecdef AND has_function_privilege('smile_api', p.oid, 'EXECUTE')""") == []


def test_views_see_what_their_caller_sees(catalogue):
    assert catalogue("""
        SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('smile', 'api') AND c.relkind IN ('v', 'm')
          AND NOT coalesce(c.reloptions @> '{security_invoker=true}' OR c.reloptions @> '{security_invoker=on}',
            false)""") == []


def test_who_sees_every_row_is_known(catalogue):
    """An unconditional policy of the server's is one for public lists or an insert; of smile_auth's, for identity."""
    rows = catalogue("""
        SELECT c.relname, p.polcmd::text, r.rolname
        FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
        JOIN pg_roles AS r ON r.oid = ANY (p.polroles)
        WHERE pg_get_expr(p.polqual, p.polrelid) = 'true'
          OR (p.polqual IS NULL AND pg_get_expr(p.polwithcheck, p.polrelid) = 'true')""")
    assert {name for name, _, role in rows if role == "smile_api"} == PUBLIC | {"audit_log", "outbox"}
    assert {command for name, command, role in rows if role == "smile_api" and name in ("audit_log", "outbox")} == {"a"}
    assert {command for name, command, role in rows if role == "smile_api" and name in PUBLIC} == {"r"}
    assert {name for name, _, role in rows if role == "smile_auth"} <= IDENTITY
    everyone = catalogue("SELECT polname FROM pg_policy WHERE 0 = ANY (polroles)")
    assert everyone == []


def readable(connection):
    return [name for (name,) in connection.execute(f"""
        SELECT c.relname {TABLES} AND has_any_column_privilege('smile_api', c.oid, 'SELECT')
        ORDER BY c.relname""").fetchall()]


def columns(connection, table):
    return ", ".join(f'"{name}"' for (name,) in connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND has_column_privilege('smile_api', attrelid, attnum, 'SELECT')", [f"smile.{table}"]).fetchall())


@pytest.fixture
def as_server(cluster, server):
    """A connection as the server has them."""
    with psycopg.connect(cluster.url(server.database, "smile_api")) as connection:
        yield connection


def test_without_a_caller_every_table_is_empty(as_server, db, actors):
    member = actors.member()
    assert db.execute("SELECT count(*) FROM smile.member WHERE id = %s", [member["member_id"]]).fetchone() == (1,)
    seen = {}
    for table in readable(db):
        rows = as_server.execute(f"SELECT {columns(db, table)} FROM smile.{table} LIMIT 1").fetchall()
        if rows:
            seen[table] = rows
    assert set(seen) <= PUBLIC, seen


def test_the_tables_of_identity_are_closed_to_the_server(as_server, db):
    tables = ["account", "account_grant", "mail_token", "security_event", "log_in_throttle", "known_device", "totp",
              "recovery_code", "mfa_challenge", "client", "client_secret", "session", "access_token", "refresh_token"]
    assert not set(tables) & set(readable(db))
    for table in tables:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), as_server.transaction():
            as_server.execute(f"SELECT FROM smile.{table}")


def test_a_member_sees_only_what_is_the_members(as_server, db, actors):
    """Every table that names a member, read whole in one member's context."""
    one, other = actors.member(), actors.member()
    with as_server.transaction():
        as_server.execute("SELECT smile.authenticate(sha256(%s::bytea), '{member}', false, '127.0.0.1', %s, NULL)", [
            one["token"].encode(), "019a3b2c-5e8f-7c3d-9a1b-2c3d4e5f6a7b"])
        assert as_server.execute("SELECT id::text FROM smile.member").fetchall() == [(one["member_id"],)]
        for (table,) in db.execute("""
                SELECT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
                WHERE c.relnamespace = 'smile'::regnamespace AND c.relkind = 'r' AND a.attname = 'member_id'
                  AND has_column_privilege('smile_api', c.oid, a.attnum, 'SELECT')""").fetchall():
            seen = as_server.execute(
                f"SELECT DISTINCT member_id::text FROM smile.{table} WHERE member_id IS NOT NULL").fetchall()
            assert seen in ([], [(one["member_id"],)]), table
        changed = as_server.execute("UPDATE smile.member SET address = 'x' WHERE id = %s", [other["member_id"]])
        assert changed.rowcount == 0
    assert db.execute("SELECT address FROM smile.member WHERE id = %s", [other["member_id"]]).fetchone() == (None,)


def test_the_context_ends_with_its_transaction(as_server, actors):
    token = actors.member()["token"].encode()
    for _ in range(2):
        with as_server.transaction():
            as_server.execute(
                "SELECT smile.authenticate(sha256(%s::bytea), '{member}', false, '127.0.0.1', NULL, NULL)", [token])
            assert as_server.execute("SELECT count(*) FROM smile.member").fetchone() == (1,)
        with as_server.transaction():
            assert as_server.execute("SELECT smile.role(), smile.member_id()").fetchone() == ("none", None)
            assert as_server.execute("SELECT count(*) FROM smile.member").fetchone() == (0,)
