-- Cohorts: what they are is sealed state of their grains. due_us is when there is something to do: whoever sweeps wakes the grain then.
CREATE TABLE cohorts (
  tenant_id text COLLATE "C" NOT NULL,
  cohort    text COLLATE "C" NOT NULL,
  due_us    bigint NOT NULL,
  PRIMARY KEY (tenant_id, cohort)
) WITH (fillfactor = 50);

CREATE INDEX cohorts_due ON cohorts (due_us);

-- Who belongs to a cohort. entry is a keyed hash of what names the patient there, said is that, sealed: an identifier or an id of the EHR.
-- patient is the EHR's Patient, once it is found; due_us is when a waiting one is looked up; problem is a code.
CREATE TABLE cohort_members (
  tenant_id text COLLATE "C" NOT NULL,
  cohort    text COLLATE "C" NOT NULL,
  entry     bytea NOT NULL,
  said      bytea NOT NULL,
  state     bigint NOT NULL,
  patient   text COLLATE "C",
  tries     bigint NOT NULL,
  due_us    bigint NOT NULL,
  problem   text,
  PRIMARY KEY (tenant_id, cohort, entry)
);

CREATE INDEX cohort_members_due ON cohort_members (tenant_id, cohort, due_us) WHERE state = 0;
CREATE INDEX cohort_members_patient ON cohort_members (tenant_id, patient) WHERE patient IS NOT NULL;

-- The files of a cohort's bulk export and how far each was read. url is sealed: it may be the key to the file. read_bytes are those of whole
-- lines whose resources are committed. epoch is that of the activation that reads; state is 0 open, 1 read, 2 given up.
CREATE TABLE bulk_files (
  tenant_id    text COLLATE "C" NOT NULL,
  cohort       text COLLATE "C" NOT NULL,
  job          bigint NOT NULL,
  number       bigint NOT NULL,
  epoch        bigint NOT NULL,
  kind         bigint NOT NULL,
  type         text NOT NULL,
  url          bytea NOT NULL,
  said         bigint,
  state        bigint NOT NULL,
  read_bytes   bigint NOT NULL,
  etag         text,
  fetched      bigint NOT NULL,
  stored       bigint NOT NULL,
  unchanged    bigint NOT NULL,
  deleted      bigint NOT NULL,
  not_enrolled bigint NOT NULL,
  not_copied   bigint NOT NULL,
  quarantined  bigint NOT NULL,
  problem      text,
  PRIMARY KEY (tenant_id, cohort, job, number)
) WITH (fillfactor = 50);

ALTER TABLE cohorts ENABLE ROW LEVEL SECURITY;
ALTER TABLE cohorts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON cohorts USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON cohorts FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE cohort_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE cohort_members FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON cohort_members USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE bulk_files ENABLE ROW LEVEL SECURITY;
ALTER TABLE bulk_files FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON bulk_files USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
