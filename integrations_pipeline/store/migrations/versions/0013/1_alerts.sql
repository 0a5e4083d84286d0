-- The newest row of a connection and kind is what was last told of it. `said`: the state that it told, '' for one that
-- is as it should be; `amount`: how much of it; `ordinal`: the order, whatever the clocks of several machines say.
-- `summed`: told in one line for many connections, by the row without connection that was written with it.
-- `listed`: not sent in time, because no destination was configured.
alter table integration_alerts
    add column said text not null default '',
    add column amount integer not null default 0,
    add column ordinal bigint generated always as identity,
    drop constraint integration_alerts_state,
    add constraint integration_alerts_state check (state in ('waiting', 'sent', 'failed', 'summed', 'listed'));
drop index integration_alerts_connection;
drop index integration_alerts_waiting;
create index integration_alerts_newest on integration_alerts (connection_id, kind, ordinal desc);
create index integration_alerts_waiting on integration_alerts (ordinal) where state = 'waiting';

-- What became of an alert at each destination, which is named by a hash: its address holds secrets. `trying`: written
-- before the request leaves; `is_doubtful`: an earlier try may have arrived.
create table integration_alert_deliveries (
    alert_id uuid not null constraint integration_alert_deliveries_alert
        references integration_alerts (id) on delete cascade,
    destination text not null,
    state text not null constraint integration_alert_deliveries_state check (
        state in ('trying', 'waiting', 'sent', 'failed')),
    attempts integer not null default 0,
    is_doubtful boolean not null default false,
    reason text,
    tried_at timestamptz,
    next_try_at timestamptz,
    primary key (alert_id, destination)
);
-- The program's own: no workspace's.
alter table integration_alert_deliveries enable row level security;

-- Few rows among many.
create index integration_activity_verified on integration_activity (workspace_id, integration_name, created_at desc)
    where action = 'verify';
