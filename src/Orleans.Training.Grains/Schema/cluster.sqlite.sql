-- Tables of the cluster, and the statements that Orleans' AdoNet providers read from OrleansQuery at start. Parameter and column
-- names are theirs. A conditional write returns nothing, or false, when another writer was first.
CREATE TABLE OrleansQuery (
    QueryKey  TEXT PRIMARY KEY,
    QueryText TEXT NOT NULL
);

CREATE TABLE silo_membership (
    deployment TEXT PRIMARY KEY,
    version    INTEGER NOT NULL
);

CREATE TABLE silo_member (
    deployment    TEXT NOT NULL,
    address       TEXT NOT NULL,
    port          INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    silo_name     TEXT NOT NULL,
    host_name     TEXT NOT NULL,
    status        INTEGER NOT NULL,
    proxy_port    INTEGER,
    suspect_times TEXT,
    start_time    TEXT NOT NULL,
    alive_time    TEXT NOT NULL,
    PRIMARY KEY (deployment, address, port, generation)
);

-- key_text is empty for a grain without one, so that it can stand in the key.
CREATE TABLE grain_state (
    service_id TEXT NOT NULL,
    grain_type TEXT NOT NULL,
    key0       INTEGER NOT NULL,
    key1       INTEGER NOT NULL,
    key_text   TEXT NOT NULL,
    payload    BLOB,
    version    INTEGER NOT NULL,
    PRIMARY KEY (service_id, grain_type, key0, key1, key_text)
);

CREATE TABLE reminder (
    service_id TEXT NOT NULL,
    grain      TEXT NOT NULL,
    name       TEXT NOT NULL,
    grain_hash INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    period     INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    PRIMARY KEY (service_id, grain, name)
);

