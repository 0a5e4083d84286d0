-- The tables that the original may already have. Columns only: what they must satisfy is in 4_constraints.

create table if not exists workspaces (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    slug text not null,
    owner_id uuid,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table if not exists workspace_members (
    workspace_id uuid not null,
    user_id uuid not null,
    role text not null default 'member',
    primary key (workspace_id, user_id)
);

create table if not exists workspace_contacts (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null,
    email text,
    name text,
    company text,
    job_title text,
    phone text,
    tags text[] not null default '{}',
    custom_fields jsonb not null default '{}',
    email_opt_out boolean not null default false,
    email_opt_out_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    version bigint not null default 1,
    deleted_at timestamptz
);

create table if not exists integration_connections (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null,
    integration_type text not null,
    credentials jsonb not null default '{}',
    settings jsonb not null default '{}',
    status text not null default 'active',
    sync_enabled boolean not null default true,
    last_sync_at timestamptz,
    error_message text,
    error_count integer not null default 0,
    sync_frequency_minutes integer not null default 15,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    oauth_provider text,
    cursor jsonb,
    next_sync_at timestamptz
);

create table if not exists integration_field_mappings (
    id uuid primary key default gen_random_uuid(),
    connection_id uuid not null,
    workspace_field text not null,
    external_field text not null,
    transform_rules jsonb not null default '{}',
    sync_direction text not null default 'bidirectional',
    enabled boolean not null default true,
    created_at timestamptz not null default now()
);

create table if not exists integration_sync_logs (
    id uuid primary key default gen_random_uuid(),
    connection_id uuid not null,
    direction text not null,
    records_created integer not null default 0,
    records_updated integer not null default 0,
    records_failed integer not null default 0,
    errors jsonb not null default '[]',
    duration_ms integer,
    started_at timestamptz not null default now(),
    completed_at timestamptz,
    workspace_id uuid not null,
    status text not null default 'running',
    records_deleted integer not null default 0,
    records_unchanged integer not null default 0,
    records_skipped integer not null default 0,
    records_held integer not null default 0,
    records_conflicted integer not null default 0,
    api_calls integer not null default 0,
    dagster_run_id text,
    metadata jsonb not null default '{}',
    run_id uuid
);

create table if not exists integration_activity (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null,
    integration_name varchar(50) not null,
    action varchar(100) not null,
    success boolean not null,
    records_affected integer not null default 0,
    error_message text,
    metadata jsonb not null default '{}',
    created_at timestamptz not null default now()
);
