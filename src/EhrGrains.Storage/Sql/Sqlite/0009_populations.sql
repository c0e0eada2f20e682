-- Cohorts: what they are is sealed state of their grains. due_us is when there is something to do: whoever sweeps wakes the grain then.
CREATE TABLE cohorts (
  tenant_id TEXT NOT NULL,
  cohort    TEXT NOT NULL,
  due_us    INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, cohort)
) STRICT, WITHOUT ROWID;

CREATE INDEX cohorts_due ON cohorts (due_us);

-- Who belongs to a cohort. entry is a keyed hash of what names the patient there, said is that, sealed: an identifier or an id of the EHR.
-- patient is the EHR's Patient, once it is found; due_us is when a waiting one is looked up; problem is a code.
CREATE TABLE cohort_members (
  tenant_id TEXT NOT NULL,
  cohort    TEXT NOT NULL,
  entry     BLOB NOT NULL,
  said      BLOB NOT NULL,
  state     INTEGER NOT NULL,
  patient   TEXT,
  tries     INTEGER NOT NULL,
  due_us    INTEGER NOT NULL,
  problem   TEXT,
  PRIMARY KEY (tenant_id, cohort, entry)
) STRICT, WITHOUT ROWID;

CREATE INDEX cohort_members_due ON cohort_members (tenant_id, cohort, due_us) WHERE state = 0;
CREATE INDEX cohort_members_patient ON cohort_members (tenant_id, patient) WHERE patient IS NOT NULL;

-- The files of a cohort's bulk export and how far each was read. url is sealed: it may be the key to the file. read_bytes are those of whole
-- lines whose resources are committed. epoch is that of the activation that reads; state is 0 open, 1 read, 2 given up.
CREATE TABLE bulk_files (
  tenant_id    TEXT NOT NULL,
  cohort       TEXT NOT NULL,
  job          INTEGER NOT NULL,
  number       INTEGER NOT NULL,
  epoch        INTEGER NOT NULL,
  kind         INTEGER NOT NULL,
  type         TEXT NOT NULL,
  url          BLOB NOT NULL,
  said         INTEGER,
  state        INTEGER NOT NULL,
  read_bytes   INTEGER NOT NULL,
  etag         TEXT,
  fetched      INTEGER NOT NULL,
  stored       INTEGER NOT NULL,
  unchanged    INTEGER NOT NULL,
  deleted      INTEGER NOT NULL,
  not_enrolled INTEGER NOT NULL,
  not_copied   INTEGER NOT NULL,
  quarantined  INTEGER NOT NULL,
  problem      TEXT,
  PRIMARY KEY (tenant_id, cohort, job, number)
) STRICT, WITHOUT ROWID;
