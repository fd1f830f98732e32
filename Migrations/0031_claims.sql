-- Claims: types, reasons and papers as rows; a state machine that the database enforces; decisions and payments that
-- are only ever added.

CREATE TABLE smile.claim_type (
  code text PRIMARY KEY CHECK (code ~ '^[a-z_]{1,40}$'),
  title_id text NOT NULL,
  title_en text NOT NULL
);
INSERT INTO smile.claim_type (code, title_id, title_en) VALUES
  ('jht', 'Jaminan Hari Tua', 'Old-age savings (JHT)');

-- Why a benefit is asked for. The ages and waiting times are named here and stand in legal_parameter.
CREATE TABLE smile.claim_reason (
  claim_type text NOT NULL REFERENCES smile.claim_type,
  code text NOT NULL CHECK (code ~ '^[a-z_]{1,40}$'),
  title_id text NOT NULL,
  title_en text NOT NULL,
  instrument text NOT NULL,
  age_parameter text,
  wait_parameter text,
  -- How the last employment must have ended; null: in any way.
  employment_end_reason text,
  PRIMARY KEY (claim_type, code)
);
INSERT INTO smile.claim_reason
  (claim_type, code, title_id, title_en, instrument, age_parameter, wait_parameter, employment_end_reason) VALUES
  ('jht', 'retirement_age', 'Mencapai usia pensiun', 'Retirement age reached', 'PP 46/2015 Art 22(1)',
    'benefit.age_years', NULL, NULL),
  ('jht', 'resignation', 'Mengundurkan diri', 'Resignation', 'Permenaker 4/2022 Art 8-9',
    NULL, 'wait.resign_months', 'resignation'),
  ('jht', 'layoff', 'Pemutusan hubungan kerja', 'Layoff', 'Permenaker 4/2022',
    NULL, 'wait.layoff_months', 'layoff');

CREATE TABLE smile.claim_paper (
  claim_type text NOT NULL,
  reason text NOT NULL,
  document_kind text NOT NULL REFERENCES smile.document_kind,
  position integer NOT NULL,
  PRIMARY KEY (claim_type, reason, document_kind),
  FOREIGN KEY (claim_type, reason) REFERENCES smile.claim_reason
);
INSERT INTO smile.claim_paper (claim_type, reason, document_kind, position) VALUES
  ('jht', 'retirement_age', 'membership_card', 1),
  ('jht', 'retirement_age', 'identity_card', 2),
  ('jht', 'resignation', 'membership_card', 1),
  ('jht', 'resignation', 'identity_card', 2),
  ('jht', 'resignation', 'resignation_statement', 3),
  ('jht', 'layoff', 'membership_card', 1),
  ('jht', 'layoff', 'identity_card', 2),
  ('jht', 'layoff', 'layoff_proof', 3);

CREATE TABLE smile.claim_state (
  code text PRIMARY KEY,
  title_id text NOT NULL,
  title_en text NOT NULL,
  is_open boolean NOT NULL
);
INSERT INTO smile.claim_state (code, title_id, title_en, is_open) VALUES
  ('draft', 'Konsep', 'Draft', true),
  ('submitted', 'Diajukan', 'Submitted', true),
  ('documents_incomplete', 'Dokumen belum lengkap', 'Documents incomplete', true),
  ('verification', 'Sedang diverifikasi', 'Being verified', true),
  ('interview_scheduled', 'Wawancara dijadwalkan', 'Interview scheduled', true),
  ('approved', 'Disetujui', 'Approved', true),
  ('rejected', 'Ditolak', 'Rejected', false),
  ('tax_computed', 'Pajak dihitung', 'Tax computed', true),
  ('payment_ordered', 'Pembayaran diperintahkan', 'Payment ordered', true),
  ('paid', 'Dibayar', 'Paid', false),
  ('payment_returned', 'Pembayaran dikembalikan', 'Payment returned', true),
  ('closed', 'Ditutup', 'Closed', false),
  ('withdrawn', 'Dibatalkan peserta', 'Withdrawn', false),
  ('expired', 'Kedaluwarsa', 'Expired', false);

