-- Where a patient's record stands. version counts its commits and fences them; marks says what was taken of each feed ('lab=4,6': all up to 4, and 6);
-- resources and bytes are those of its current rows.
CREATE TABLE record_heads (
  tenant_id   text COLLATE "C" NOT NULL,
  patient     text COLLATE "C" NOT NULL,
  version     bigint NOT NULL,
  at_us       bigint NOT NULL,
  marks       text NOT NULL,
  merged_into text,
  merged_by   text,
  resources   bigint NOT NULL,
  bytes       bigint NOT NULL,
  PRIMARY KEY (tenant_id, patient)
) WITH (fillfactor = 50);

CREATE INDEX record_heads_merged ON record_heads (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

-- The current version of each resource of a record. source is the message or page it came from; content is sealed for tenant, patient,
-- type, id and version; null: it is deleted, or has moved to another record.
CREATE TABLE record_resources (
  tenant_id text COLLATE "C" NOT NULL,
  patient   text COLLATE "C" NOT NULL,
  type      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  version   bigint NOT NULL,
  at_us     bigint NOT NULL,
  kind      bigint NOT NULL,
  source    text NOT NULL,
  length    bigint NOT NULL,
  content   bytea,
  PRIMARY KEY (tenant_id, patient, type, id)
) WITH (fillfactor = 80);

-- The versions before the current ones.
CREATE TABLE record_versions (
  tenant_id text COLLATE "C" NOT NULL,
  patient   text COLLATE "C" NOT NULL,
  type      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  version   bigint NOT NULL,
  at_us     bigint NOT NULL,
  kind      bigint NOT NULL,
  source    text NOT NULL,
  length    bigint NOT NULL,
  content   bytea,
  PRIMARY KEY (tenant_id, patient, type, id, version)
);

-- Sealed bytes do not get smaller.
ALTER TABLE record_resources ALTER COLUMN content SET STORAGE EXTERNAL;
ALTER TABLE record_versions ALTER COLUMN content SET STORAGE EXTERNAL;

-- Whose an identifier is. blind is a keyed hash of assigning authority and value.
CREATE TABLE patient_identifiers (
  tenant_id text COLLATE "C" NOT NULL,
  blind     bytea NOT NULL,
  patient   text COLLATE "C" NOT NULL,
  at_us     bigint NOT NULL,
  PRIMARY KEY (tenant_id, blind)
);

-- For searches over a tenant: keyed hashes of names, birth dates and the like.
CREATE TABLE record_index (
  tenant_id text COLLATE "C" NOT NULL,
  term      bytea NOT NULL,
  patient   text COLLATE "C" NOT NULL,
  type      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, term, patient, type, id)
);

-- What could not be mapped as it should, until the message is mapped again without it. location is an HL7 address, never a value.
CREATE TABLE mapping_exceptions (
  tenant_id text COLLATE "C" NOT NULL,
  feed      text COLLATE "C" NOT NULL,
  position  bigint NOT NULL,
  ordinal   bigint NOT NULL,
  at_us     bigint NOT NULL,
  kind      text NOT NULL,
  location  text NOT NULL,
  message   text NOT NULL,
  PRIMARY KEY (tenant_id, feed, position, ordinal)
);

CREATE INDEX mapping_exceptions_kind ON mapping_exceptions (tenant_id, kind, at_us);
CREATE INDEX mapping_exceptions_at ON mapping_exceptions (at_us);

-- The changes of a tenant's records, numbered without gaps in the order of their commits.
CREATE TABLE changes (
  tenant_id text COLLATE "C" NOT NULL,
  seq       bigint NOT NULL,
  patient   text COLLATE "C" NOT NULL,
  type      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  version   bigint NOT NULL,
  kind      bigint NOT NULL,
  source    text NOT NULL,
  at_us     bigint NOT NULL,
  PRIMARY KEY (tenant_id, seq)
);

-- The last number. Who holds the row gives out numbers until the commit; it is also the lock under which records of the tenant are
-- written, so that two writers never wait for each other.
CREATE TABLE change_heads (
  tenant_id text COLLATE "C" PRIMARY KEY,
  last      bigint NOT NULL
) WITH (fillfactor = 20);

ALTER TABLE record_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON record_heads USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE record_resources ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_resources FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON record_resources USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE record_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON record_versions USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE patient_identifiers ENABLE ROW LEVEL SECURITY;
ALTER TABLE patient_identifiers FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON patient_identifiers USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE record_index ENABLE ROW LEVEL SECURITY;
ALTER TABLE record_index FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON record_index USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

-- Ninety days are what mapping exceptions are kept for at most; app.expired allows to delete what is older, whosever it was.
ALTER TABLE mapping_exceptions ENABLE ROW LEVEL SECURITY;
ALTER TABLE mapping_exceptions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON mapping_exceptions USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY expired_seen ON mapping_exceptions FOR SELECT
  USING (current_setting('app.expired', true) = 'on' AND at_us <= ((extract(epoch from now()) - 7776000) * 1000000)::bigint);
CREATE POLICY expired_deleted ON mapping_exceptions FOR DELETE
  USING (current_setting('app.expired', true) = 'on' AND at_us <= ((extract(epoch from now()) - 7776000) * 1000000)::bigint);

ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE changes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON changes USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE change_heads ENABLE ROW LEVEL SECURITY;
ALTER TABLE change_heads FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON change_heads USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON change_heads FOR SELECT USING (current_setting('app.directory', true) = 'on');
