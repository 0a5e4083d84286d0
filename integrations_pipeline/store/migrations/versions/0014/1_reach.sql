-- Whoever has an e-mail is asked for in every run that reads a change, by every edit from outside and before each
-- pitch. Under row-level security an index over a function is of no use to that, since Postgres may not call a function
-- that could leak a row before it knows whose the row is: all contacts and links of the workspace were looked at. A
-- column is compared without a call. Both tables are written anew, once.
--
-- Not a generated column: who writes a whole row back as it was read, as applications and restores do, would be refused.
-- The triggers keep it whatever is written, and also where a restore turns triggers off.
alter table workspace_contacts add column identity_key text
    generated always as (integrations_identity_key(email)) stored;
alter table workspace_contacts alter column identity_key drop expression;
create index workspace_contacts_identity on workspace_contacts (workspace_id, identity_key);

drop index integration_links_email;
alter table integration_links add column identity_key text
    generated always as (integrations_identity_key(base ->> 'email')) stored;
alter table integration_links alter column identity_key drop expression;
create index integration_links_email on integration_links (connection_id, identity_key);

create function integrations_identify_contact() returns trigger language plpgsql as $$
begin
    new.identity_key := integrations_identity_key(new.email);
    return new;
end
$$;
create function integrations_identify_link() returns trigger language plpgsql as $$
begin
    new.identity_key := integrations_identity_key(new.base ->> 'email');
    return new;
end
$$;
create trigger integrations_identify before insert or update of email, identity_key on workspace_contacts
    for each row execute function integrations_identify_contact();
create trigger integrations_identify before insert or update of base, identity_key on integration_links
    for each row execute function integrations_identify_link();
alter table workspace_contacts enable always trigger integrations_identify;
alter table integration_links enable always trigger integrations_identify;
