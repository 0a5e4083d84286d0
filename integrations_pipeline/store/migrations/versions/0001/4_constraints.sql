-- What rows of the original's tables must satisfy. Foreign keys that exist are replaced: theirs may not cascade.

create function pg_temp.replace_foreign_key(
    source regclass, source_columns text[], target regclass, target_columns text[], wanted_name text)
returns void language plpgsql as $$
declare
    found record;
begin
    for found in
        select c.conname
        from pg_constraint c
        where c.contype = 'f' and c.conrelid = source and c.confrelid = target
            and (select a.attname from pg_attribute a
                 where a.attrelid = c.conrelid and a.attnum = c.conkey[1]) = source_columns[1]
    loop
        execute format('alter table %s drop constraint %I', source, found.conname);
    end loop;
    execute format(
        'alter table %s add constraint %I foreign key (%s) references %s (%s) on delete cascade',
        source, wanted_name, array_to_string(source_columns, ', '),
        target, array_to_string(target_columns, ', '));
end
$$;

-- A check of a table that belongs to another application, too, is left out where its rows do not satisfy it.
create function pg_temp.add_check_if_satisfied(relation regclass, wanted_name text, condition text)
returns void language plpgsql as $$
begin
    execute format('alter table %s add constraint %I check (%s)', relation, wanted_name, condition);
exception when check_violation or duplicate_object then
    null;
end
$$;

create unique index if not exists workspaces_slug on workspaces (slug);
create index if not exists workspaces_owner on workspaces (owner_id);

select pg_temp.add_check_if_satisfied(
    'workspace_members', 'workspace_members_role', $$role in ('admin', 'member', 'viewer')$$);
select pg_temp.replace_foreign_key(
    'workspace_members', '{workspace_id}', 'workspaces', '{id}', 'workspace_members_workspace');
create index if not exists workspace_members_user on workspace_members (user_id);

do $$
declare
    repeated bigint;
begin
    select count(*) into repeated from (
        select from workspace_contacts
        where deleted_at is null and email is not null
        group by workspace_id, lower(email) having count(*) > 1) as groups;
    if repeated > 0 then
        raise exception 'workspace_contacts holds % e-mail addresses more than once in a workspace '
            '(group by workspace_id, lower(email)); merge those contacts, then upgrade again', repeated
            using errcode = 'unique_violation';
    end if;
end
$$;
create unique index if not exists workspace_contacts_email on workspace_contacts (workspace_id, lower(email))
    where deleted_at is null and email is not null;
-- Incremental reads: what changed in this workspace since a time.
create index if not exists workspace_contacts_updated on workspace_contacts (workspace_id, updated_at);
select pg_temp.replace_foreign_key(
    'workspace_contacts', '{workspace_id}', 'workspaces', '{id}', 'workspace_contacts_workspace');

alter table integration_connections
    add constraint integration_connections_type check (integration_type <> ''),
    add constraint integration_connections_status
        check (status in ('active', 'paused', 'error', 'disconnected')),
    add constraint integration_connections_error_count check (error_count >= 0),
    add constraint integration_connections_frequency check (sync_frequency_minutes > 0),
    -- Lets other tables prove by a foreign key that a connection is of their row's workspace: foreign keys
    -- are checked without row-level security, so a plain one would accept a stranger's connection.
    add constraint integration_connections_of_workspace unique (id, workspace_id);
create unique index if not exists integration_connections_workspace_type
    on integration_connections (workspace_id, integration_type);
create index if not exists integration_connections_due on integration_connections (next_sync_at nulls first)
    where sync_enabled and status = 'active';
select pg_temp.replace_foreign_key(
    'integration_connections', '{workspace_id}', 'workspaces', '{id}', 'integration_connections_workspace');

alter table integration_field_mappings
    add constraint integration_field_mappings_direction
        check (sync_direction in ('to_external', 'from_external', 'bidirectional'));
create index if not exists integration_field_mappings_connection on integration_field_mappings (connection_id);
select pg_temp.replace_foreign_key(
    'integration_field_mappings', '{connection_id}', 'integration_connections', '{id}',
    'integration_field_mappings_connection');

alter table integration_sync_logs
    add constraint integration_sync_logs_direction
        check (direction in ('to_external', 'from_external', 'bidirectional')),
    add constraint integration_sync_logs_status
        check (status in ('running', 'success', 'partial', 'failed', 'refused'));
create index if not exists integration_sync_logs_connection_started
    on integration_sync_logs (connection_id, started_at desc);
create index if not exists integration_sync_logs_workspace on integration_sync_logs (workspace_id, started_at desc);
create index if not exists integration_sync_logs_run on integration_sync_logs (run_id);
create index if not exists integration_sync_logs_open on integration_sync_logs (dagster_run_id)
    where status = 'running';
select pg_temp.replace_foreign_key(
    'integration_sync_logs', '{connection_id,workspace_id}', 'integration_connections', '{id,workspace_id}',
    'integration_sync_logs_connection');

create index if not exists integration_activity_workspace
    on integration_activity (workspace_id, integration_name, created_at desc);
select pg_temp.replace_foreign_key(
    'integration_activity', '{workspace_id}', 'workspaces', '{id}', 'integration_activity_workspace');
