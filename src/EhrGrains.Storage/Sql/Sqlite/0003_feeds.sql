-- Where a feed's journal ends. The row is the feed's lock: who holds it gives out positions until its commit, on any silo.
-- sequence is the last MSH-13 that was accepted.
CREATE TABLE journal_head (
  tenant_id TEXT NOT NULL,
  feed      TEXT NOT NULL,
  position  INTEGER NOT NULL,
  at_us     INTEGER NOT NULL,
  sequence  INTEGER,
  resends   INTEGER NOT NULL,
  reused    INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, feed)
) STRICT, WITHOUT ROWID;

-- The journal: a view over one table per segment, which is made with the first table and again with each that is added or
-- dropped. segment is the day, counted from 1970, from which on its messages are no longer kept.
CREATE VIEW journal_entry AS
SELECT 0 AS segment, '' AS tenant_id, '' AS feed, 0 AS position, 0 AS at_us, x'' AS identity, x'' AS content, 0 AS reused,
  0 AS resends, 0 AS length, x'' AS message WHERE 0;

-- How far a feed was processed. epoch is that of its consumer; reached is the highest position that ever was processed.
CREATE TABLE feed_progress (
  tenant_id TEXT NOT NULL,
  feed      TEXT NOT NULL,
  epoch     INTEGER NOT NULL,
  position  INTEGER NOT NULL,
  reached   INTEGER NOT NULL,
  tries     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, feed)
) STRICT, WITHOUT ROWID;

-- Messages that could not be processed, with a copy of the sealed entry: they are kept until somebody has dealt with them.
CREATE TABLE feed_quarantine (
  tenant_id      TEXT NOT NULL,
  feed           TEXT NOT NULL,
  position       INTEGER NOT NULL,
  at_us          INTEGER NOT NULL,
  tries          INTEGER NOT NULL,
  code           TEXT NOT NULL,
  reason         TEXT NOT NULL,
  segment        INTEGER NOT NULL,
  received_at_us INTEGER NOT NULL,
  reused         INTEGER NOT NULL,
  resends        INTEGER NOT NULL,
  message        BLOB NOT NULL,
  PRIMARY KEY (tenant_id, feed, position)
) STRICT;

-- The feeds of a tenant. version is that of the tenant's grain: an older one never overwrites.
CREATE TABLE tenant_feeds (
  tenant_id TEXT PRIMARY KEY,
  version   INTEGER NOT NULL,
  specs     TEXT NOT NULL
) STRICT;

-- Where an outbound queue ends, and the epoch of its sender.
CREATE TABLE outbound_head (
  tenant_id       TEXT NOT NULL,
  feed            TEXT NOT NULL,
  position        INTEGER NOT NULL,
  epoch           INTEGER NOT NULL,
  delivered_at_us INTEGER,
  PRIMARY KEY (tenant_id, feed)
) STRICT, WITHOUT ROWID;

-- Outbound queues. state: 0 waiting, 1 delivered, 2 put aside, 3 given up. A message that is delivered or given up leaves its row
-- behind for a time, so that its key stays known; its bytes go at once.
CREATE TABLE outbound_message (
  tenant_id     TEXT NOT NULL,
  feed          TEXT NOT NULL,
  position      INTEGER NOT NULL,
  key           BLOB NOT NULL,
  at_us         INTEGER NOT NULL,
  state         INTEGER NOT NULL,
  length        INTEGER NOT NULL,
  settled_at_us INTEGER,
  tries         INTEGER NOT NULL,
  code          TEXT,
  reason        TEXT,
  message       BLOB,
  PRIMARY KEY (tenant_id, feed, position),
  UNIQUE (tenant_id, feed, key)
) STRICT;

CREATE INDEX outbound_message_open ON outbound_message (tenant_id, feed, state, position) WHERE state IN (0, 2);
CREATE INDEX outbound_message_settled ON outbound_message (tenant_id, settled_at_us) WHERE state IN (1, 3);
