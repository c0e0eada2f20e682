-- Applied at the end of every migration run by the owner. The role that silos connect as should own nothing: make it a member
-- of the group role 'ehrgrains_app' (CREATE ROLE ehrgrains_app NOLOGIN), which gets just what it needs. Audit rows it can only
-- add; of a journalled message it can change nothing but how often it arrived again.
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'ehrgrains_app')
    AND (SELECT pg_has_role(tableowner, 'MEMBER') FROM pg_tables WHERE tablename = 'audit_entry' AND schemaname = 'public') THEN
    GRANT USAGE ON SCHEMA public TO ehrgrains_app;
    GRANT SELECT ON schema_migration, OrleansQuery TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON
      orleans_storage, orleans_reminder, orleans_membership, orleans_membership_version,
      tenant_grant, one_time, paging_position TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE ON tenant_key, tenant, audit_head TO ehrgrains_app;
    GRANT SELECT, INSERT ON audit_entry, audit_patient, id_alias, signing_key TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE ON journal_head, feed_progress, tenant_feeds, outbound_head TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON feed_quarantine, outbound_message TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE ON record_heads, record_resources, patient_identifiers, change_heads TO ehrgrains_app;
    GRANT SELECT, INSERT ON record_versions TO ehrgrains_app;
    GRANT SELECT, INSERT, DELETE ON record_index, mapping_exceptions, changes TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON webhook TO ehrgrains_app;
    GRANT SELECT, INSERT, DELETE ON webhook_delivery TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON sync_tenants, sync_patients, sync_cursors TO ehrgrains_app;
    GRANT SELECT, INSERT, DELETE ON sync_seen TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON cohorts, cohort_members, bulk_files TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE ON write_heads TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON writes TO ehrgrains_app;
    GRANT SELECT, INSERT, UPDATE (resends) ON journal_entry TO ehrgrains_app;
    GRANT EXECUTE ON FUNCTION journal_add_segment(bigint), journal_drop_segment(bigint) TO ehrgrains_app;
  END IF;
END
$$;
