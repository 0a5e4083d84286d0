-- The scheduler's question, with what it needs to group the answers; and a fixed number per connection that
-- keeps a thousand connections from coming due in one second.

-- In [0, 1), the same for the same connection for ever. A hash, because some applications count their ids up.
create or replace function integrations_spread(connection_id uuid) returns double precision
language sql immutable parallel safe as $$
    select ('x' || left(encode(sha256(convert_to(connection_id::text, 'UTF8')), 'hex'), 8))::bit(32)::bigint
        / 4294967296.0::double precision
$$;

-- `due_since` is never null: a connection that was just made or enabled is due since then. One that a run works
-- on is not due. Without a type it answers for all of them.
drop function integrations_due_connections(timestamptz, integer);
create function integrations_due_connections(
    "now" timestamptz, max_rows integer, wanted_type text default null)
returns table (
    workspace_id uuid, workspace_slug text, connection_id uuid, integration_type text, next_sync_at timestamptz,
    due_since timestamptz, sync_frequency_minutes integer)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.id, w.slug, c.id, c.integration_type, c.next_sync_at,
        coalesce(c.next_sync_at, c.updated_at), c.sync_frequency_minutes
    from integration_connections c
    join workspaces w on w.id = c.workspace_id
    where c.sync_enabled and c.status = 'active'
        and (wanted_type is null or c.integration_type = wanted_type)
        and (c.next_sync_at is null or c.next_sync_at <= integrations_due_connections."now")
        and c.id not in (select l.connection_id from integration_sync_logs l where l.status = 'running')
    order by c.next_sync_at nulls first, c.id
    limit max_rows
$$;

