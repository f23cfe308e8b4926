-- Tables of the cluster, and the statements that Orleans' AdoNet providers read from OrleansQuery at start. Parameter and column
-- names are theirs. A conditional write returns nothing, or false, when another writer was first.
CREATE TABLE OrleansQuery (
    QueryKey  text PRIMARY KEY,
    QueryText text NOT NULL
);

CREATE TABLE silo_membership (
    deployment text PRIMARY KEY,
    version    integer NOT NULL
);

CREATE TABLE silo_member (
    deployment    text NOT NULL,
    address       text NOT NULL,
    port          integer NOT NULL,
    generation    integer NOT NULL,
    silo_name     text NOT NULL,
    host_name     text NOT NULL,
    status        integer NOT NULL,
    proxy_port    integer,
    suspect_times text,
    start_time    timestamptz NOT NULL,
    alive_time    timestamptz NOT NULL,
    PRIMARY KEY (deployment, address, port, generation)
);

-- key_text is empty for a grain without one, so that it can stand in the key.
CREATE TABLE grain_state (
    service_id text NOT NULL,
    grain_type text NOT NULL,
    key0       bigint NOT NULL,
    key1       bigint NOT NULL,
    key_text   text NOT NULL,
    payload    bytea,
    version    integer NOT NULL,
    PRIMARY KEY (service_id, grain_type, key0, key1, key_text)
);

CREATE TABLE reminder (
    service_id text NOT NULL,
    grain      text NOT NULL,
    name       text NOT NULL,
    grain_hash integer NOT NULL,
    start_time timestamptz NOT NULL,
    period     bigint NOT NULL,
    version    integer NOT NULL,
    PRIMARY KEY (service_id, grain, name)
);

CREATE INDEX reminder_by_hash ON reminder (service_id, grain_hash);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('ReadFromStorageKey', '
SELECT payload AS PayloadBinary, version AS Version FROM grain_state
WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key0 = @GrainIdN0 AND key1 = @GrainIdN1 AND key_text = coalesce(@GrainIdExtensionString, '''')
'),
('WriteToStorageKey', '
WITH updated AS (
    UPDATE grain_state SET payload = @PayloadBinary, version = version + 1
    WHERE service_id = @ServiceId AND grain_type = @GrainTypeString AND key0 = @GrainIdN0 AND key1 = @GrainIdN1 AND key_text = coalesce(@GrainIdExtensionString, '''') AND version = @GrainStateVersion
    RETURNING version),
inserted AS (
    INSERT INTO grain_state (service_id, grain_type, key0, key1, key_text, payload, version)
    SELECT @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, coalesce(@GrainIdExtensionString, ''''), @PayloadBinary, 1
    WHERE @GrainStateVersion IS NULL
    ON CONFLICT DO NOTHING
    RETURNING version)
SELECT version AS NewGrainStateVersion FROM updated UNION ALL SELECT version FROM inserted
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
WITH created AS (
    INSERT INTO silo_membership (deployment, version) VALUES (@DeploymentId, 0) ON CONFLICT DO NOTHING RETURNING 1)
SELECT count(*) > 0 FROM created
'),
('InsertMembershipKey', '
WITH counted AS (
    UPDATE silo_membership SET version = version + 1
    WHERE deployment = @DeploymentId AND version = @Version
      AND NOT EXISTS (SELECT 1 FROM silo_member WHERE deployment = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation)
    RETURNING deployment),
inserted AS (
    INSERT INTO silo_member (deployment, address, port, generation, silo_name, host_name, status, proxy_port, start_time, alive_time)
    SELECT deployment, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime FROM counted
    RETURNING 1)
SELECT count(*) > 0 FROM inserted
'),
('UpdateMembershipKey', '
WITH counted AS (
    UPDATE silo_membership SET version = version + 1
    WHERE deployment = @DeploymentId AND version = @Version
      AND EXISTS (SELECT 1 FROM silo_member WHERE deployment = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation)
    RETURNING deployment),
updated AS (
    UPDATE silo_member SET status = @Status, suspect_times = @SuspectTimes, alive_time = @IAmAliveTime
    WHERE deployment = @DeploymentId AND address = @Address AND port = @Port AND generation = @Generation AND EXISTS (SELECT 1 FROM counted)
    RETURNING 1)
SELECT count(*) > 0 FROM updated
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
WITH members AS (DELETE FROM silo_member WHERE deployment = @DeploymentId)
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
WITH deleted AS (
    DELETE FROM reminder WHERE service_id = @ServiceId AND grain = @GrainId AND name = @ReminderName AND version = @Version RETURNING 1)
SELECT count(*) > 0 FROM deleted
'),
('DeleteReminderRowsKey', '
DELETE FROM reminder WHERE service_id = @ServiceId
');
