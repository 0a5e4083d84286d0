-- Run after supabase_original: the application already has workspaces, members and contacts, with rows.

create table workspaces (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    owner_id uuid references auth.users (id),
    plan text default 'free',
    created_at timestamptz default now()
);
create table workspace_members (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references workspaces (id),
    user_id uuid not null references auth.users (id),
    role text not null default 'member',
    unique (workspace_id, user_id)
);
create table workspace_contacts (
    id uuid primary key default gen_random_uuid(),
    workspace_id uuid not null references workspaces (id),
    email text not null,
    name text,
    tags text[],
    favourite_colour text,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    unique (workspace_id, email)
);
create trigger set_updated_at before update on workspace_contacts
    for each row execute function set_updated_at();
alter table workspaces enable row level security;
create policy "Everybody sees every workspace" on workspaces using (true);
alter table workspace_contacts enable row level security;
create policy "Everybody sees every contact" on workspace_contacts using (true);

insert into workspaces (id, name, owner_id) values
    ('11111111-0000-0000-0000-000000000001', 'Ada & Co.', 'aaaaaaaa-0000-0000-0000-000000000001'),
    ('22222222-0000-0000-0000-000000000002', 'Ада', 'cccccccc-0000-0000-0000-000000000003'),
    ('33333333-0000-0000-0000-000000000003', 'Third', 'cccccccc-0000-0000-0000-000000000003');
insert into workspace_members (workspace_id, user_id, role) values
    ('11111111-0000-0000-0000-000000000001', 'aaaaaaaa-0000-0000-0000-000000000001', 'owner'),
    ('11111111-0000-0000-0000-000000000001', 'bbbbbbbb-0000-0000-0000-000000000002', 'member'),
    ('22222222-0000-0000-0000-000000000002', 'cccccccc-0000-0000-0000-000000000003', 'admin');
insert into workspace_contacts (workspace_id, email, name, tags, favourite_colour, updated_at) values
    ('11111111-0000-0000-0000-000000000001', 'x@example.org', 'X', '{vip}', 'red', '2025-02-01Z'),
    ('11111111-0000-0000-0000-000000000001', 'y@example.org', 'Y', null, null, '2025-02-01Z'),
    ('22222222-0000-0000-0000-000000000002', 'x@example.org', 'X too', null, null, '2025-02-01Z');
