-- Tenants with patients whose copies are kept. shard is where their due work is looked for.
CREATE TABLE sync_tenants (
  tenant_id TEXT PRIMARY KEY,
  shard     INTEGER NOT NULL,
  paused    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sync_tenants_shard ON sync_tenants (shard);

-- Patients whose copies are kept, by the id of the EHR's Patient, and the queue of what is due. record is the record that the copy is in;
-- hinted names types that something happened to (each followed by a comma, '*' for all); whole asks for everything, not changes alone;
-- run_us is when the
-- run began that goes on at the next time; problem is a code and a sentence.
CREATE TABLE sync_patients (
  tenant_id    TEXT NOT NULL,
  patient      TEXT NOT NULL,
  record       TEXT,
  due_us       INTEGER NOT NULL,
  hinted       TEXT NOT NULL,
  whole        INTEGER NOT NULL,
  state        INTEGER NOT NULL,
  failures     INTEGER NOT NULL,
  completed_us INTEGER,
  run_us       INTEGER,
  problem      TEXT,
  PRIMARY KEY (tenant_id, patient)
) STRICT, WITHOUT ROWID;

CREATE INDEX sync_patients_due ON sync_patients (tenant_id, due_us);
CREATE INDEX sync_patients_record ON sync_patients (tenant_id, record);

-- Where the copy of a patient's resources of one type has got to. version counts its commits and fences them. position, and what is known
-- by id and content hash, are sealed for tenant, patient and type; notes says why something is missing, without values.
CREATE TABLE sync_cursors (
  tenant_id    TEXT NOT NULL,
  patient      TEXT NOT NULL,
  type         TEXT NOT NULL,
  version      INTEGER NOT NULL,
  mode         INTEGER NOT NULL,
  complete     INTEGER NOT NULL,
  completed_us INTEGER,
  finished_us  INTEGER,
  watermark_us INTEGER,
  said         INTEGER,
  fetched      INTEGER NOT NULL,
  stored       INTEGER NOT NULL,
  unchanged    INTEGER NOT NULL,
  quarantined  INTEGER NOT NULL,
  missing      INTEGER NOT NULL,
  deleted      INTEGER NOT NULL,
  pages        INTEGER NOT NULL,
  notes        TEXT,
  position     BLOB,
  known        BLOB,
  PRIMARY KEY (tenant_id, patient, type)
) STRICT, WITHOUT ROWID;

-- What a run has seen so far, one row a commit, until it is over.
CREATE TABLE sync_seen (
  tenant_id TEXT NOT NULL,
  patient   TEXT NOT NULL,
  type      TEXT NOT NULL,
  version   INTEGER NOT NULL,
  seen      BLOB NOT NULL,
  PRIMARY KEY (tenant_id, patient, type, version)
) STRICT, WITHOUT ROWID;
