-- An application may delete a row and insert it again under its id, with other values. Its version begins anew then, and
-- may be just the one that the links know: an edit that nobody would see. So a link forgets the version with the row.
create function integrations_forget_versions() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update integration_links l set contact_version = null from gone where l.contact_id = gone.id;
    return null;
end
$$;
revoke all on function integrations_forget_versions() from public;
create trigger integrations_forget_versions after delete on workspace_contacts
    referencing old table as gone for each statement execute function integrations_forget_versions();
