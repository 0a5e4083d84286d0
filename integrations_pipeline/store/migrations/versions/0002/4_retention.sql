-- Old rows that nobody needs any more, at most `max_rows` at a time; returns how many went.
--
-- A log row stays while a row of the journal points to it (taking it away would touch that row, and its time
-- says how many deletes were applied today), and so does the newest of each connection and direction. Of the
-- journal goes what is over: applied, superseded, undone. Held, failed, skipped and approved rows are open
-- questions, intended ones the traces of a run that died.
create or replace function integrations_trim(what text, until timestamptz, max_rows integer) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone bigint;
begin
    if until > now() - interval '2 days' then
        raise exception 'integrations_trim: % is too recent; runs still need those rows', until;
    end if;
    case what
    when 'sync_logs', 'quiet_logs' then
        delete from integration_sync_logs where id in (
            select old.id
            from integration_connections c
            cross join lateral (
                select l.id
                from integration_sync_logs l
                where l.connection_id = c.id and l.started_at < until and l.status <> 'running'
                    and (what = 'sync_logs' or (
                        l.status = 'success' and l.errors = '[]'
                        and l.records_created + l.records_updated + l.records_deleted + l.records_failed = 0))
                    and exists (
                        select from integration_sync_logs newer
                        where newer.connection_id = l.connection_id and newer.direction = l.direction
                            and newer.started_at > l.started_at)
                    and not exists (select from integration_changes j where j.sync_log_id = l.id)
                order by l.started_at
                limit max_rows) as old
            limit max_rows);
    when 'activity' then
        delete from integration_activity where id in (
            select a.id from integration_activity a where a.created_at < until limit max_rows);
    when 'changes', 'previews' then
        delete from integration_changes where id in (
            select old.id
            from workspaces w
            cross join lateral (
                select j.id
                from integration_changes j
                where j.workspace_id = w.id and j.created_at < until and j.updated_at < until
                    and case what
                        when 'changes' then j.state in ('applied', 'superseded', 'undone')
                        else j.state = 'planned' and j.plan_id is not null and j.run_id is null
                            and j.reason is distinct from 'approved'
                        end
                limit max_rows) as old
            limit max_rows);
    when 'rate_limits' then
        delete from provider_rate_limits where key in (
            select key from provider_rate_limits where next_free_at < until limit max_rows);
    else
        raise exception 'integrations_trim: what is %?', what;
    end case;
    get diagnostics gone = row_count;
    return gone;
end
$$;
