-- Null where no refresh token is kept: API keys, and tokens that never expire.
alter table integration_connections add column if not exists token_refreshed_at timestamptz;

-- The upkeep's question across workspaces, like the scheduler's: whose refresh token lies unused since then?
create or replace function integrations_stale_tokens(before timestamptz, max_rows integer)
returns table (workspace_slug text, integration_type text)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.slug, c.integration_type
    from integration_connections c
    join workspaces w on w.id = c.workspace_id
    where c.token_refreshed_at < integrations_stale_tokens.before and c.status <> 'disconnected'
    order by c.token_refreshed_at, c.id
    limit max_rows
$$;

revoke all on function integrations_stale_tokens(timestamptz, integer) from public;
grant execute on function integrations_stale_tokens(timestamptz, integer) to integrations_pipeline;
do $$
declare
    web_role text;
begin
    for web_role in select rolname from pg_roles where rolname in ('anon', 'authenticated') loop
        execute format('revoke all on function integrations_stale_tokens(timestamptz, integer) from %I', web_role);
    end loop;
end
$$;
