-- Where a feed's journal ends. The row is the feed's lock: who holds it gives out positions until its commit, on any silo.
-- sequence is the last MSH-13 that was accepted.
CREATE TABLE journal_head (
  tenant_id text COLLATE "C" NOT NULL,
  feed      text COLLATE "C" NOT NULL,
  position  bigint NOT NULL,
  at_us     bigint NOT NULL,
  sequence  bigint,
  resends   bigint NOT NULL,
  reused    bigint NOT NULL,
  PRIMARY KEY (tenant_id, feed)
) WITH (fillfactor = 50);

-- The journal, in partitions that are dropped whole: segment is the day, counted from 1970, from which on its messages are no
-- longer kept. identity and content are keyed hashes: of feed, sender and control id, and of the bytes.
CREATE TABLE journal_entry (
  segment   bigint NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  feed      text COLLATE "C" NOT NULL,
  position  bigint NOT NULL,
  at_us     bigint NOT NULL,
  identity  bytea NOT NULL,
  content   bytea NOT NULL,
  reused    integer NOT NULL,
  resends   integer NOT NULL,
  length    integer NOT NULL,
  message   bytea NOT NULL,
  PRIMARY KEY (tenant_id, feed, position, segment)
) PARTITION BY LIST (segment);

-- Sealed bytes do not get smaller.
ALTER TABLE journal_entry ALTER COLUMN message SET STORAGE EXTERNAL;

CREATE INDEX journal_entry_identity ON journal_entry (identity, content);

-- How far a feed was processed. epoch is that of its consumer; reached is the highest position that ever was processed.
CREATE TABLE feed_progress (
  tenant_id text COLLATE "C" NOT NULL,
  feed      text COLLATE "C" NOT NULL,
  epoch     bigint NOT NULL,
  position  bigint NOT NULL,
  reached   bigint NOT NULL,
  tries     integer NOT NULL,
  PRIMARY KEY (tenant_id, feed)
) WITH (fillfactor = 50);

-- Messages that could not be processed, with a copy of the sealed entry: they are kept until somebody has dealt with them.
CREATE TABLE feed_quarantine (
  tenant_id      text COLLATE "C" NOT NULL,
  feed           text COLLATE "C" NOT NULL,
  position       bigint NOT NULL,
  at_us          bigint NOT NULL,
  tries          integer NOT NULL,
  code           text NOT NULL,
  reason         text NOT NULL,
  segment        bigint NOT NULL,
  received_at_us bigint NOT NULL,
  reused         integer NOT NULL,
  resends        integer NOT NULL,
  message        bytea NOT NULL,
  PRIMARY KEY (tenant_id, feed, position)
);

-- The feeds of a tenant. version is that of the tenant's grain: an older one never overwrites.
CREATE TABLE tenant_feeds (
  tenant_id text COLLATE "C" PRIMARY KEY,
  version   bigint NOT NULL,
  specs     text NOT NULL
);

-- Where an outbound queue ends, and the epoch of its sender.
CREATE TABLE outbound_head (
  tenant_id       text COLLATE "C" NOT NULL,
  feed            text COLLATE "C" NOT NULL,
  position        bigint NOT NULL,
  epoch           bigint NOT NULL,
  delivered_at_us bigint,
  PRIMARY KEY (tenant_id, feed)
) WITH (fillfactor = 50);

-- Outbound queues. state: 0 waiting, 1 delivered, 2 put aside, 3 given up. A message that is delivered or given up leaves its row
-- behind for a time, so that its key stays known; its bytes go at once.
CREATE TABLE outbound_message (
  tenant_id     text COLLATE "C" NOT NULL,
  feed          text COLLATE "C" NOT NULL,
  position      bigint NOT NULL,
  key           bytea NOT NULL,
  at_us         bigint NOT NULL,
  state         integer NOT NULL,
  length        integer NOT NULL,
  settled_at_us bigint,
  tries         integer NOT NULL,
  code          text,
  reason        text,
  message       bytea,
  PRIMARY KEY (tenant_id, feed, position),
  UNIQUE (tenant_id, feed, key)
);

ALTER TABLE outbound_message ALTER COLUMN message SET STORAGE EXTERNAL;

CREATE INDEX outbound_message_open ON outbound_message (tenant_id, feed, state, position) WHERE state IN (0, 2);
CREATE INDEX outbound_message_settled ON outbound_message (tenant_id, settled_at_us) WHERE state IN (1, 3);

ALTER TABLE journal_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_head FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON journal_head USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON journal_head FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE journal_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE journal_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON journal_entry USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE feed_progress ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_progress FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON feed_progress USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE feed_quarantine ENABLE ROW LEVEL SECURITY;
ALTER TABLE feed_quarantine FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON feed_quarantine USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

ALTER TABLE tenant_feeds ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenant_feeds FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON tenant_feeds USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON tenant_feeds FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE outbound_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbound_head FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON outbound_head USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON outbound_head FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE outbound_message ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbound_message FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON outbound_message USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));

-- The role that silos run as owns nothing and so can neither add nor drop a partition. It gets both done here, within bounds: no
-- segment is dropped before its day. Attaching does not stop readers and writers; dropping does for a moment, and gives up rather
-- than queue everybody behind it.
CREATE FUNCTION journal_add_segment(day bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  part text := 'journal_' || day;
BEGIN
  IF day NOT BETWEEN 1 AND 99999 THEN
    RAISE EXCEPTION 'No such day: %.', day;
  END IF;
  PERFORM pg_advisory_xact_lock(4992039271934575425);
  IF to_regclass(part) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE journal_entry INCLUDING INDEXES INCLUDING STORAGE)', part);
  EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', part);
  EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', part);
  EXECUTE format(
    'CREATE POLICY of_tenant ON %I USING (tenant_id = ANY (string_to_array(current_setting(''app.tenant'', true), '','')))', part);
  EXECUTE format('ALTER TABLE journal_entry ATTACH PARTITION %I FOR VALUES IN (%s)', part, day);
END
$$;

CREATE FUNCTION journal_drop_segment(day bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
BEGIN
  IF day > extract(epoch from clock_timestamp()) / 86400 THEN
    RAISE EXCEPTION 'The messages of segment % are still to be kept.', day;
  END IF;
  EXECUTE format('DROP TABLE IF EXISTS %I', 'journal_' || day);
END
$$;

REVOKE ALL ON FUNCTION journal_add_segment(bigint), journal_drop_segment(bigint) FROM PUBLIC;