-- Who may move a claim from where to where. A change that has no row here is refused by the trigger below.
CREATE TABLE smile.claim_transition (
  from_state text NOT NULL REFERENCES smile.claim_state,
  to_state text NOT NULL REFERENCES smile.claim_state,
  actor text NOT NULL CHECK (actor IN ('member', 'officer', 'jobs')),
  PRIMARY KEY (from_state, to_state, actor)
);
INSERT INTO smile.claim_transition (from_state, to_state, actor) VALUES
  ('draft', 'submitted', 'member'),
  ('draft', 'withdrawn', 'member'),
  ('draft', 'expired', 'jobs'),
  ('submitted', 'withdrawn', 'member'),
  ('submitted', 'verification', 'officer'),
  ('submitted', 'documents_incomplete', 'officer'),
  ('documents_incomplete', 'submitted', 'member'),
  ('documents_incomplete', 'withdrawn', 'member'),
  ('documents_incomplete', 'expired', 'jobs'),
  ('verification', 'documents_incomplete', 'officer'),
  ('verification', 'interview_scheduled', 'officer'),
  ('verification', 'approved', 'officer'),
  ('verification', 'rejected', 'officer'),
  ('verification', 'withdrawn', 'member'),
  ('interview_scheduled', 'verification', 'officer'),
  ('interview_scheduled', 'approved', 'officer'),
  ('interview_scheduled', 'rejected', 'officer'),
  ('interview_scheduled', 'withdrawn', 'member'),
  ('approved', 'verification', 'officer'),
  ('approved', 'tax_computed', 'officer'),
  ('tax_computed', 'payment_ordered', 'officer'),
  ('payment_ordered', 'paid', 'officer'),
  ('payment_ordered', 'payment_returned', 'officer'),
  ('payment_returned', 'payment_ordered', 'officer'),
  ('paid', 'closed', 'jobs'),
  ('rejected', 'closed', 'jobs');

CREATE TABLE smile.claim (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  member_id uuid NOT NULL REFERENCES smile.member,
  claim_type text NOT NULL,
  reason text NOT NULL,
  note text CHECK (length(note) BETWEEN 1 AND 500),
  state text NOT NULL DEFAULT 'draft' REFERENCES smile.claim_state,
  created_at timestamptz NOT NULL DEFAULT smile.now(),
  submitted_at timestamptz,
  -- The day by which the agency must have paid (JHT,sla.pay_working_days).
  due_on date,
  assigned_to uuid,
  version bigint NOT NULL DEFAULT 1,
  FOREIGN KEY (claim_type, reason) REFERENCES smile.claim_reason,
  UNIQUE (id, member_id),
  CONSTRAINT claim_submitted_has_date CHECK (state IN ('draft', 'withdrawn', 'expired') OR submitted_at IS NOT NULL)
);
-- One open claim of a kind at a time: the balance can't be promised twice.
CREATE UNIQUE INDEX claim_one_open ON smile.claim (member_id, claim_type)
  WHERE state NOT IN ('rejected', 'paid', 'closed', 'withdrawn', 'expired');
CREATE INDEX claim_member ON smile.claim (member_id, id);
CREATE INDEX claim_queue ON smile.claim (submitted_at, id)
  WHERE state IN ('submitted', 'verification', 'interview_scheduled', 'approved', 'tax_computed', 'payment_ordered',
    'payment_returned');
CREATE TRIGGER claim_version BEFORE UPDATE ON smile.claim FOR EACH ROW EXECUTE FUNCTION smile.bump_version();

CREATE FUNCTION smile.check_claim_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'draft' THEN
      PERFORM smile.fail(409, 'claim_state_conflict');
    END IF;
    RETURN NEW;
  END IF;
  IF (NEW.id, NEW.member_id, NEW.claim_type, NEW.created_at) IS DISTINCT FROM
     (OLD.id, OLD.member_id, OLD.claim_type, OLD.created_at)
  THEN
    RAISE EXCEPTION 'a claim keeps its member and type' USING ERRCODE = 'check_violation';
  END IF;
  IF NEW.state <> OLD.state AND NOT EXISTS (
    SELECT FROM smile.claim_transition AS t
    WHERE t.from_state = OLD.state AND t.to_state = NEW.state AND t.actor = smile.role())
  THEN
    PERFORM smile.fail(409, 'claim_state_conflict', json_build_object('state', OLD.state));
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER claim_changes_as_allowed BEFORE INSERT OR UPDATE ON smile.claim
  FOR EACH ROW EXECUTE FUNCTION smile.check_claim_change();

