-- Numbers and times that members may write, within what every reader can hold: one row of one tenant must never break
-- a question about all of them. Rows that are out of bounds today are brought back to the nearest that is not.

-- The years that Python's clock knows, with room for time zones. Infinity is none of them.
create function pg_temp.bring_back(relation text, variadic columns text[]) returns void language plpgsql as $$
declare
    name text;
    first constant text := quote_literal('1900-01-01Z');
    last constant text := quote_literal('9999-01-01Z');
    conditions text[] := '{}';
begin
    foreach name in array columns loop
        execute format('update %1$I set %2$I = least(greatest(%2$I, %3$s), %4$s) where not (%2$I between %3$s and %4$s)',
            relation, name, first, last);
        conditions := conditions || format('%I between %s and %s', name, first, last);
    end loop;
    execute format('alter table %I add constraint %I check (%s)', relation, relation || '_times',
        array_to_string(conditions, ' and '));
end
$$;

-- Bringing a row back is no edit: its version and time must not move, and a version at its limit could not.
alter table workspace_contacts disable trigger zz_integrations_touch;
alter table pitches disable trigger zz_integrations_touch;

select pg_temp.bring_back('workspace_contacts',
    'created_at', 'updated_at', 'email_opt_out_at', 'deleted_at');
select pg_temp.bring_back('integration_activity', 'created_at');
select pg_temp.bring_back('integration_field_mappings', 'created_at');

-- A version counts edits by one. Who inserts a row may choose where it begins, and leaves room for all edits to come.
update integration_links set contact_version = null where contact_version not between 1 and 1000000000000000;
update workspace_contacts set version = 1 where version not between 1 and 1000000000000000;
alter table workspace_contacts add constraint workspace_contacts_version
    check (version between 1 and 4611686018427387904);

alter table workspace_contacts enable trigger zz_integrations_touch;
alter table pitches enable trigger zz_integrations_touch;

create function integrations_first_version() returns trigger language plpgsql as $$
begin
    raise exception 'the version of a new contact is out of bounds: leave it out, it counts edits'
        using errcode = 'check_violation', constraint = 'workspace_contacts_version', table = 'workspace_contacts';
end
$$;
create trigger integrations_first_version before insert on workspace_contacts for each row
    when (new.version not between 1 and 1000000000000000) execute function integrations_first_version();

-- At most a month.
update integration_connections set sync_frequency_minutes = least(greatest(sync_frequency_minutes, 1), 44640)
where sync_frequency_minutes not between 1 and 44640;
alter table integration_connections
    drop constraint integration_connections_frequency,
    add constraint integration_connections_frequency check (sync_frequency_minutes between 1 and 44640);

update integration_activity set records_affected = 0 where records_affected < 0;
alter table integration_activity add constraint integration_activity_records check (records_affected >= 0);

-- The days that somebody asks for, likewise.
create or replace function get_integration_activity_summary(
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
        and a.created_at >= now() - make_interval(days => least(greatest(days_back, 0), 36500))
    group by a.action
    order by max(a.created_at) desc
$$;
