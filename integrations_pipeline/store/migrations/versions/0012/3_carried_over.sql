-- What waits in a database of an earlier version, whichever way it was written down, becomes rows of the agenda.

-- 1. Approved deletes: planned rows without a run. They are held rows that somebody decided.
insert into integration_agenda (connection_id, workspace_id, kind, side, contact_id, external_id, change, fields, reason,
    run_id, created_at, decision, decided_at, change_id)
select connection_id, workspace_id, 'held_delete', side, contact_id, external_id, kind,
    jsonb_strip_nulls(jsonb_build_object('before', before, 'after', after, 'base', base)), null, run_id, created_at,
    'approved', updated_at, id
from integration_changes where state = 'planned' and reason = 'approved';
update integration_changes set state = 'held', reason = 'approved' where state = 'planned' and reason = 'approved';

-- 2. Held deletes.
insert into integration_agenda (id, connection_id, workspace_id, kind, side, contact_id, external_id, change, fields,
    reason, run_id, created_at, change_id)
select id, connection_id, workspace_id, 'held_delete', side, contact_id, external_id, kind,
    jsonb_strip_nulls(jsonb_build_object('before', before, 'after', after, 'base', base)), reason, run_id, created_at, id
from integration_changes where state = 'held' and kind = 'delete' and reason is distinct from 'approved';

-- 3. Open conflicts: one question per field.
insert into integration_agenda (connection_id, workspace_id, kind, side, contact_id, external_id, field, change, fields,
    reason, run_id, created_at, change_id)
select c.connection_id, c.workspace_id, 'conflict', c.side, c.contact_id, c.external_id, f.key, c.kind,
    f.value || jsonb_strip_nulls(jsonb_build_object(
        'local_at', c.conflict ->> 'local_at', 'remote_at', c.conflict ->> 'remote_at')),
    c.reason, c.run_id, c.created_at, c.id
from integration_changes c, jsonb_each(c.conflict -> 'fields') as f
where c.state = 'held' and c.conflict is not null and c.kind <> 'delete';

-- 4. Records and contacts that were set aside.
insert into integration_agenda (id, connection_id, workspace_id, kind, side, contact_id, external_id, change, fields,
    reason, run_id, created_at, change_id)
select id, connection_id, workspace_id, case when reason like 'duplicate %' then 'ambiguous' else 'skipped' end, side,
    contact_id, external_id, kind,
    jsonb_strip_nulls(jsonb_build_object('before', before, 'after', after, 'base', base)), reason, run_id, created_at, id
from integration_changes where state = 'skipped';

-- 5. What failed, and what was refused for good.
insert into integration_agenda (id, connection_id, workspace_id, kind, side, contact_id, external_id, change, fields,
    reason, run_id, created_at, change_id)
select id, connection_id, workspace_id, case when error_class = 'PermanentError' then 'refused' else 'failed' end, side,
    contact_id, external_id, kind,
    jsonb_strip_nulls(jsonb_build_object('before', before, 'after', after, 'base', base)), reason, run_id, created_at, id
from integration_changes where state = 'failed';

-- 6. In the cursor: records to read again, who is being edited and since when, everything, fields that stopped.
insert into integration_agenda (connection_id, workspace_id, kind, side, external_id)
select c.id, c.workspace_id, 'retry', 'remote', key
from integration_connections c, jsonb_array_elements_text(c.cursor -> 'retry') as key
where jsonb_typeof(c.cursor -> 'retry') = 'array';

insert into integration_agenda (connection_id, workspace_id, kind, side, contact_id, external_id, reason, created_at)
select c.id, c.workspace_id, 'retry', case when w.id is null then 'remote' else 'local' end, w.id,
    case when w.id is null then e.key end, 'settling', cast(e.value as timestamptz)
from integration_connections c
cross join lateral jsonb_each_text(c.cursor -> 'waiting') as e
left join workspace_contacts w on w.workspace_id = c.workspace_id and w.id::text = e.key
where jsonb_typeof(c.cursor -> 'waiting') = 'object';

insert into integration_agenda (connection_id, workspace_id, kind, side, reason)
select id, workspace_id, 'retry', 'remote', 'everything' from integration_connections
where cursor -> 'is_full_wanted' = 'true';

insert into integration_agenda (connection_id, workspace_id, kind, field, reason)
select c.id, c.workspace_id, 'stopped_field', name, c.cursor -> 'silent' ->> name
from integration_connections c, jsonb_array_elements_text(c.cursor -> 'stopped') as name
where jsonb_typeof(c.cursor -> 'stopped') = 'array';

update integration_connections set cursor = cursor - 'retry' - 'waiting' - 'is_full_wanted' - 'stopped'
where jsonb_typeof(cursor) = 'object' and cursor ?| array['retry', 'waiting', 'is_full_wanted', 'stopped'];
