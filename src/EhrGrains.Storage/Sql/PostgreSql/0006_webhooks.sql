-- Webhooks: what they are is sealed state of their grains. epoch is that of the activation that delivers; position is the last change that
-- is delivered or was not for it; delivered counts changes, tries counts deliveries.
CREATE TABLE webhook (
  tenant_id       text COLLATE "C" NOT NULL,
  webhook         text COLLATE "C" NOT NULL,
  app             text COLLATE "C" NOT NULL,
  epoch           bigint NOT NULL,
  position        bigint NOT NULL,
  delivered       bigint NOT NULL,
  tries           bigint NOT NULL,
  delivered_at_us bigint,
  PRIMARY KEY (tenant_id, webhook)
) WITH (fillfactor = 50);

-- Tries to deliver, without what was delivered. first and last are changes.
CREATE TABLE webhook_delivery (
  tenant_id    text COLLATE "C" NOT NULL,
  webhook      text COLLATE "C" NOT NULL,
  number       bigint NOT NULL,
  at_us        bigint NOT NULL,
  delivery     text NOT NULL,
  first        bigint NOT NULL,
  last         bigint NOT NULL,
  try          bigint NOT NULL,
  outcome      text NOT NULL,
  milliseconds bigint NOT NULL,
  PRIMARY KEY (tenant_id, webhook, number)
);

ALTER TABLE webhook ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON webhook USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
CREATE POLICY directory ON webhook FOR SELECT USING (current_setting('app.directory', true) = 'on');

ALTER TABLE webhook_delivery ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_delivery FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON webhook_delivery USING (tenant_id = ANY (string_to_array(current_setting('app.tenant', true), ',')));
