-- Triggers and functions. Those that look past row-level security fix their search path.

create or replace function integrations_touch() returns trigger language plpgsql as $$
begin
    new.updated_at := old.updated_at;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
    end if;
    return new;
end
$$;

create or replace function integrations_touch_contact() returns trigger language plpgsql as $$
begin
    new.updated_at := old.updated_at;
    new.version := old.version;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
        new.version := old.version + 1;
    end if;
    return new;
end
$$;

-- Triggers fire in the order of their names; `zz` lets ours judge the row after those of other applications.
do $$
declare
    relation text;
begin
    foreach relation in array array[
        'workspaces', 'integration_connections', 'integration_links', 'integration_changes', 'pitches', 'pitch_emails'
    ] loop
        execute format(
            'create or replace trigger zz_integrations_touch before update on %I '
            'for each row execute function integrations_touch()', relation);
    end loop;
end
$$;
create or replace trigger zz_integrations_touch before update on workspace_contacts
    for each row execute function integrations_touch_contact();

-- The workspace that the pipeline's transaction works for; null (no rows) when none is set.
create or replace function integrations_workspace_id() returns uuid language sql stable as $$
    select nullif(current_setting('app.workspace_id', true), '')::uuid
$$;

-- The person who asks: Supabase knows by itself, elsewhere the application says so in `app.user_id`.
do $$
begin
    if to_regprocedure('auth.uid()') is not null then
        create or replace function integrations_user_id() returns uuid
        language sql stable security definer set search_path = pg_catalog, pg_temp
        as 'select auth.uid()';
    else
        create or replace function integrations_user_id() returns uuid
        language sql stable security definer set search_path = pg_catalog, pg_temp
        as $body$select nullif(current_setting('app.user_id', true), '')::uuid$body$;
    end if;
end
$$;

-- Workspaces in which the person has one of these roles; the owner is an admin. It looks past the policies of
-- workspace_members, which would otherwise ask themselves.
create or replace function integrations_workspaces_as(variadic roles text[]) returns uuid[]
language sql stable security definer set search_path = public, pg_temp as $$
    select coalesce(array_agg(id), '{}')
    from (
        select workspace_id as id from workspace_members
        where user_id = integrations_user_id() and role = any (roles)
        union
        select id from workspaces where owner_id = integrations_user_id() and 'admin' = any (roles)
    ) as theirs
$$;

drop function if exists get_workspace_integrations(uuid);
create function get_workspace_integrations(workspace_id uuid)
returns table (
    id uuid, integration_type text, status text, sync_enabled boolean, last_sync_at timestamptz,
    next_sync_at timestamptz, sync_frequency_minutes integer, error_count integer, error_message text)
language sql stable as $$
    select c.id, c.integration_type, c.status, c.sync_enabled, c.last_sync_at,
        c.next_sync_at, c.sync_frequency_minutes, c.error_count, c.error_message
    from integration_connections c
    where c.workspace_id = get_workspace_integrations.workspace_id
    order by c.integration_type
$$;

drop function if exists get_integration_activity_summary(uuid, text, integer);
drop function if exists get_integration_activity_summary(uuid, character varying, integer);
create function get_integration_activity_summary(
    workspace_id uuid, integration_name text, days_back integer default 30)
returns table (
    action text, total_count bigint, success_count bigint, failure_count bigint,
    records_affected bigint, last_at timestamptz)
language sql stable as $$
    select a.action::text, count(*), count(*) filter (where a.success), count(*) filter (where not a.success),
        coalesce(sum(a.records_affected), 0)::bigint, max(a.created_at)
    from integration_activity a
    where a.workspace_id = get_integration_activity_summary.workspace_id
        and a.integration_name = get_integration_activity_summary.integration_name
        and a.created_at >= now() - make_interval(days => days_back)
    group by a.action
    order by max(a.created_at) desc
$$;

-- The scheduler's question, the only one that is allowed across workspaces.
create or replace function integrations_due_connections("now" timestamptz, max_rows integer)
returns table (
    workspace_id uuid, workspace_slug text, connection_id uuid, integration_type text, next_sync_at timestamptz)
language sql stable security definer set search_path = public, pg_temp as $$
    select w.id, w.slug, c.id, c.integration_type, c.next_sync_at
    from integration_connections c
    join workspaces w on w.id = c.workspace_id
    where c.sync_enabled and c.status = 'active'
        and (c.next_sync_at is null or c.next_sync_at <= integrations_due_connections."now")
    order by c.next_sync_at nulls first, c.id
    limit max_rows
$$;
