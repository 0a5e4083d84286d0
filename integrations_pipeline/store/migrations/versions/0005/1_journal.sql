-- The order of the journal whatever the clock does.
alter table integration_changes add column if not exists ordinal bigint generated always as identity;

-- The record's id before an update that had to move the contact to another record.
alter table integration_changes add column if not exists moved_from text;

-- By which time the last moment was reserved: later than now, and the clock was set back since.
alter table provider_rate_limits add column if not exists reserved_at timestamptz;