-- The papers that one claim needs, copied from claim_paper when it is opened; officers may ask for more.
CREATE TABLE smile.claim_requirement (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  claim_id uuid NOT NULL REFERENCES smile.claim,
  document_kind text NOT NULL REFERENCES smile.document_kind,
  position integer NOT NULL,
  UNIQUE (claim_id, document_kind)
);

-- The keys make sure that claim and document are of one member.
CREATE TABLE smile.claim_document (
  claim_id uuid NOT NULL,
  document_id uuid NOT NULL,
  member_id uuid NOT NULL,
  requirement_id uuid REFERENCES smile.claim_requirement,
  attached_at timestamptz NOT NULL DEFAULT smile.now(),
  PRIMARY KEY (claim_id, document_id),
  FOREIGN KEY (claim_id, member_id) REFERENCES smile.claim (id, member_id),
  FOREIGN KEY (document_id, member_id) REFERENCES smile.document (id, member_id)
);
CREATE INDEX claim_document_document ON smile.claim_document (document_id);

CREATE TABLE smile.claim_event (
  id uuid PRIMARY KEY DEFAULT smile.uuid7(),
  -- Two events of one transaction share a millisecond, so their ids don't order them.
  place bigint GENERATED ALWAYS AS IDENTITY,
  claim_id uuid NOT NULL REFERENCES smile.claim,
  at timestamptz NOT NULL DEFAULT smile.now(),
  kind text NOT NULL CHECK (kind IN ('opened', 'document_added', 'state_changed', 'assigned')),
  from_state text REFERENCES smile.claim_state,
  to_state text REFERENCES smile.claim_state,
  actor text NOT NULL CHECK (actor IN ('member', 'officer', 'jobs')),
  actor_account_id uuid,
  details json
);
CREATE INDEX claim_event_claim ON smile.claim_event (claim_id, place);

-- A later decision is a new number; nothing is overwritten.
CREATE TABLE smile.claim_decision (
  claim_id uuid NOT NULL REFERENCES smile.claim,
  number integer NOT NULL CHECK (number > 0),
  outcome text NOT NULL CHECK (outcome IN ('approved', 'rejected')),
  reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
  decided_by uuid NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT smile.now(),
  gross bigint CHECK (gross > 0),
  tax bigint CHECK (tax >= 0),
  net bigint CHECK (net > 0),
  computation json,
  PRIMARY KEY (claim_id, number),
  CONSTRAINT approval_has_amounts CHECK (
    (outcome = 'approved') = (gross IS NOT NULL AND tax IS NOT NULL AND net IS NOT NULL AND computation IS NOT NULL)),
  CONSTRAINT net_is_gross_less_tax CHECK (net = gross - tax)
);

CREATE TABLE smile.claim_approval (
  claim_id uuid NOT NULL,
  decision_number integer NOT NULL,
  approved_by uuid NOT NULL,
  approved_at timestamptz NOT NULL DEFAULT smile.now(),
  PRIMARY KEY (claim_id, decision_number),
  FOREIGN KEY (claim_id, decision_number) REFERENCES smile.claim_decision
);

-- One row a claim: paying twice breaks a key.
CREATE TABLE smile.claim_payment (
  claim_id uuid PRIMARY KEY,
  decision_number integer NOT NULL,
  ledger_transaction_id uuid NOT NULL UNIQUE,
  reference text NOT NULL UNIQUE CHECK (reference ~ '^[A-Za-z0-9._/-]{1,64}$'),
  gross bigint NOT NULL CHECK (gross > 0),
  tax bigint NOT NULL CHECK (tax >= 0),
  net bigint NOT NULL CHECK (net > 0),
  paid_by uuid NOT NULL,
  paid_at timestamptz NOT NULL DEFAULT smile.now(),
  FOREIGN KEY (claim_id, decision_number) REFERENCES smile.claim_approval,
  CONSTRAINT payment_net_is_gross_less_tax CHECK (net = gross - tax)
);

