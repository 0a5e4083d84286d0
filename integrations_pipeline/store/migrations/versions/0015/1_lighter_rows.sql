-- A first load writes a contact, a link and an applied change for each person. What each of them costs Postgres is its
-- indexes and its triggers more than its row.

-- Who writes the key along, as the sync does, needs no trigger to write it: asked whether the key fits, Postgres compares
-- without a call. Whatever anybody else writes is set right as before.
drop trigger integrations_identify on workspace_contacts;
drop trigger integrations_identify on integration_links;
create trigger integrations_identify before insert or update of email, identity_key on workspace_contacts
    for each row when (new.identity_key is distinct from integrations_identity_key(new.email))
    execute function integrations_identify_contact();
create trigger integrations_identify before insert or update of base, identity_key on integration_links
    for each row when (new.identity_key is distinct from integrations_identity_key(new.base ->> 'email'))
    execute function integrations_identify_link();
alter table workspace_contacts enable always trigger integrations_identify;
alter table integration_links enable always trigger integrations_identify;

-- Asked for are the changes of a plan, of which most changes have none, and by state those that are not applied.
drop index integration_changes_plan;
create index integration_changes_plan on integration_changes (plan_id) where plan_id is not null;
drop index integration_changes_connection_state;
create index integration_changes_connection_state on integration_changes (connection_id, state) where state <> 'applied';
