-- Whoever has an e-mail is asked for in every run that reads a change, by every edit from outside and before each
-- pitch. Under row-level security an index over a function is of no use to that, since Postgres may not call a function
-- that could leak a row before it knows whose the row is: all contacts and links of the workspace were looked at. A
-- stored column is compared without a call. Both tables are written anew, once.
alter table workspace_contacts add column identity_key text
    generated always as (integrations_identity_key(email)) stored;
create index workspace_contacts_identity on workspace_contacts (workspace_id, identity_key);

drop index integration_links_email;
alter table integration_links add column identity_key text
    generated always as (integrations_identity_key(base ->> 'email')) stored;
create index integration_links_email on integration_links (connection_id, identity_key);

-- Before a row is written such a column of it is still empty, and would look like an edit.
create or replace function integrations_touch_contact() returns trigger language plpgsql as $$
begin
    new.updated_at := old.updated_at;
    new.version := old.version;
    new.identity_key := old.identity_key;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
        new.version := old.version + 1;
    end if;
    return new;
end
$$;
create function integrations_touch_link() returns trigger language plpgsql as $$
begin
    new.updated_at := old.updated_at;
    new.identity_key := old.identity_key;
    if new is distinct from old then
        new.updated_at := clock_timestamp();
    end if;
    return new;
end
$$;
create or replace trigger zz_integrations_touch before update on integration_links
    for each row execute function integrations_touch_link();
