-- Who sees and does what. The pipeline works for one workspace at a time; members see theirs, viewers only read.

-- Supabase grants every new table to its web roles; ours are granted through integrations_member instead.
do $$
declare
    relation text;
    web_role text;
begin
    foreach relation in array array[
        'integration_connections', 'integration_field_mappings', 'integration_sync_logs', 'integration_activity',
        'integration_links', 'integration_changes', 'pitches', 'pitch_emails', 'pitch_replies',
        'provider_rate_limits', 'alembic_version'
    ] loop
        continue when to_regclass(relation) is null;
        execute format('revoke all on %I from public', relation);
        for web_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
            execute format('revoke all on %I from %I', relation, web_role);
        end loop;
    end loop;
    for web_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on function integrations_due_connections(timestamptz, integer) from %I', web_role);
    end loop;
end
$$;

-- Every policy is written twice for the pipeline: the permissive one lets rows through, the restrictive one
-- keeps a policy of another application (`using (true)`) from letting through more.
create function pg_temp.secure(relation text, of_workspace text, member_sees text, member_writes text)
returns void language plpgsql as $$
begin
    execute format('alter table %I enable row level security', relation);
    execute format('drop policy if exists integrations_pipeline on %I', relation);
    execute format('drop policy if exists integrations_pipeline_only on %I', relation);
    execute format('drop policy if exists integrations_member_reads on %I', relation);
    execute format('drop policy if exists integrations_member_writes on %I', relation);
    execute format(
        'create policy integrations_pipeline on %I to integrations_pipeline using (%s) with check (%s)',
        relation, of_workspace, of_workspace);
    execute format(
        'create policy integrations_pipeline_only on %I as restrictive to integrations_pipeline '
        'using (%s) with check (%s)', relation, of_workspace, of_workspace);
    execute format(
        'create policy integrations_member_reads on %I for select to integrations_member using (%s)',
        relation, member_sees);
    execute format(
        'create policy integrations_member_writes on %I to integrations_member using (%s) with check (%s)',
        relation, member_writes, member_writes);
end
$$;

do $$
declare
    relation text;
    pipeline constant text := '%s = (select integrations_workspace_id())';
    reader constant text := $p$%s = any ((select integrations_workspaces_as('admin', 'member', 'viewer'))::uuid[])$p$;
    writer constant text := $p$%s = any ((select integrations_workspaces_as('admin', 'member'))::uuid[])$p$;
    admin constant text := $p$%s = any ((select integrations_workspaces_as('admin'))::uuid[])$p$;
    -- The subqueries obey the policies of the tables they read: they find only rows that may be seen.
    of_connection constant text := 'exists (select from integration_connections c where c.id = connection_id%s)';
    of_pitch constant text := 'exists (select from pitches p where p.id = pitch_id%s)';
begin
    perform pg_temp.secure('workspaces', format(pipeline, 'id'), format(reader, 'id'), format(admin, 'id'));
    perform pg_temp.secure('workspace_members', format(pipeline, 'workspace_id'),
        format(reader, 'workspace_id'), format(admin, 'workspace_id'));
    foreach relation in array array[
        'workspace_contacts', 'integration_connections', 'integration_sync_logs', 'integration_activity',
        'integration_links', 'integration_changes', 'pitches', 'pitch_replies'
    ] loop
        perform pg_temp.secure(relation, format(pipeline, 'workspace_id'),
            format(reader, 'workspace_id'), format(writer, 'workspace_id'));
    end loop;
    perform pg_temp.secure('integration_field_mappings', format(of_connection, ''), format(of_connection, ''),
        format(of_connection, format(' and ' || writer, 'c.workspace_id')));
    perform pg_temp.secure('pitch_emails',
        format(of_pitch, '') || ' and ' || format(of_connection, ''), format(of_pitch, ''), 'false');
end
$$;

alter table provider_rate_limits enable row level security;

grant usage on schema public to integrations_pipeline, integrations_member;

grant select on workspaces, workspace_members to integrations_pipeline;
grant select, insert, update, delete on
    workspace_contacts, integration_connections, integration_field_mappings, integration_sync_logs,
    integration_links, integration_changes, pitches, pitch_emails, pitch_replies
    to integrations_pipeline;
grant select, insert, delete on integration_activity to integrations_pipeline;

grant select on
    workspaces, workspace_members, workspace_contacts, integration_field_mappings, integration_sync_logs,
    integration_activity, integration_links, integration_changes, pitches, pitch_emails, pitch_replies
    to integrations_member;
grant update (name) on workspaces to integrations_member;
grant insert, update, delete on
    workspace_members, workspace_contacts, integration_field_mappings, pitches to integrations_member;
grant insert on integration_activity to integrations_member;

-- Members do everything with a connection except read or write its credentials and its cursor.
grant select (
    id, workspace_id, integration_type, settings, status, sync_enabled, last_sync_at, error_message, error_count,
    sync_frequency_minutes, created_at, updated_at, oauth_provider, next_sync_at),
    insert (workspace_id, integration_type, settings, status, sync_enabled, sync_frequency_minutes),
    update (settings, status, sync_enabled, sync_frequency_minutes),
    delete
    on integration_connections to integrations_member;

revoke all on function integrations_due_connections(timestamptz, integer) from public;
grant execute on function integrations_due_connections(timestamptz, integer) to integrations_pipeline;