DO $policies$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['claim_type', 'claim_reason', 'claim_paper', 'claim_state', 'claim_transition', 'claim',
    'claim_requirement', 'claim_document', 'claim_event', 'claim_decision', 'claim_approval', 'claim_payment']
  LOOP
    EXECUTE format('ALTER TABLE smile.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE smile.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY owner_all ON smile.%I TO smile_owner USING (true)', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['claim_type', 'claim_reason', 'claim_paper', 'claim_state', 'claim_transition']
  LOOP
    EXECUTE format('CREATE POLICY everyone_reads ON smile.%I FOR SELECT TO smile_api, smile_jobs USING (true)', name);
    EXECUTE format('GRANT SELECT ON smile.%I TO smile_api, smile_jobs', name);
  END LOOP;
END
$policies$;

CREATE FUNCTION smile.is_claim_officer() RETURNS boolean LANGUAGE sql STABLE
RETURN smile.is_officer('review_claims') OR smile.is_officer('approve_claims') OR smile.is_officer('pay_claims');

CREATE POLICY own_claims ON smile.claim TO smile_api USING (member_id = (SELECT smile.member_id()));
-- A draft is the member's own affair.
CREATE POLICY officers_handle ON smile.claim TO smile_api
  USING ((SELECT smile.is_claim_officer()) AND submitted_at IS NOT NULL)
  WITH CHECK ((SELECT smile.is_claim_officer()) AND submitted_at IS NOT NULL);
-- What belongs to a claim is seen by who sees the claim.
CREATE POLICY visible_claims ON smile.claim_requirement TO smile_api
  USING (EXISTS (SELECT FROM smile.claim AS c WHERE c.id = claim_id));
CREATE POLICY visible_claims ON smile.claim_document FOR SELECT TO smile_api
  USING (EXISTS (SELECT FROM smile.claim AS c WHERE c.id = claim_id));
CREATE POLICY own_papers ON smile.claim_document FOR INSERT TO smile_api
  WITH CHECK (member_id = (SELECT smile.member_id()));
CREATE POLICY visible_claims ON smile.claim_event TO smile_api
  USING (EXISTS (SELECT FROM smile.claim AS c WHERE c.id = claim_id));
CREATE POLICY visible_claims ON smile.claim_decision FOR SELECT TO smile_api
  USING (EXISTS (SELECT FROM smile.claim AS c WHERE c.id = claim_id));
CREATE POLICY reviewers_decide ON smile.claim_decision FOR INSERT TO smile_api
  WITH CHECK ((SELECT smile.is_officer('review_claims')) AND decided_by = (SELECT smile.account_id()));
CREATE POLICY visible_claims ON smile.claim_approval FOR SELECT TO smile_api
  USING (EXISTS (SELECT FROM smile.claim AS c WHERE c.id = claim_id));
CREATE POLICY approvers_approve ON smile.claim_approval FOR INSERT TO smile_api
  WITH CHECK ((SELECT smile.is_officer('approve_claims')) AND approved_by = (SELECT smile.account_id()));
CREATE POLICY visible_claims ON smile.claim_payment FOR SELECT TO smile_api
  USING (EXISTS (SELECT FROM smile.claim AS c WHERE c.id = claim_id));
CREATE POLICY payers_pay ON smile.claim_payment FOR INSERT TO smile_api
  WITH CHECK ((SELECT smile.is_officer('pay_claims')) AND paid_by = (SELECT smile.account_id()));
-- An officer sees the papers of a claim, and no other document.
CREATE POLICY claim_papers ON smile.document FOR SELECT TO smile_api
  USING ((SELECT smile.is_claim_officer())
    AND EXISTS (SELECT FROM smile.claim_document AS p WHERE p.document_id = document.id));

GRANT SELECT, INSERT, UPDATE ON smile.claim TO smile_api;
-- No UPDATE and no DELETE on the rest: what was said stays said.
GRANT SELECT, INSERT ON smile.claim_requirement, smile.claim_document, smile.claim_event, smile.claim_decision,
  smile.claim_approval, smile.claim_payment TO smile_api;

CREATE FUNCTION smile.delete_document(wanted uuid, if_match text) RETURNS smile.answer_row LANGUAGE plpgsql AS $$
DECLARE
  kept smile.document;
BEGIN
  SELECT * INTO kept FROM smile.document AS d WHERE d.id = wanted;
  IF NOT FOUND THEN
    PERFORM smile.fail(404, 'not_found');
  END IF;
  PERFORM smile.check_match(if_match, kept.version);
  IF EXISTS (SELECT FROM smile.claim_document AS p WHERE p.document_id = wanted) THEN
    PERFORM smile.fail(409, 'document_in_use');
  END IF;
  DELETE FROM smile.document AS d WHERE d.id = wanted;
  PERFORM smile.audit('document.deleted', 'document', wanted,
    json_build_object('purpose', kept.purpose, 'sha256', encode(kept.sha256, 'hex')));
  RETURN smile.answer(204, NULL);
END
$$;
