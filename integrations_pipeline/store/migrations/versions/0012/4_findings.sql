-- As before, but what waits is read from the agenda.
-- One row per finding and workspace; `checked` tells how many connections were looked at.
create or replace function integrations_findings(wanted_type text, "now" timestamptz)
returns table (finding text, workspace_slug text, amount bigint)
language sql stable security definer set search_path = public, pg_temp as $$
    with mine as (
        select c.id, w.slug, c.status, c.sync_enabled, c.error_count, c.sync_frequency_minutes,
            case when c.next_sync_at is null then c.updated_at else coalesce(c.last_sync_at, c.created_at) end as fresh_at
        from integration_connections c
        join workspaces w on w.id = c.workspace_id
        where c.integration_type = wanted_type
    ), waiting as (
        select m.slug,
            count(*) filter (where starts_with(a.kind, 'held_')) as held,
            count(*) filter (where a.kind = 'conflict') as conflicts,
            count(*) filter (where a.kind in ('failed', 'refused')) as failed
        from integration_agenda a
        join mine m on m.id = a.connection_id
        where a.kind <> 'retry' and a.decision is null
        group by m.slug
    ), newest as (
        -- Only rows of whole runs: a subclass that logs by hand keeps no journal.
        select m.slug, l.*
        from mine m
        cross join (values ('to_external'), ('from_external')) as wanted (direction)
        cross join lateral (
            select * from integration_sync_logs l
            where l.connection_id = m.id and l.direction = wanted.direction and l.completed_at is not null
            order by l.started_at desc limit 1) as l
        where l.metadata ? 'read' and l.run_id is not null
    ), written as (
        -- A contact counts once, and as failed if any of its changes did.
        select n.id, count(*) filter (where unit.is_written and not unit.is_failed) as units
        from newest n
        cross join lateral (
            select bool_or(j.state in ('applied', 'undone')) as is_written, bool_or(j.state = 'failed') as is_failed
            from integration_changes j
            where j.run_id = n.run_id and j.kind in ('create', 'update', 'delete')
                and j.side = case n.direction when 'to_external' then 'remote' else 'local' end
            group by coalesce(j.contact_id::text, j.external_id)) as unit
        group by n.id
    )
    select 'checked', '', count(*) from mine where sync_enabled
    union all
    select 'counts', n.slug, count(*)
    from newest n
    left join written u on u.id = n.id
    where n.records_unchanged < 0
        or n.records_created + n.records_updated + n.records_deleted <> coalesce(u.units, 0)
    group by n.slug
    union all
    select 'held_deletes', slug, held from waiting where held > 0
    union all
    select 'open_conflicts', slug, conflicts from waiting where conflicts > 0
    union all
    select 'dead_letters', slug, failed from waiting where failed > 0
    union all
    select 'stopped', slug, error_count from mine where sync_enabled and status in ('error', 'disconnected')
    union all
    select 'failing', slug, error_count from mine where sync_enabled and status = 'active' and error_count > 0
    union all
    select 'stale', slug, (extract(epoch from integrations_findings."now" - fresh_at) / 60)::bigint
    from mine
    where sync_enabled and status = 'active'
        and fresh_at < integrations_findings."now" - make_interval(mins => 2 * sync_frequency_minutes)
$$;
