-- A resource is read by its type and id, which do not say whose record it is in.
CREATE INDEX record_resources_id ON record_resources (tenant_id, type, id);
