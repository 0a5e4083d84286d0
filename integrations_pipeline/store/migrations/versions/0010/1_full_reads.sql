-- Null until a run has read everything; a mailbox, which is never read whole, keeps it null.
alter table integration_connections add column if not exists last_full_at timestamptz;

-- Connections that were synced before are read whole within a day from now, each in its own hour, not all at once.
update integration_connections
set last_full_at = now() - integrations_spread(id) * interval '1 day'
where last_full_at is null and last_sync_at is not null and coalesce(cursor, 'null') <> 'null';

grant select (last_full_at) on integration_connections to integrations_member;
