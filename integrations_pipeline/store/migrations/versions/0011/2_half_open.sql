-- A connection in `error` is due again a day after its last failure: one try, which leaves `error` if it goes well.
create or replace function integrations_due_connections(
    "now" timestamptz, max_rows integer, wanted_type text default null)
returns table (
    workspace_id uuid, workspace_slug text, connection_id uuid, integration_type text, next_sync_at timestamptz,
    due_since timestamptz, sync_frequency_minutes integer)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.id, w.slug, c.id, c.integration_type, c.next_sync_at,
        coalesce(c.next_sync_at, c.updated_at), c.sync_frequency_minutes
    from integration_connections c
    join workspaces w on w.id = c.workspace_id
    where c.sync_enabled and (c.status = 'active' or (c.status = 'error' and c.next_sync_at is not null))
        and (wanted_type is null or c.integration_type = wanted_type)
        and (c.next_sync_at is null or c.next_sync_at <= integrations_due_connections."now")
        and c.id not in (select l.connection_id from integration_sync_logs l where l.status = 'running')
    order by c.next_sync_at nulls first, c.id
    limit max_rows
$$;


drop index if exists integration_connections_due;
create index integration_connections_due on integration_connections (next_sync_at nulls first)
    where sync_enabled and status in ('active', 'error');
