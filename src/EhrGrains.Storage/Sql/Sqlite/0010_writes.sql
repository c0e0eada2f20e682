-- What is to be written back to a tenant's EHR: position is the number given last, epoch that of the activation that sends, due_us when
-- there is something to do: whoever sweeps wakes the grain then.
CREATE TABLE write_heads (
  tenant_id TEXT NOT NULL PRIMARY KEY,
  position  INTEGER NOT NULL,
  epoch     INTEGER NOT NULL,
  due_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX write_heads_due ON write_heads (due_us);

-- One write each, and the ledger of what was asked for before: key and digest are keyed hashes of the app's own key and of the content,
-- lane one of the patient, whose writes go one after the other. due_us is when the sender goes on with it; null: it is settled. request
-- and receipt are sealed. sending_us is when it may have been sent last. intent is its row on the audit trail.
CREATE TABLE writes (
  tenant_id   TEXT NOT NULL,
  number      INTEGER NOT NULL,
  key         BLOB NOT NULL,
  digest      BLOB NOT NULL,
  lane        BLOB NOT NULL,
  app         TEXT NOT NULL,
  interaction INTEGER NOT NULL,
  type        TEXT NOT NULL,
  state       INTEGER NOT NULL,
  tries       INTEGER NOT NULL,
  at_us       INTEGER NOT NULL,
  due_us      INTEGER,
  sending_us  INTEGER,
  settled_us  INTEGER,
  intent      INTEGER NOT NULL,
  problem     TEXT,
  request     BLOB NOT NULL,
  receipt     BLOB,
  PRIMARY KEY (tenant_id, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX writes_key ON writes (tenant_id, key);
CREATE INDEX writes_open ON writes (tenant_id, lane, number) WHERE due_us IS NOT NULL;
CREATE INDEX writes_settled ON writes (tenant_id, settled_us) WHERE due_us IS NULL;
