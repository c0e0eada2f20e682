-- What was applied, and the SHA-256 of the script that was.
CREATE TABLE schema_migration (
  name          text PRIMARY KEY,
  sha256        text NOT NULL,
  applied_at_us bigint NOT NULL
);

-- Orleans reads the statements that it runs from this table; its name and columns are fixed by the provider.
CREATE TABLE OrleansQuery (
  QueryKey  text PRIMARY KEY,
  QueryText text NOT NULL
);

-- Grain state. The primary key is the grain's whole identity, so that two first writers cannot both win.
CREATE TABLE orleans_storage (
  service_id  text COLLATE "C" NOT NULL,
  grain_type  text COLLATE "C" NOT NULL,
  key_n0      bigint NOT NULL,
  key_n1      bigint NOT NULL,
  key_text    text COLLATE "C" NOT NULL,
  payload     bytea,
  modified_at timestamptz NOT NULL,
  version     integer NOT NULL,
  PRIMARY KEY (service_id, grain_type, key_n0, key_n1, key_text)
) WITH (fillfactor = 80);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('ReadFromStorageKey', $$
SELECT payload AS "PayloadBinary", version AS "Version" FROM orleans_storage
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
  AND key_text = COALESCE(@GrainIdExtensionString, '')
$$),
-- No row returned means conflict: the version is not the one that the writer read, or another first writer was faster.
('WriteToStorageKey', $$
WITH u AS (
  UPDATE orleans_storage SET payload = @PayloadBinary, modified_at = now(), version = version + 1
  WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
    AND key_text = COALESCE(@GrainIdExtensionString, '') AND version = @GrainStateVersion
  RETURNING version),
i AS (
  INSERT INTO orleans_storage (service_id, grain_type, key_n0, key_n1, key_text, payload, modified_at, version)
  SELECT @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, COALESCE(@GrainIdExtensionString, ''), @PayloadBinary, now(), 1
  WHERE @GrainStateVersion IS NULL
  ON CONFLICT DO NOTHING
  RETURNING version)
SELECT version AS "NewGrainStateVersion" FROM u UNION ALL SELECT version FROM i
$$),
('ClearStorageKey', $$
UPDATE orleans_storage SET payload = NULL, modified_at = now(), version = version + 1
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
  AND key_text = COALESCE(@GrainIdExtensionString, '') AND version = @GrainStateVersion
RETURNING version AS "NewGrainStateVersion"
$$),
('DeleteStorageKey', $$
DELETE FROM orleans_storage
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
  AND key_text = COALESCE(@GrainIdExtensionString, '') AND version = @GrainStateVersion
RETURNING version + 1 AS "NewGrainStateVersion"
$$);

CREATE TABLE orleans_reminder (
  service_id    text COLLATE "C" NOT NULL,
  grain_id      text COLLATE "C" NOT NULL,
  reminder_name text COLLATE "C" NOT NULL,
  start_time    timestamptz NOT NULL,
  period_ms     bigint NOT NULL,
  grain_hash    integer NOT NULL,
  version       integer NOT NULL,
  PRIMARY KEY (service_id, grain_id, reminder_name)
);

CREATE INDEX orleans_reminder_hash ON orleans_reminder (service_id, grain_hash);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('UpsertReminderRowKey', $$
INSERT INTO orleans_reminder AS r (service_id, grain_id, reminder_name, start_time, period_ms, grain_hash, version)
VALUES (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash, 0)
ON CONFLICT (service_id, grain_id, reminder_name) DO UPDATE
SET start_time = excluded.start_time, period_ms = excluded.period_ms, grain_hash = excluded.grain_hash, version = r.version + 1
RETURNING version AS "Version"
$$),
('ReadReminderRowsKey', $$
SELECT grain_id AS "GrainId", reminder_name AS "ReminderName", start_time AS "StartTime", period_ms AS "Period", version AS "Version"
FROM orleans_reminder WHERE service_id = @ServiceId AND grain_id = @GrainId
$$),
('ReadReminderRowKey', $$
SELECT grain_id AS "GrainId", reminder_name AS "ReminderName", start_time AS "StartTime", period_ms AS "Period", version AS "Version"
FROM orleans_reminder WHERE service_id = @ServiceId AND grain_id = @GrainId AND reminder_name = @ReminderName
$$),
('ReadRangeRows1Key', $$
SELECT grain_id AS "GrainId", reminder_name AS "ReminderName", start_time AS "StartTime", period_ms AS "Period", version AS "Version"
FROM orleans_reminder WHERE service_id = @ServiceId AND grain_hash > @BeginHash AND grain_hash <= @EndHash
$$),
('ReadRangeRows2Key', $$
SELECT grain_id AS "GrainId", reminder_name AS "ReminderName", start_time AS "StartTime", period_ms AS "Period", version AS "Version"
FROM orleans_reminder WHERE service_id = @ServiceId AND (grain_hash > @BeginHash OR grain_hash <= @EndHash)
$$),
('DeleteReminderRowKey', $$
WITH d AS (
  DELETE FROM orleans_reminder
  WHERE service_id = @ServiceId AND grain_id = @GrainId AND reminder_name = @ReminderName AND version = @Version
  RETURNING 1)
SELECT count(*)::integer FROM d
$$),
('DeleteReminderRowsKey', $$
DELETE FROM orleans_reminder WHERE service_id = @ServiceId
$$);

