-- Where searches go on whose links are too long for a cursor, until they expire. id begins with the expiry; tenant_id is a tenant's id, or '~cluster'.
CREATE TABLE paging_position (
  id            BLOB PRIMARY KEY,
  tenant_id     TEXT NOT NULL,
  position      BLOB NOT NULL,
  expires_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
