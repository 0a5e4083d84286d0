-- Runs whose log rows are open, across workspaces: at work, or dead without having closed them.
create or replace function integrations_open_runs()
returns table (
    workspace_id uuid, workspace_slug text, connection_id uuid, integration_type text, run_id uuid,
    dagster_run_id text, started_at timestamptz)
language sql stable security definer set search_path = public, pg_temp as $$
    select l.workspace_id, w.slug, l.connection_id, c.integration_type, l.run_id, l.dagster_run_id, min(l.started_at)
    from integration_sync_logs l
    join integration_connections c on c.id = l.connection_id
    join workspaces w on w.id = l.workspace_id
    where l.status = 'running'
    group by l.workspace_id, w.slug, l.connection_id, c.integration_type, l.run_id, l.dagster_run_id
    order by min(l.started_at), l.connection_id
$$;
