-- Tenants with patients whose copies are kept. shard is where their due work is looked for.
CREATE TABLE sync_tenants (
  tenant_id text COLLATE "C" PRIMARY KEY,
  shard     bigint NOT NULL,
  paused    bigint NOT NULL
);

CREATE INDEX sync_tenants_shard ON sync_tenants (shard);

-- Patients whose copies are kept, by the id of the EHR's Patient, and the queue of what is due. record is the record that the copy is in;
-- hinted names types that something happened to (each followed by a comma, '*' for all); whole asks for everything, not changes alone;
-- run_us is when the
-- run began that goes on at the next time; problem is a code and a sentence.
CREATE TABLE sync_patients (
  tenant_id    text COLLATE "C" NOT NULL,
  patient      text COLLATE "C" NOT NULL,
  record       text COLLATE "C",
  due_us       bigint NOT NULL,
  hinted       text NOT NULL,
  whole        bigint NOT NULL,
  state        bigint NOT NULL,
  failures     bigint NOT NULL,
  completed_us bigint,
  run_us       bigint,
  problem      text,
  PRIMARY KEY (tenant_id, patient)
) WITH (fillfactor = 80);

CREATE INDEX sync_patients_due ON sync_patients (tenant_id, due_us);
CREATE INDEX sync_patients_record ON sync_patients (tenant_id, record);

-- Where the copy of a patient's resources of one type has got to. version counts its commits and fences them. position, and what is known
-- by id and content hash, are sealed for tenant, patient and type; notes says why something is missing, without values.
CREATE TABLE sync_cursors (
  tenant_id    text COLLATE "C" NOT NULL,
  patient      text COLLATE "C" NOT NULL,
  type         text COLLATE "C" NOT NULL,
  version      bigint NOT NULL,
  mode         bigint NOT NULL,
  complete     bigint NOT NULL,
  completed_us bigint,
  finished_us  bigint,
  watermark_us bigint,
  said         bigint,
  fetched      bigint NOT NULL,
  stored       bigint NOT NULL,
  unchanged    bigint NOT NULL,
  quarantined  bigint NOT NULL,
  missing      bigint NOT NULL,
  deleted      bigint NOT NULL,
  pages        bigint NOT NULL,
  notes        text,
  position     bytea,
  known        bytea,
  PRIMARY KEY (tenant_id, patient, type)
) WITH (fillfactor = 80);

-- What a run has seen so far, one row a commit, until it is over.
CREATE TABLE sync_seen (
  tenant_id text COLLATE "C" NOT NULL,
  patient   text COLLATE "C" NOT NULL,
  type      text COLLATE "C" NOT NULL,
  version   bigint NOT NULL,
  seen      bytea NOT NULL,
  PRIMARY KEY (tenant_id, patient, type, version)
);

ALTER TABLE sync_cursors ALTER COLUMN known SET STORAGE EXTERNAL;
ALTER TABLE sync_seen ALTER COLUMN seen SET STORAGE EXTERNAL;

ALTER TABLE sync_tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON sync_tenants USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON sync_tenants FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE sync_patients ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_patients FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON sync_patients USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE sync_cursors ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_cursors FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON sync_cursors USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE sync_seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_seen FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON sync_seen USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
