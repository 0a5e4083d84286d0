"""The roles that the program works under: made, taken on, and what others keep on its tables.

Belongs here: statements about roles and rights that depend on the server or on who migrates, and therefore are no
migration: they are true again after every upgrade. Does not: policies and the rights of a table (the migrations).

Facts, by version of Postgres. Up to 15 a member of a role may take it on. From 16 on whoever makes a role is a member
with ADMIN only: neither SET nor INHERIT, until they grant that to themselves
(https://www.postgresql.org/docs/16/sql-grant.html). Up to 15 an owner with NOINHERIT has no rights of
`pg_database_owner`, to whom the schema `public` belongs.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store.faults import sqlstate

PIPELINE_ROLE = "integrations_pipeline"
MEMBER_ROLE = "integrations_member"
#: Supabase grants every new table, sequence and function to these; ours are reached through the member's role alone.
WEB_ROLES = ("anon", "authenticated")
#: The signed-in one of them.
SIGNED_IN = "authenticated"
#: From this version on a grant says itself whether it may be inherited or taken on.
GRANT_OPTIONS = 160_000
#: What a statement says that the role may not run, or whose object is another's.
INSUFFICIENT_PRIVILEGE = "42501"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What the migrating user may do, as Postgres tells it."""

    user: str
    version: int
    makes_roles: bool
    missing: tuple[str, ...]
    may_create: bool
    owns_database: bool


def tables() -> list[str]:
    """The names of all our tables."""
    from integrations_pipeline.store.tables import METADATA  # noqa: PLC0415 - takes long, and only upgrades ask

    return [*sorted(METADATA.tables), "alembic_version"]


def ensure_roles(connection: Connection) -> None:
    """Make the roles that are missing and let the connecting user take on the pipeline's.

    `ConfigurationError` with the statement that a superuser has to run where this user may not.
    """
    found = _standing(connection)
    if found.missing and not found.makes_roles:
        made = "; ".join(f"create role {name} nologin" for name in found.missing)
        raise ConfigurationError(
            f"the database's user may make no roles: give it CREATEROLE, or let a superuser run `{made}; "
            f"{_grant(found)}`"
        )
    for name in found.missing:
        _tried(connection, f"create role {name} nologin")  # another database of this server may make it now
    if not _may_take_on(connection, found) and not _tried(connection, _grant(found)):
        raise ConfigurationError(
            f"the role {PIPELINE_ROLE} was made by another user of this server: let that one, or a superuser, run "
            f"`{_grant(found)}`, then upgrade again"
        )
    if not found.may_create and found.owns_database:
        _tried(connection, f"set local role pg_database_owner; grant create on schema public to {_quoted(found.user)}")
        connection.execute(text("reset role"))


def close_to_web(connection: Connection) -> None:
    """Take from everybody, and from Supabase's web roles, what was never granted to them on purpose.

    The signed-in role gets the member's rights: by inheritance, or, on a server where a role that inherits nothing
    cannot be made to, by the same grants and policies in its own name.
    """
    relations = _names(
        connection,
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relname = any (:names)",
    )
    roles = list(connection.execute(text(_ROLES), {"names": list(WEB_ROLES)}).scalars())
    for role in ("public", *(_quoted(name) for name in roles)):
        connection.execute(text(f"revoke all on {', '.join(map(_quoted, relations))} from {role}"))
    for role in roles:
        for kind, names in (("sequence", _SEQUENCES), ("function", _FUNCTIONS)):
            for name in _names(connection, names):
                connection.execute(text(f"revoke all on {kind} {name} from {_quoted(role)}"))
    if SIGNED_IN in roles:
        _let_in(connection)


