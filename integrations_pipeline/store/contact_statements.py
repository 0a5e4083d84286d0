"""The statements that write contacts, many rows at a time, and what suppressions do to them.

Belongs here: SQL that is too long to stand in a function. Does not: functions (`contacts`). Rows come as JSON: an id, a
patch made by `rows.to_patch`, and for what is guarded the version that the row must still have.
"""

from sqlalchemy import text

from integrations_pipeline.store.suppressions import KEEPS_OUT

#: A suppression `s` that keeps a person out whatever the patch says: all but opt-outs older than the person's own
#: opt-in at the provider.
_STANDS = (
    f"{KEEPS_OUT} and not (s.reason = 'opted_out' and s.created_at < "
    "coalesce((p.patch ->> 'opted_in_at')::timestamptz, '-infinity'))"
)
#: What a patch does to a row; `p.patch` holds only the fields to write.
_SET = f"""
    email = case when p.patch ? 'email' then nullif(p.patch ->> 'email', '') else c.email end,
    name = case when p.patch ? 'name' then nullif(p.patch ->> 'name', '') else c.name end,
    company = case when p.patch ? 'company' then nullif(p.patch ->> 'company', '') else c.company end,
    job_title = case when p.patch ? 'job_title' then nullif(p.patch ->> 'job_title', '') else c.job_title end,
    phone = case when p.patch ? 'phone' then nullif(p.patch ->> 'phone', '') else c.phone end,
    tags = case when p.patch ? 'tags'
        then array(select jsonb_array_elements_text(p.patch -> 'tags')) else c.tags end,
    custom_fields = case when p.patch ? 'custom_fields' then
        (case when jsonb_typeof(c.custom_fields) = 'object' then c.custom_fields else '{{}}' end
            || (p.patch -> 'custom_fields'))
        - coalesce(array(select e.key from jsonb_each(p.patch -> 'custom_fields') e
            where e.value = 'null'), '{{}}') else c.custom_fields end,
    (email_opt_out, email_opt_out_at) = (
        select o.is_out, case when not o.is_out or c.email_opt_out then c.email_opt_out_at
            when (p.patch ->> 'email_opt_out')::boolean then now() else o.since end
        from (
            select coalesce((p.patch ->> 'email_opt_out')::boolean, c.email_opt_out) or k.since is not null as is_out,
                k.since
            from (
                select max(s.created_at) as since from suppressions s
                where p.patch ?| array['email', 'email_opt_out'] and s.workspace_id = c.workspace_id
                    and s.identity_key in (c.identity_key,
                        integrations_identity_key(p.patch ->> 'email'))
                    and {_STANDS}
            ) k
        ) o
    )
"""  # noqa: S608 - built from constants only
# The ids come a second time as an array: without table statistics Postgres would rescan the JSON per contact.
UPDATE = text(
    f"""
    update workspace_contacts c set {_SET}
    from jsonb_to_recordset(cast(:rows as jsonb)) as p(id uuid, version bigint, patch jsonb)
    where c.id = any(cast(:ids as uuid[])) and c.id = p.id and c.deleted_at is null
        and (p.version is null or c.version = p.version)
    returning c.id::text, c.version, c.email_opt_out
    """  # noqa: S608 - built from constants only
)
#: Contacts of rows `given`, with the key of their e-mail. One look into the index of suppressions per row, whatever the
#: statistics say. No conflict is handled here: that costs every row a fifth of the statement, and who meets one is
#: tried alone (`contacts`).
NEW = f"""
    insert into workspace_contacts
        (id, workspace_id, email, identity_key, name, company, job_title, phone, tags, custom_fields, email_opt_out,
         email_opt_out_at)
    select p.id, :workspace_id, nullif(p.patch ->> 'email', ''), nullif(p.key, ''), nullif(p.patch ->> 'name', ''),
        nullif(p.patch ->> 'company', ''), nullif(p.patch ->> 'job_title', ''),
        nullif(p.patch ->> 'phone', ''),
        case when p.patch ? 'tags' then array(select jsonb_array_elements_text(p.patch -> 'tags')) else '{{}}' end,
        case when p.patch ? 'custom_fields' then jsonb_strip_nulls(p.patch -> 'custom_fields') else '{{}}' end,
        coalesce((p.patch ->> 'email_opt_out')::boolean, false) or k.since is not null,
        case when (p.patch ->> 'email_opt_out')::boolean then now() else k.since end
    from given p
    left join lateral (
        select max(s.created_at) as since from suppressions s where s.workspace_id = :workspace_id
            and s.identity_key = p.key and {_STANDS}
    ) k on true
    returning id, version, email_opt_out
"""  # noqa: S608 - built from constants only
INSERT = text(
    f"""
    with given as materialized (
        select r.id, r.patch, integrations_identity_key(r.patch ->> 'email') as key
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, patch jsonb)
    ), made as ({NEW})
    select id::text, version, email_opt_out from made
    """  # noqa: S608 - built from constants only
)
DELETE = text(
    """
    update workspace_contacts c set deleted_at = now()
    from jsonb_to_recordset(cast(:rows as jsonb)) as p(id uuid, version bigint)
    where c.id = any(cast(:ids as uuid[])) and c.id = p.id and c.deleted_at is null
        and (p.version is null or c.version = p.version)
    returning c.id::text, c.version, c.email_opt_out
    """
)
#: `loses_email`: it is about to get another, and somebody may have taken the one that it had.
REVIVE = text(
    "update workspace_contacts set deleted_at = null, email = case when :loses_email then null else email end "
    "where id = any(cast(:ids as uuid[])) returning id::text"
)

#: Since when a suppression keeps the contact `c` out. A join with the table itself, or with a grouped one, is planned
#: as one pass over all suppressions per contact where the tables have no statistics yet; this one uses the key always.
KEPT_OUT = f"""
    left join lateral (
        select max(s.created_at) as since from suppressions s where s.workspace_id = c.workspace_id
            and s.identity_key = c.identity_key and {KEEPS_OUT}
    ) k on true
"""  # noqa: S608 - built from constants only
CONSENT = "case when c.email_opt_out or k.since is not null then 'true' else '' end"
