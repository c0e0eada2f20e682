-- Keys. tenant_id is a tenant's id, or '~cluster'. A row without a wrapped key marks the scope as destroyed, for good.
CREATE TABLE tenant_key (
  tenant_id     text COLLATE "C" NOT NULL,
  version       integer NOT NULL,
  wrapped       bytea,
  created_at_us bigint NOT NULL,
  PRIMARY KEY (tenant_id, version)
);

-- Audit. Written once: the hash of a row covers all of its columns and the hash of the row before it.
CREATE TABLE audit_entry (
  tenant_id     text COLLATE "C" NOT NULL,
  seq           bigint NOT NULL,
  at_us         bigint NOT NULL,
  app           text NOT NULL,
  action        text NOT NULL,
  resource_type text,
  outcome       text NOT NULL,
  intent        bigint,
  trace_id      text,
  source        text,
  entries       bigint,
  patients      bytea NOT NULL,
  hash          bytea NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);

-- Where a tenant's chain ends. The seal is an HMAC under a key that is not in this database.
CREATE TABLE audit_head (
  tenant_id text COLLATE "C" PRIMARY KEY,
  seq       bigint NOT NULL,
  hash      bytea NOT NULL,
  seal      bytea NOT NULL
) WITH (fillfactor = 50);

-- Which rows touched a patient; patient is a blind index.
CREATE TABLE audit_patient (
  tenant_id text COLLATE "C" NOT NULL,
  seq       bigint NOT NULL,
  patient   bytea NOT NULL,
  PRIMARY KEY (tenant_id, seq, patient)
);

CREATE INDEX audit_patient_who ON audit_patient (tenant_id, patient, seq);

-- The directory of tenants. version is that of the tenant's grain: an older one never overwrites.
CREATE TABLE tenant (
  tenant_id    text COLLATE "C" PRIMARY KEY,
  display_name text NOT NULL,
  vendor       text NOT NULL,
  environment  integer NOT NULL,
  lifecycle    integer NOT NULL,
  version      bigint NOT NULL
);

CREATE TABLE tenant_grant (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenant,
  app_id    text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, app_id)
);

CREATE INDEX tenant_grant_app ON tenant_grant (app_id, tenant_id);

-- Ids that FHIR forbids, by the legal id that stands for them.
CREATE TABLE id_alias (
  tenant_id text COLLATE "C" NOT NULL,
  alias     text COLLATE "C" NOT NULL,
  original  bytea NOT NULL,
  PRIMARY KEY (tenant_id, alias)
);

-- The keys that our own token endpoint signs with; slot counts them, so that of racing silos one makes each.
CREATE TABLE signing_key (
  slot          integer PRIMARY KEY,
  key_id        text NOT NULL UNIQUE,
  created_at_us bigint NOT NULL,
  pkcs8         bytea NOT NULL
);

-- Ids that may be used once, until they expire.
CREATE TABLE one_time (
  digest        bytea PRIMARY KEY,
  expires_at_us bigint NOT NULL
);

CREATE INDEX one_time_expiry ON one_time (expires_at_us);

-- Row-level security. app.tenant names the tenants of the running transaction, with commas between; app.directory allows to
-- list, and only to list, every tenant. Both are set for the transaction only. FORCE binds the owner of the tables too.
ALTER TABLE tenant_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_key FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenant_key USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON audit_entry USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON audit_head USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE audit_patient ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_patient FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON audit_patient USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenant USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON tenant FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE tenant_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_grant FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenant_grant USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON tenant_grant FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE id_alias ENABLE ROW LEVEL SECURITY;
ALTER TABLE id_alias FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON id_alias USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

-- Where one role both owns and runs, even it cannot change audit rows without first granting itself the right.
REVOKE UPDATE, DELETE, TRUNCATE ON audit_entry, audit_patient FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON audit_head FROM PUBLIC, CURRENT_USER;
