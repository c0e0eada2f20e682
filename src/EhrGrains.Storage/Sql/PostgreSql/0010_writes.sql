-- What is to be written back to a tenant's EHR: position is the number given last, epoch that of the activation that sends, due_us when
-- there is something to do: whoever sweeps wakes the grain then.
CREATE TABLE write_heads (
  tenant_id text COLLATE "C" PRIMARY KEY,
  position  bigint NOT NULL,
  epoch     bigint NOT NULL,
  due_us    bigint NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX write_heads_due ON write_heads (due_us);

-- One write each, and the ledger of what was asked for before: key and digest are keyed hashes of the app's own key and of the content,
-- lane one of the patient, whose writes go one after the other. due_us is when the sender goes on with it; null: it is settled. request
-- and receipt are sealed. sending_us is when it may have been sent last. intent is its row on the audit trail.
CREATE TABLE writes (
  tenant_id   text COLLATE "C" NOT NULL,
  number      bigint NOT NULL,
  key         bytea NOT NULL,
  digest      bytea NOT NULL,
  lane        bytea NOT NULL,
  app         text COLLATE "C" NOT NULL,
  interaction bigint NOT NULL,
  type        text COLLATE "C" NOT NULL,
  state       bigint NOT NULL,
  tries       bigint NOT NULL,
  at_us       bigint NOT NULL,
  due_us      bigint,
  sending_us  bigint,
  settled_us  bigint,
  intent      bigint NOT NULL,
  problem     text COLLATE "C",
  request     bytea NOT NULL,
  receipt     bytea,
  PRIMARY KEY (tenant_id, number)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX writes_key ON writes (tenant_id, key);
CREATE INDEX writes_open ON writes (tenant_id, lane, number) WHERE due_us IS NOT NULL;
CREATE INDEX writes_settled ON writes (tenant_id, settled_us) WHERE due_us IS NULL;

ALTER TABLE write_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE write_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON write_heads USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON write_heads FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE writes ENABLE ROW LEVEL SECURITY;
ALTER TABLE writes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON writes USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
