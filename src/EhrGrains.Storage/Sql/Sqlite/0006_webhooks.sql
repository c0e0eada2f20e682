-- Webhooks: what they are is sealed state of their grains. epoch is that of the activation that delivers; position is the last change that
-- is delivered or was not for it; delivered counts changes, tries counts deliveries.
CREATE TABLE webhook (
  tenant_id       TEXT NOT NULL,
  webhook         TEXT NOT NULL,
  app             TEXT NOT NULL,
  epoch           INTEGER NOT NULL,
  position        INTEGER NOT NULL,
  delivered       INTEGER NOT NULL,
  tries           INTEGER NOT NULL,
  delivered_at_us INTEGER,
  PRIMARY KEY (tenant_id, webhook)
) STRICT, WITHOUT ROWID;

-- Tries to deliver, without what was delivered. first and last are changes.
CREATE TABLE webhook_delivery (
  tenant_id    TEXT NOT NULL,
  webhook      TEXT NOT NULL,
  number       INTEGER NOT NULL,
  at_us        INTEGER NOT NULL,
  delivery     TEXT NOT NULL,
  first        INTEGER NOT NULL,
  last         INTEGER NOT NULL,
  try          INTEGER NOT NULL,
  outcome      TEXT NOT NULL,
  milliseconds INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, webhook, number)
) STRICT, WITHOUT ROWID;
