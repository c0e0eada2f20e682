-- Applied after every run that changed the schema. The role that silos connect as should own nothing: make it a member of the
-- group role 'ehrgrains_app' (CREATE ROLE ehrgrains_app NOLOGIN), which gets just what it needs. Audit rows it can only add.
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'ehrgrains_app') THEN
    GRANT USAGE ON SCHEMA public TO ehrgrains_app;
    GRANT SELECT ON schema_migration, OrleansQuery TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON
      orleans_storage, orleans_reminder, orleans_membership, orleans_membership_version,
      tenant_grant, one_time TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE ON tenant_key, tenant, audit_head TO ehrgrains_app;
    GRANT SELECT, INSERT ON audit_entry, audit_patient, id_alias, signing_key TO ehrgrains_app;
  END IF;
END
$$;