_ROLES = "select rolname from pg_roles where rolname = any (:names)"
_SEQUENCES = (
    "select s.oid::regclass::text from pg_class s join pg_depend d on d.objid = s.oid and d.deptype in ('a', 'i')"
    " join pg_class c on c.oid = d.refobjid"
    " where s.relkind = 'S' and c.relnamespace = 'public'::regnamespace and c.relname = any (:names)"
)
_FUNCTIONS = (
    "select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace and"
    " (proname like 'integrations\\_%' or proname in"
    " ('get_workspace_integrations', 'get_integration_activity_summary')) and cardinality(cast(:names as text[])) > 0"
)
_INHERITS = f"select pg_has_role('{SIGNED_IN}', '{MEMBER_ROLE}', 'usage')"
#: The member's rights, table by table and column by column, as statements for somebody else.
_RIGHTS = f"""
    select format('grant %s on %I to {SIGNED_IN}', string_agg(a.privilege_type, ', '), c.relname)
    from pg_class c cross join lateral aclexplode(c.relacl) a
    where c.relnamespace = 'public'::regnamespace and c.relname = any (:names)
        and a.grantee = '{MEMBER_ROLE}'::regrole
    group by c.relname
    union all
    select format('grant %s (%I) on %I to {SIGNED_IN}', a.privilege_type, t.attname, c.relname)
    from pg_class c join pg_attribute t on t.attrelid = c.oid cross join lateral aclexplode(t.attacl) a
    where c.relnamespace = 'public'::regnamespace and c.relname = any (:names)
        and a.grantee = '{MEMBER_ROLE}'::regrole
    union all
    select format('alter policy %I on %I to {MEMBER_ROLE}, {SIGNED_IN}', p.polname, c.relname)
    from pg_policy p join pg_class c on c.oid = p.polrelid
    where c.relnamespace = 'public'::regnamespace and c.relname = any (:names)
        and '{MEMBER_ROLE}'::regrole = any (p.polroles)
"""  # noqa: S608 - built from constants only


def _let_in(connection: Connection) -> None:
    inherits = text(_INHERITS)
    if not connection.execute(inherits).scalar():
        options = " with inherit true" if _standing(connection).version >= GRANT_OPTIONS else ""
        _tried(connection, f"grant {MEMBER_ROLE} to {SIGNED_IN}{options}")
    if not connection.execute(inherits).scalar():
        for statement in _names(connection, _RIGHTS):
            connection.execute(text(statement))


def _names(connection: Connection, statement: str) -> list[str]:
    return [str(name) for name in connection.execute(text(statement), {"names": tables()}).scalars()]


def _standing(connection: Connection) -> _Standing:
    row = connection.execute(
        text(
            "select current_user::text as name, current_setting('server_version_num')::int as version,"
            " (select rolcreaterole or rolsuper from pg_roles where rolname = current_user) as makes_roles,"
            " array(select name from unnest(cast(:roles as text[])) as name"
            " where not exists (select from pg_roles where rolname = name)) as missing,"
            " has_schema_privilege('public', 'create') as may_create,"
            " (select pg_has_role(datdba, 'member') from pg_database where datname = current_database()) as owns"
        ),
        {"roles": [PIPELINE_ROLE, MEMBER_ROLE]},
    ).one()
    return _Standing(
        user=row.name,
        version=row.version,
        makes_roles=bool(row.makes_roles),
        missing=tuple(row.missing),
        may_create=bool(row.may_create),
        owns_database=bool(row.owns),
    )


def _may_take_on(connection: Connection, found: _Standing) -> bool:
    way = "set" if found.version >= GRANT_OPTIONS else "member"
    return bool(connection.execute(text(f"select pg_has_role('{PIPELINE_ROLE}', '{way}')")).scalar())


def _grant(found: _Standing) -> str:
    """Without INHERIT: the program needs the pipeline's rights only while it is the pipeline."""
    options = " with inherit false, set true" if found.version >= GRANT_OPTIONS else ""
    return f"grant {PIPELINE_ROLE} to {_quoted(found.user)}{options}"


def _tried(connection: Connection, statement: str) -> bool:
    """Run it; False, with nothing done, where Postgres refuses it or somebody else was first."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if sqlstate(error) not in (INSUFFICIENT_PRIVILEGE, "0LP01", "42710", "23505"):
            raise
        return False
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