-- Membership. The version row gates every change of a member, in one statement.
CREATE TABLE orleans_membership_version (
  deployment_id text COLLATE "C" PRIMARY KEY,
  changed_at    timestamptz NOT NULL,
  version       integer NOT NULL
);

CREATE TABLE orleans_membership (
  deployment_id text COLLATE "C" NOT NULL REFERENCES orleans_membership_version,
  address       text COLLATE "C" NOT NULL,
  port          integer NOT NULL,
  generation    integer NOT NULL,
  silo_name     text NOT NULL,
  host_name     text NOT NULL,
  status        integer NOT NULL,
  proxy_port    integer NOT NULL,
  suspect_times text,
  start_time    timestamptz NOT NULL,
  alive_time    timestamptz NOT NULL,
  PRIMARY KEY (deployment_id, address, port, generation)
);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('InsertMembershipVersionKey', $$
WITH i AS (
  INSERT INTO orleans_membership_version (deployment_id, changed_at, version) VALUES (@DeploymentId, now(), 0)
  ON CONFLICT DO NOTHING
  RETURNING 1)
SELECT count(*)::integer FROM i
$$),
('InsertMembershipKey', $$
WITH v AS (
  UPDATE orleans_membership_version SET changed_at = now(), version = version + 1
  WHERE deployment_id = @DeploymentId AND version = @Version AND NOT EXISTS (
    SELECT 1 FROM orleans_membership m
    WHERE m.deployment_id = @DeploymentId AND m.address = @Address AND m.port = @Port AND m.generation = @Generation)
  RETURNING 1),
i AS (
  INSERT INTO orleans_membership (
    deployment_id, address, port, generation, silo_name, host_name, status, proxy_port, start_time, alive_time)
  SELECT @DeploymentId, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime FROM v
  RETURNING 1)
SELECT count(*)::integer FROM i
$$),
('UpdateMembershipKey', $$
WITH v AS (
  UPDATE orleans_membership_version SET changed_at = now(), version = version + 1
  WHERE deployment_id = @DeploymentId AND version = @Version AND EXISTS (
    SELECT 1 FROM orleans_membership m
    WHERE m.deployment_id = @DeploymentId AND m.address = @Address AND m.port = @Port AND m.generation = @Generation)
  RETURNING 1),
u AS (
  UPDATE orleans_membership m SET status = @Status, suspect_times = @SuspectTimes, alive_time = @IAmAliveTime FROM v
  WHERE m.deployment_id = @DeploymentId AND m.address = @Address AND m.port = @Port AND m.generation = @Generation
  RETURNING 1)
SELECT count(*)::integer FROM u
$$),
('UpdateIAmAlivetimeKey', $$
UPDATE orleans_membership SET alive_time = @IAmAliveTime
WHERE deployment_id = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation
$$),
('MembershipReadRowKey', $$
SELECT m.address AS "Address", m.port AS "Port", m.generation AS "Generation", m.silo_name AS "SiloName", m.host_name AS "HostName",
  m.status AS "Status", m.proxy_port AS "ProxyPort", m.suspect_times AS "SuspectTimes", m.start_time AS "StartTime",
  m.alive_time AS "IAmAliveTime", v.version AS "Version"
FROM orleans_membership_version v
LEFT JOIN orleans_membership m
  ON m.deployment_id = v.deployment_id AND m.address = @Address AND m.port = @Port AND m.generation = @Generation
WHERE v.deployment_id = @DeploymentId
$$),
('MembershipReadAllKey', $$
SELECT m.address AS "Address", m.port AS "Port", m.generation AS "Generation", m.silo_name AS "SiloName", m.host_name AS "HostName",
  m.status AS "Status", m.proxy_port AS "ProxyPort", m.suspect_times AS "SuspectTimes", m.start_time AS "StartTime",
  m.alive_time AS "IAmAliveTime", v.version AS "Version"
FROM orleans_membership_version v LEFT JOIN orleans_membership m ON m.deployment_id = v.deployment_id
WHERE v.deployment_id = @DeploymentId
$$),
('GatewaysQueryKey', $$
SELECT address AS "Address", proxy_port AS "ProxyPort", generation AS "Generation" FROM orleans_membership
WHERE deployment_id = @DeploymentId AND status = @Status AND proxy_port > 0
$$),
('DeleteMembershipTableEntriesKey', $$
WITH m AS (DELETE FROM orleans_membership WHERE deployment_id = @DeploymentId)
DELETE FROM orleans_membership_version WHERE deployment_id = @DeploymentId
$$),
-- 3 is active: a member that still says so is never cleaned up.
('CleanupDefunctSiloEntriesKey', $$
DELETE FROM orleans_membership WHERE deployment_id = @DeploymentId AND alive_time < @IAmAliveTime AND status <> 3
$$),
('CleanupDefunctSiloEntryKey', $$
DELETE FROM orleans_membership
WHERE deployment_id = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation AND status = 6
  AND suspect_times IS NOT DISTINCT FROM @SuspectTimes AND start_time = @StartTime AND alive_time = @IAmAliveTime
$$);
