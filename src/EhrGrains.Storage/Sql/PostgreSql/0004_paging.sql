-- Where searches go on whose links are too long for a cursor, until they expire. id begins with the expiry; tenant_id is a tenant's id, or '~cluster'.
CREATE TABLE paging_position (
  id            bytea PRIMARY KEY,
  tenant_id     text COLLATE "C" NOT NULL,
  position      bytea NOT NULL,
  expires_at_us bigint NOT NULL
);

-- app.expired allows to see and delete what has expired, whosever it was; nothing else.
ALTER TABLE paging_position ENABLE ROW LEVEL SECURITY;
ALTER TABLE paging_position FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON paging_position USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY expired_seen ON paging_position FOR SELECT
  USING (current_setting('app.expired', true) = 'on' AND expires_at_us <= (extract(epoch from now()) * 1000000)::bigint);
CREATE POLICY expired_deleted ON paging_position FOR DELETE
  USING (current_setting('app.expired', true) = 'on' AND expires_at_us <= (extract(epoch from now()) * 1000000)::bigint);
