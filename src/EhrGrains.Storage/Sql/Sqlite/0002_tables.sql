-- Keys. tenant_id is a tenant's id, or '~cluster'. A row without a wrapped key marks the scope as destroyed, for good.
CREATE TABLE tenant_key (
  tenant_id     TEXT NOT NULL,
  version       INTEGER NOT NULL,
  wrapped       BLOB,
  created_at_us INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, version)
) STRICT, WITHOUT ROWID;

-- Audit. Written once: the hash of a row covers all of its columns and the hash of the row before it.
CREATE TABLE audit_entry (
  tenant_id     TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  at_us         INTEGER NOT NULL,
  app           TEXT NOT NULL,
  action        TEXT NOT NULL,
  resource_type TEXT,
  outcome       TEXT NOT NULL,
  intent        INTEGER,
  trace_id      TEXT,
  source        TEXT,
  entries       INTEGER,
  patients      BLOB NOT NULL,
  hash          BLOB NOT NULL,
  PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

-- Where a tenant's chain ends. The seal is an HMAC under a key that is not in this database.
CREATE TABLE audit_head (
  tenant_id TEXT PRIMARY KEY,
  seq       INTEGER NOT NULL,
  hash      BLOB NOT NULL,
  seal      BLOB NOT NULL
) STRICT;

-- Which rows touched a patient; patient is a blind index.
CREATE TABLE audit_patient (
  tenant_id TEXT NOT NULL,
  seq       INTEGER NOT NULL,
  patient   BLOB NOT NULL,
  PRIMARY KEY (tenant_id, seq, patient)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_patient_who ON audit_patient (tenant_id, patient, seq);

-- The directory of tenants. version is that of the tenant's grain: an older one never overwrites.
CREATE TABLE tenant (
  tenant_id    TEXT PRIMARY KEY,
  display_name TEXT NOT NULL,
  vendor       TEXT NOT NULL,
  environment  INTEGER NOT NULL,
  lifecycle    INTEGER NOT NULL,
  version      INTEGER NOT NULL
) STRICT;

CREATE TABLE tenant_grant (
  tenant_id TEXT NOT NULL REFERENCES tenant,
  app_id    TEXT NOT NULL,
  PRIMARY KEY (tenant_id, app_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX tenant_grant_app ON tenant_grant (app_id, tenant_id);

-- Ids that FHIR forbids, by the legal id that stands for them.
CREATE TABLE id_alias (
  tenant_id TEXT NOT NULL,
  alias     TEXT NOT NULL,
  original  BLOB NOT NULL,
  PRIMARY KEY (tenant_id, alias)
) STRICT, WITHOUT ROWID;

-- The keys that our own token endpoint signs with; slot counts them, so that of racing silos one makes each.
CREATE TABLE signing_key (
  slot          INTEGER PRIMARY KEY,
  key_id        TEXT NOT NULL UNIQUE,
  created_at_us INTEGER NOT NULL,
  pkcs8         BLOB NOT NULL
) STRICT;

-- Ids that may be used once, until they expire.
CREATE TABLE one_time (
  digest        BLOB PRIMARY KEY,
  expires_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_expiry ON one_time (expires_at_us);
