-- Two services may write one value each in its own way. Whoever holds it otherwise than it was agreed is remembered with
-- what it holds (by field, as in `base`), so that a read of it is no edit.
alter table integration_links add column normalised jsonb check (jsonb_typeof(normalised) = 'object');
create index integration_links_normalised on integration_links (connection_id) where normalised is not null;
