-- Failures in a row whose cause is the workspace's own: only these count toward the status `error`. What failed before
-- counts no more: whose cause it was nobody noted.
alter table integration_connections add column if not exists own_error_count integer not null default 0;
alter table integration_connections
    add constraint integration_connections_own_error_count check (own_error_count >= 0);

grant select (own_error_count) on integration_connections to integrations_member;