CREATE INDEX reminder_by_hash ON reminder (service_id, grain_hash);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('ReadFromStorageKey', '
SELECT payload AS PayloadBinary, version AS Version FROM grain_state
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key0 = @GrainIdN0 AND key1 = @GrainIdN1 AND key_text = coalesce(@GrainIdExtensionString, '''')
'),
('WriteToStorageKey', '
INSERT INTO grain_state (service_id, grain_type, key0, key1, key_text, payload, version)
SELECT @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, coalesce(@GrainIdExtensionString, ''''), @PayloadBinary, 1
WHERE @GrainStateVersion IS NULL
   OR EXISTS (SELECT 1 FROM grain_state WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key0 = @GrainIdN0 AND key1 = @GrainIdN1 AND key_text = coalesce(@GrainIdExtensionString, ''''))
ON CONFLICT (service_id, grain_type, key0, key1, key_text) DO UPDATE SET payload = excluded.payload, version = version + 1
WHERE version = @GrainStateVersion
RETURNING version AS NewGrainStateVersion
'),
('ClearStorageKey', '
UPDATE grain_state SET payload = NULL, version = version + 1
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key0 = @GrainIdN0 AND key1 = @GrainIdN1 AND key_text = coalesce(@GrainIdExtensionString, '''') AND version = @GrainStateVersion
RETURNING version AS NewGrainStateVersion
'),
('DeleteStorageKey', '
DELETE FROM grain_state
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key0 = @GrainIdN0 AND key1 = @GrainIdN1 AND key_text = coalesce(@GrainIdExtensionString, '''') AND version = @GrainStateVersion
RETURNING version + 1 AS NewGrainStateVersion
'),
('InsertMembershipVersionKey', '
INSERT OR IGNORE INTO silo_membership (deployment, version) VALUES (@DeploymentId, 0);
SELECT changes() > 0
'),
('InsertMembershipKey', '
BEGIN IMMEDIATE;
INSERT OR IGNORE INTO silo_member (deployment, address, port, generation, silo_name, host_name, status, proxy_port, start_time, alive_time)
SELECT @DeploymentId, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime
WHERE EXISTS (SELECT 1 FROM silo_membership WHERE deployment = @DeploymentId AND version = @Version);
UPDATE silo_membership SET version = version + 1 WHERE deployment = @DeploymentId AND changes() > 0;
SELECT changes() > 0;
COMMIT
'),
('UpdateMembershipKey', '
BEGIN IMMEDIATE;
UPDATE silo_member SET status = @Status, suspect_times = @SuspectTimes, alive_time = @IAmAliveTime
WHERE deployment = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation
  AND EXISTS (SELECT 1 FROM silo_membership WHERE deployment = @DeploymentId AND version = @Version);
UPDATE silo_membership SET version = version + 1 WHERE deployment = @DeploymentId AND changes() > 0;
SELECT changes() > 0;
COMMIT
'),
('UpdateIAmAlivetimeKey', '
UPDATE silo_member SET alive_time = @IAmAliveTime
WHERE deployment = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation
'),
('MembershipReadRowKey', '
SELECT version_row.deployment AS DeploymentId, address AS Address, port AS Port, generation AS Generation, silo_name AS SiloName,
       host_name AS HostName, status AS Status, proxy_port AS ProxyPort, suspect_times AS SuspectTimes,
       start_time AS StartTime, alive_time AS IAmAliveTime, version_row.version AS Version
FROM silo_membership AS version_row LEFT JOIN silo_member AS member
  ON member.deployment = version_row.deployment AND address = @Address AND port = @Port AND generation = @Generation
WHERE version_row.deployment = @DeploymentId
'),
('MembershipReadAllKey', '
SELECT version_row.deployment AS DeploymentId, address AS Address, port AS Port, generation AS Generation, silo_name AS SiloName,
       host_name AS HostName, status AS Status, proxy_port AS ProxyPort, suspect_times AS SuspectTimes,
       start_time AS StartTime, alive_time AS IAmAliveTime, version_row.version AS Version
FROM silo_membership AS version_row LEFT JOIN silo_member AS member ON member.deployment = version_row.deployment
WHERE version_row.deployment = @DeploymentId
'),
('GatewaysQueryKey', '
SELECT address AS Address, proxy_port AS ProxyPort, generation AS Generation FROM silo_member
WHERE deployment = @DeploymentId AND status = @Status AND proxy_port > 0
'),
('DeleteMembershipTableEntriesKey', '
DELETE FROM silo_member WHERE deployment = @DeploymentId;
DELETE FROM silo_membership WHERE deployment = @DeploymentId
'),
('CleanupDefunctSiloEntriesKey', '
DELETE FROM silo_member
WHERE deployment = @DeploymentId AND alive_time < @IAmAliveTime AND status <> 3
'),
('UpsertReminderRowKey', '
INSERT INTO reminder AS mine (service_id, grain, name, grain_hash, start_time, period, version)
VALUES (@ServiceId, @GrainId, @ReminderName, @GrainHash, @StartTime, @Period, 1)
ON CONFLICT (service_id, grain, name) DO UPDATE
SET grain_hash = excluded.grain_hash, start_time = excluded.start_time, period = excluded.period, version = mine.version + 1
RETURNING version AS Version
'),
('ReadReminderRowsKey', '
SELECT grain AS GrainId, name AS ReminderName, start_time AS StartTime, period AS Period, version AS Version FROM reminder
WHERE service_id = @ServiceId AND grain = @GrainId
'),
('ReadReminderRowKey', '
SELECT grain AS GrainId, name AS ReminderName, start_time AS StartTime, period AS Period, version AS Version FROM reminder
WHERE service_id = @ServiceId AND grain = @GrainId AND name = @ReminderName
'),
('ReadRangeRows1Key', '
SELECT grain AS GrainId, name AS ReminderName, start_time AS StartTime, period AS Period, version AS Version FROM reminder
WHERE service_id = @ServiceId AND grain_hash > @BeginHash AND grain_hash <= @EndHash
'),
('ReadRangeRows2Key', '
SELECT grain AS GrainId, name AS ReminderName, start_time AS StartTime, period AS Period, version AS Version FROM reminder
WHERE service_id = @ServiceId AND (grain_hash > @BeginHash OR grain_hash <= @EndHash)
'),
('DeleteReminderRowKey', '
DELETE FROM reminder WHERE service_id = @ServiceId AND grain = @GrainId AND name = @ReminderName AND version = @Version;
SELECT changes() > 0
'),
('DeleteReminderRowsKey', '
DELETE FROM reminder WHERE service_id = @ServiceId
');
