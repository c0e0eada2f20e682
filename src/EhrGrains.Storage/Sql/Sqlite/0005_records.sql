-- Where a patient's record stands. version counts its commits and fences them; marks says what was taken of each feed ('lab=4,6': all up to 4, and 6);
-- resources and bytes are those of its current rows.
CREATE TABLE record_heads (
  tenant_id   TEXT NOT NULL,
  patient     TEXT NOT NULL,
  version     INTEGER NOT NULL,
  at_us       INTEGER NOT NULL,
  marks       TEXT NOT NULL,
  merged_into TEXT,
  merged_by   TEXT,
  resources   INTEGER NOT NULL,
  bytes       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, patient)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_heads_merged ON record_heads (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

-- The current version of each resource of a record. source is the message or page it came from; content is sealed for tenant, patient,
-- type, id and version; null: it is deleted, or has moved to another record.
CREATE TABLE record_resources (
  tenant_id TEXT NOT NULL,
  patient   TEXT NOT NULL,
  type      TEXT NOT NULL,
  id        TEXT NOT NULL,
  version   INTEGER NOT NULL,
  at_us     INTEGER NOT NULL,
  kind      INTEGER NOT NULL,
  source    TEXT NOT NULL,
  length    INTEGER NOT NULL,
  content   BLOB,
  PRIMARY KEY (tenant_id, patient, type, id)
) STRICT;

-- The versions before the current ones.
CREATE TABLE record_versions (
  tenant_id TEXT NOT NULL,
  patient   TEXT NOT NULL,
  type      TEXT NOT NULL,
  id        TEXT NOT NULL,
  version   INTEGER NOT NULL,
  at_us     INTEGER NOT NULL,
  kind      INTEGER NOT NULL,
  source    TEXT NOT NULL,
  length    INTEGER NOT NULL,
  content   BLOB,
  PRIMARY KEY (tenant_id, patient, type, id, version)
) STRICT;

-- Whose an identifier is. blind is a keyed hash of assigning authority and value.
CREATE TABLE patient_identifiers (
  tenant_id TEXT NOT NULL,
  blind     BLOB NOT NULL,
  patient   TEXT NOT NULL,
  at_us     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, blind)
) STRICT, WITHOUT ROWID;

-- For searches over a tenant: keyed hashes of names, birth dates and the like.
CREATE TABLE record_index (
  tenant_id TEXT NOT NULL,
  term      BLOB NOT NULL,
  patient   TEXT NOT NULL,
  type      TEXT NOT NULL,
  id        TEXT NOT NULL,
  PRIMARY KEY (tenant_id, term, patient, type, id)
) STRICT, WITHOUT ROWID;

-- What could not be mapped as it should, until the message is mapped again without it. location is an HL7 address, never a value.
CREATE TABLE mapping_exceptions (
  tenant_id TEXT NOT NULL,
  feed      TEXT NOT NULL,
  position  INTEGER NOT NULL,
  ordinal   INTEGER NOT NULL,
  at_us     INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  location  TEXT NOT NULL,
  message   TEXT NOT NULL,
  PRIMARY KEY (tenant_id, feed, position, ordinal)
) STRICT, WITHOUT ROWID;

CREATE INDEX mapping_exceptions_kind ON mapping_exceptions (tenant_id, kind, at_us);
CREATE INDEX mapping_exceptions_at ON mapping_exceptions (at_us);

-- The changes of a tenant's records, numbered without gaps in the order of their commits.
CREATE TABLE changes (
  tenant_id TEXT NOT NULL,
  seq       INTEGER NOT NULL,
  patient   TEXT NOT NULL,
  type      TEXT NOT NULL,
  id        TEXT NOT NULL,
  version   INTEGER NOT NULL,
  kind      INTEGER NOT NULL,
  source    TEXT NOT NULL,
  at_us     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

-- The last number. Who holds the row gives out numbers until the commit; it is also the lock under which records of the tenant are
-- written, so that two writers never wait for each other.
CREATE TABLE change_heads (
  tenant_id TEXT PRIMARY KEY,
  last      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
