-- A database as the original leaves it: Supabase's `auth`, connections of users, no workspaces. With rows.

create schema auth;
create table auth.users (id uuid primary key, email text);
create function auth.uid() returns uuid language sql stable as
    $$select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid$$;

create function set_updated_at() returns trigger language plpgsql as
    $$begin new.updated_at = now(); return new; end$$;

create table integration_connections (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    integration_type text not null check (integration_type in ('gmail', 'airtable', 'mailchimp', 'excel')),
    credentials jsonb default '{}',
    settings jsonb default '{}',
    status text default 'active' check (status in ('active', 'error', 'disconnected', 'revoked')),
    sync_enabled boolean default true,
    last_sync_at timestamptz,
    error_message text,
    error_count integer default 0,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
create unique index one_gmail_per_user on integration_connections (user_id) where integration_type = 'gmail';
create trigger set_updated_at before update on integration_connections
    for each row execute function set_updated_at();

create table integration_field_mappings (
    id uuid primary key default gen_random_uuid(),
    connection_id uuid not null references integration_connections (id),
    workspace_field text not null,
    external_field text not null,
    transform_rules jsonb,
    sync_direction text default 'bidirectional',
    enabled boolean default true,
    created_at timestamptz default now()
);

create table integration_sync_logs (
    id uuid primary key,
    connection_id uuid references integration_connections (id),
    direction text not null check (direction in ('to_external', 'from_external', 'push')),
    records_created integer default 0,
    records_updated integer default 0,
    records_failed integer default 0,
    errors jsonb default '[]',
    duration_ms integer,
    started_at timestamptz default now(),
    completed_at timestamptz
);

alter table integration_connections enable row level security;
create policy "Users manage their connections" on integration_connections using (auth.uid() = user_id);
alter table integration_field_mappings enable row level security;
create policy "Users manage their mappings" on integration_field_mappings using (true);
alter table integration_sync_logs enable row level security;
create policy "Users see their logs" on integration_sync_logs for select using (true);

insert into auth.users (id, email) values
    ('aaaaaaaa-0000-0000-0000-000000000001', 'ada@example.org'),
    ('bbbbbbbb-0000-0000-0000-000000000002', 'bob@example.org'),
    ('cccccccc-0000-0000-0000-000000000003', 'cy@example.org'),
    ('cccccccc-0000-0000-0000-000000000004', 'same first digits as cy'),
    ('dddddddd-0000-0000-0000-000000000005', 'no connection');

insert into integration_connections
    (id, user_id, integration_type, credentials, settings, status, sync_enabled, error_count, created_at, updated_at)
values
    ('00000000-0000-0000-0000-0000000000a1', 'aaaaaaaa-0000-0000-0000-000000000001', 'airtable',
        '{"api_key": "pat-ada"}', '{"base_id": "appAda"}', 'active', true, 0, '2025-01-01Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000a2', 'aaaaaaaa-0000-0000-0000-000000000001', 'gmail',
        '{"access_token": "t"}', null, null, null, null, '2025-01-02Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000b1', 'bbbbbbbb-0000-0000-0000-000000000002', 'airtable',
        '{"api_key": "pat-bob-1"}', '{}', 'active', true, 0, '2025-01-01Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000b2', 'bbbbbbbb-0000-0000-0000-000000000002', 'airtable',
        '{"api_key": "pat-bob-2"}', '{}', 'revoked', false, 4, '2025-01-02Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000b3', 'bbbbbbbb-0000-0000-0000-000000000002', 'airtable',
        null, '{}', 'error', true, 3, '2025-01-03Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000b4', 'bbbbbbbb-0000-0000-0000-000000000002', 'mailchimp',
        '{"api_key": "k-us1"}', '{}', 'active', true, 0, '2025-01-04Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000c1', 'cccccccc-0000-0000-0000-000000000003', 'gmail',
        '{}', '{}', 'active', true, 0, '2025-01-01Z', '2025-02-01Z'),
    ('00000000-0000-0000-0000-0000000000c2', 'cccccccc-0000-0000-0000-000000000004', 'gmail',
        '{}', '{}', 'active', true, 0, '2025-01-01Z', '2025-02-01Z');

insert into integration_field_mappings (connection_id, workspace_field, external_field, sync_direction, enabled) values
    ('00000000-0000-0000-0000-0000000000a1', 'name', 'Name', 'to_external', true),
    ('00000000-0000-0000-0000-0000000000a1', 'phone', 'Tel', null, null),
    ('00000000-0000-0000-0000-0000000000b1', 'company', 'Firm', 'push', true);

insert into integration_sync_logs
    (id, connection_id, direction, records_created, records_updated, records_failed, errors, duration_ms,
     started_at, completed_at)
values
    ('00000000-0000-0000-0000-000000001001', '00000000-0000-0000-0000-0000000000a1', 'to_external',
        5, 0, 0, '[]', 900, '2025-01-05Z', '2025-01-05Z'),
    ('00000000-0000-0000-0000-000000001002', '00000000-0000-0000-0000-0000000000a1', 'from_external',
        1, 0, 2, '["two failed"]', 900, '2025-01-05Z', '2025-01-05Z'),
    ('00000000-0000-0000-0000-000000001003', '00000000-0000-0000-0000-0000000000b1', 'push',
        null, null, null, '["all failed"]', null, null, '2025-01-06Z'),
    ('00000000-0000-0000-0000-000000001004', '00000000-0000-0000-0000-0000000000b2', 'to_external',
        0, 0, 0, '[]', null, '2025-01-07Z', null),
    ('00000000-0000-0000-0000-000000001005', null, 'to_external', 0, 0, 0, null, null, '2025-01-08Z', '2025-01-08Z');
