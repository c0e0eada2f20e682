-- What was applied, and the SHA-256 of the script that was.
CREATE TABLE schema_migration (
  name          TEXT PRIMARY KEY,
  sha256        TEXT NOT NULL,
  applied_at_us INTEGER NOT NULL
) STRICT;

-- Orleans reads the statements that it runs from this table; its name and columns are fixed by the provider.
CREATE TABLE OrleansQuery (
  QueryKey  TEXT PRIMARY KEY,
  QueryText TEXT NOT NULL
) STRICT;

-- Grain state. The primary key is the grain's whole identity, so that two first writers cannot both win.
CREATE TABLE orleans_storage (
  service_id  TEXT NOT NULL,
  grain_type  TEXT NOT NULL,
  key_n0      INTEGER NOT NULL,
  key_n1      INTEGER NOT NULL,
  key_text    TEXT NOT NULL,
  payload     BLOB,
  modified_at TEXT NOT NULL,
  version     INTEGER NOT NULL,
  PRIMARY KEY (service_id, grain_type, key_n0, key_n1, key_text)
) STRICT;

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('ReadFromStorageKey', '
SELECT payload AS PayloadBinary, version AS Version FROM orleans_storage
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
  AND key_text = COALESCE(@GrainIdExtensionString, '''')
'),
-- One statement and no BEGIN: a connection that was refused the lock must not go back to the pool with a transaction open.
-- No row returned means conflict: the version is not the one that the writer read, or another first writer was faster.
('WriteToStorageKey', '
INSERT INTO orleans_storage (service_id, grain_type, key_n0, key_n1, key_text, payload, modified_at, version)
SELECT @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, COALESCE(@GrainIdExtensionString, ''''), @PayloadBinary,
  strftime(''%Y-%m-%d %H:%M:%f'', ''now''), 1
WHERE @GrainStateVersion IS NULL OR EXISTS (
  SELECT 1 FROM orleans_storage
  WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
    AND key_text = COALESCE(@GrainIdExtensionString, ''''))
ON CONFLICT (service_id, grain_type, key_n0, key_n1, key_text) DO UPDATE
SET payload = excluded.payload, modified_at = excluded.modified_at, version = orleans_storage.version + 1
WHERE orleans_storage.version = @GrainStateVersion
RETURNING version AS NewGrainStateVersion
'),
('ClearStorageKey', '
UPDATE orleans_storage SET payload = NULL, modified_at = strftime(''%Y-%m-%d %H:%M:%f'', ''now''), version = version + 1
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
  AND key_text = COALESCE(@GrainIdExtensionString, '''') AND version = @GrainStateVersion
RETURNING version AS NewGrainStateVersion
'),
('DeleteStorageKey', '
DELETE FROM orleans_storage
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key_n0 = @GrainIdN0 AND key_n1 = @GrainIdN1
  AND key_text = COALESCE(@GrainIdExtensionString, '''') AND version = @GrainStateVersion
RETURNING version + 1 AS NewGrainStateVersion
');

CREATE TABLE orleans_reminder (
  service_id    TEXT NOT NULL,
  grain_id      TEXT NOT NULL,
  reminder_name TEXT NOT NULL,
  start_time    TEXT NOT NULL,
  period_ms     INTEGER NOT NULL,
  grain_hash    INTEGER NOT NULL,
  version       INTEGER NOT NULL,
  PRIMARY KEY (service_id, grain_id, reminder_name)
) STRICT;

CREATE INDEX orleans_reminder_hash ON orleans_reminder (service_id, grain_hash);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('UpsertReminderRowKey', '
INSERT INTO orleans_reminder (service_id, grain_id, reminder_name, start_time, period_ms, grain_hash, version)
VALUES (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash, 0)
ON CONFLICT (service_id, grain_id, reminder_name) DO UPDATE
SET start_time = excluded.start_time, period_ms = excluded.period_ms, grain_hash = excluded.grain_hash,
  version = orleans_reminder.version + 1
RETURNING version AS Version
'),
('ReadReminderRowsKey', '
SELECT grain_id AS GrainId, reminder_name AS ReminderName, start_time AS StartTime, period_ms AS Period, version AS Version
FROM orleans_reminder WHERE service_id = @ServiceId AND grain_id = @GrainId
'),
('ReadReminderRowKey', '
SELECT grain_id AS GrainId, reminder_name AS ReminderName, start_time AS StartTime, period_ms AS Period, version AS Version
FROM orleans_reminder WHERE service_id = @ServiceId AND grain_id = @GrainId AND reminder_name = @ReminderName
'),
('ReadRangeRows1Key', '
SELECT grain_id AS GrainId, reminder_name AS ReminderName, start_time AS StartTime, period_ms AS Period, version AS Version
FROM orleans_reminder WHERE service_id = @ServiceId AND grain_hash > @BeginHash AND grain_hash <= @EndHash
'),
('ReadRangeRows2Key', '
SELECT grain_id AS GrainId, reminder_name AS ReminderName, start_time AS StartTime, period_ms AS Period, version AS Version
FROM orleans_reminder WHERE service_id = @ServiceId AND (grain_hash > @BeginHash OR grain_hash <= @EndHash)
'),
('DeleteReminderRowKey', '
DELETE FROM orleans_reminder
WHERE service_id = @ServiceId AND grain_id = @GrainId AND reminder_name = @ReminderName AND version = @Version;
SELECT changes()
'),
('DeleteReminderRowsKey', '
DELETE FROM orleans_reminder WHERE service_id = @ServiceId
');

CREATE TABLE orleans_membership_version (
  deployment_id TEXT PRIMARY KEY,
  version       INTEGER NOT NULL
) STRICT;

-- version is the version of the whole table that the row was last changed at; the triggers carry it into the version row, so
-- that the change of a member and of the version are one statement.
CREATE TABLE orleans_membership (
  deployment_id TEXT NOT NULL REFERENCES orleans_membership_version,
  address       TEXT NOT NULL,
  port          INTEGER NOT NULL,
  generation    INTEGER NOT NULL,
  silo_name     TEXT NOT NULL,
  host_name     TEXT NOT NULL,
  status        INTEGER NOT NULL,
  proxy_port    INTEGER NOT NULL,
  suspect_times TEXT,
  start_time    TEXT NOT NULL,
  alive_time    TEXT NOT NULL,
  version       INTEGER NOT NULL,
  PRIMARY KEY (deployment_id, address, port, generation)
) STRICT;

CREATE TRIGGER orleans_membership_inserted AFTER INSERT ON orleans_membership BEGIN
  UPDATE orleans_membership_version SET version = NEW.version WHERE deployment_id = NEW.deployment_id;
END;

CREATE TRIGGER orleans_membership_updated AFTER UPDATE OF version ON orleans_membership BEGIN
  UPDATE orleans_membership_version SET version = NEW.version WHERE deployment_id = NEW.deployment_id;
END;

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('InsertMembershipVersionKey', '
INSERT INTO orleans_membership_version (deployment_id, version) VALUES (@DeploymentId, 0) ON CONFLICT DO NOTHING;
SELECT changes()
'),
('InsertMembershipKey', '
INSERT INTO orleans_membership (
  deployment_id, address, port, generation, silo_name, host_name, status, proxy_port, start_time, alive_time, version)
SELECT @DeploymentId, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime, @Version + 1
WHERE EXISTS (SELECT 1 FROM orleans_membership_version v WHERE v.deployment_id = @DeploymentId AND v.version = @Version)
ON CONFLICT DO NOTHING;
SELECT changes()
'),
('UpdateMembershipKey', '
UPDATE orleans_membership
SET status = @Status, suspect_times = @SuspectTimes, alive_time = @IAmAliveTime, version = @Version + 1
WHERE deployment_id = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation
  AND EXISTS (SELECT 1 FROM orleans_membership_version v WHERE v.deployment_id = @DeploymentId AND v.version = @Version);
SELECT changes()
'),
('UpdateIAmAlivetimeKey', '
UPDATE orleans_membership SET alive_time = @IAmAliveTime
WHERE deployment_id = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation
'),
('MembershipReadRowKey', '
SELECT m.address AS Address, m.port AS Port, m.generation AS Generation, m.silo_name AS SiloName, m.host_name AS HostName,
  m.status AS Status, m.proxy_port AS ProxyPort, m.suspect_times AS SuspectTimes, m.start_time AS StartTime,
  m.alive_time AS IAmAliveTime, v.version AS Version
FROM orleans_membership_version v
LEFT JOIN orleans_membership m
  ON m.deployment_id = v.deployment_id AND m.address = @Address AND m.port = @Port AND m.generation = @Generation
WHERE v.deployment_id = @DeploymentId
'),
('MembershipReadAllKey', '
SELECT m.address AS Address, m.port AS Port, m.generation AS Generation, m.silo_name AS SiloName, m.host_name AS HostName,
  m.status AS Status, m.proxy_port AS ProxyPort, m.suspect_times AS SuspectTimes, m.start_time AS StartTime,
  m.alive_time AS IAmAliveTime, v.version AS Version
FROM orleans_membership_version v LEFT JOIN orleans_membership m ON m.deployment_id = v.deployment_id
WHERE v.deployment_id = @DeploymentId
'),
('GatewaysQueryKey', '
SELECT address AS Address, proxy_port AS ProxyPort, generation AS Generation FROM orleans_membership
WHERE deployment_id = @DeploymentId AND status = @Status AND proxy_port > 0
'),
('DeleteMembershipTableEntriesKey', '
DELETE FROM orleans_membership WHERE deployment_id = @DeploymentId;
DELETE FROM orleans_membership_version WHERE deployment_id = @DeploymentId
'),
-- 3 is active: a member that still says so is never cleaned up.
('CleanupDefunctSiloEntriesKey', '
DELETE FROM orleans_membership WHERE deployment_id = @DeploymentId AND alive_time < @IAmAliveTime AND status <> 3
'),
('CleanupDefunctSiloEntryKey', '
DELETE FROM orleans_membership
WHERE deployment_id = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation AND status = 6
  AND suspect_times IS @SuspectTimes AND start_time = @StartTime AND alive_time = @IAmAliveTime
');
