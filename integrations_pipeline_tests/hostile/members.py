"""What a member of one workspace may try in SQL: other workspaces, more rights, rows that break something for all."""

from collections.abc import Callable

import psycopg2

from integrations_pipeline.store.tables import METADATA
from integrations_pipeline_tests.hostile.attempt import Attempt, Ground

#: SQLSTATE classes of a refusal: rights, constraints, values that no column takes, transactions.
_REFUSALS = ("42501", "23", "22", "0A", "25", "42809", "2F")

_STRANGERS = "their rows"
_RIGHTS = "more rights"
_BOUNDS = "rows that break something for all"

#: By title: a statement that must be refused or touch nothing. `{theirs}` and the like are filled in.
_STATEMENTS = {
    _STRANGERS: {
        "write a contact": "insert into workspace_contacts (workspace_id, email) values ('{theirs}', 'n@example.org')",
        "change a contact": "update workspace_contacts set name = 'Y' where id = '{their_contact}'",
        "delete a contact": "delete from workspace_contacts where id = '{their_contact}'",
        "move a contact": "update workspace_contacts set workspace_id = '{theirs}' where id = '{contact}'",
        "become their admin": "insert into workspace_members values ('{theirs}', '{me}', 'admin')",
        "read by their connection": "select 1 from integration_field_mappings"
        " where connection_id = '{their_connection}'",
        "map a field of theirs": "insert into integration_field_mappings"
        " (connection_id, workspace_field, external_field) values ('{their_connection}', 'name', 'X')",
        "pitch to their contact": "insert into pitches (workspace_id, to_email, contact_id)"
        " values ('{mine}', 'x@example.org', '{their_contact}')",
        "answer their pitch": "update pitches set in_reply_to_pitch_id = '{their_pitch}' where id = '{pitch}'",
        "ask about their integrations": "select 1 from get_workspace_integrations('{theirs}')",
        "ask who is due, across workspaces": "select 1 from integrations_due_connections(now(), 10)",
        "ask what is wrong, across workspaces": "select 1 from integrations_findings('gmail', now())",
        "write into their history": "insert into integration_activity"
        " (workspace_id, integration_name, action, success) values ('{theirs}', 'gmail', 'a', true)",
    },
    _RIGHTS: {
        "take on the pipeline's role": "set role integrations_pipeline",
        "take on the owner's role": "set role {owner}",
        "take on the superuser's role": "set role postgres",
        "take on the superuser's session": "set session authorization postgres",
        "give oneself the pipeline's role": "grant integrations_pipeline to application",
        "switch the policies off": "alter table workspace_contacts disable row level security",
        "ask without policies": "set row_security = off; select 1 from workspace_contacts",
        "drop a policy": "drop policy integrations_member_reads on workspace_contacts",
        "read credentials": "select credentials from integration_connections",
        "read a cursor": "select cursor from integration_connections",
        "filter by credentials": "select 1 from integration_connections where credentials::text like '%v%'",
        "replace credentials": "update integration_connections set credentials = '{{}}'",
        "empty a table": "truncate workspace_contacts",
        "empty all tables": "truncate workspaces cascade",
        "delete the workspace": "delete from workspaces",
        "change the slug": "update workspaces set slug = 'other'",
        "change the owner": "update workspaces set owner_id = gen_random_uuid()",
        "forge the journal": "update integration_changes set state = 'applied'",
        "forge a log": "update integration_sync_logs set status = 'success'",
        "lift a suppression": "delete from suppressions",
        "read the pace table": "select 1 from provider_rate_limits",
        "hold a function of the caretaker": "select integrations_trim('activity', '2000-01-01', 10)",
        "hang a trigger on a table": "create trigger t before insert on pitches execute function integrations_touch()",
        "make a table": "create table surprise (id int)",
        "read a file of the server": "select pg_read_file('postgresql.conf')",
        "run a program on the server": "copy (select 1) to program 'id'",
    },
    _BOUNDS: {
        "a frequency without end": "update integration_connections set sync_frequency_minutes = 2147483647",
        "a frequency of nothing": "update integration_connections set sync_frequency_minutes = 0",
        "a version at its limit": "insert into workspace_contacts (workspace_id, version)"
        " values ('{mine}', 9223372036854775807)",
        "a contact from the end of time": "update workspace_contacts set created_at = 'infinity'",
        "a deletion before time": "update workspace_contacts set deleted_at = '-infinity'",
        "a pitch from before time": "update pitches set created_at = '-infinity'",
        "a pitch in year 20000": "update pitches set scheduled_at = '20000-01-01Z'",
        "an activity of less than nothing": "insert into integration_activity"
        " (workspace_id, integration_name, action, success, records_affected)"
        " values ('{mine}', 'gmail', 'a', true, -1)",
    },
}


def _filled(statement: str, place: Ground) -> str:
    mine, theirs = place.mine, place.theirs
    return statement.format(
        mine=mine.workspace_id,
        theirs=theirs.workspace_id,
        me=mine.owner_id,
        owner=place.database._url.username,
        contact=mine.contact_id,
        pitch=mine.pitch_id,
        their_contact=theirs.contact_id,
        their_pitch=theirs.pitch_id,
        their_connection=theirs.connection_id,
    )


def _reach(statement: str, place: Ground) -> str:
    with place.as_member() as cursor:
        try:
            cursor.execute(_filled(statement, place))
        except psycopg2.Error as error:
            state = error.pgcode or ""
            return "" if state.startswith(_REFUSALS) else f"answered with SQLSTATE {state}"
        reached = cursor.rowcount
    return "" if reached == 0 else f"reached {reached} rows" if reached > 0 else "was carried out"


def _by(statement: str) -> Callable[[Ground], str]:
    return lambda place: _reach(statement, place)


def _sees(table: str) -> Callable[[Ground], str]:
    """A table without a where: nothing of the other workspace, although every row of it collides with one of ours."""

    def deed(place: Ground) -> str:
        with place.database.admin() as connection:
            everything = connection.exec_driver_sql(f"select count(*) from {table}").scalar() or 0
        with place.as_member() as cursor:
            try:
                cursor.execute(f"select count(*) from {table}")
                seen = cursor.fetchone()[0]
            except psycopg2.Error as error:
                return "" if error.pgcode == "42501" else f"answered with SQLSTATE {error.pgcode}"
        return "" if seen <= everything / 2 else f"saw {seen} rows of {everything}"

    return deed


def _pipeline_sees(place: Ground) -> str:
    found = []
    for table in METADATA.tables:
        with place.database.admin() as connection:
            everything = connection.exec_driver_sql(f"select count(*) from {table}").scalar() or 0
        if table in ("provider_rate_limits", "integration_alert_deliveries"):
            continue
        with place.database.workspace(place.mine.workspace_id) as connection:
            if (connection.exec_driver_sql(f"select count(*) from {table}").scalar() or 0) > everything / 2:
                found.append(table)
    return ", ".join(found)


def _left_behind(place: Ground) -> str:
    """A run that dies in the middle: the next user of the connection must not be its workspace's pipeline."""
    for how in ("session", "workspace"):
        try:
            with getattr(place.database, how)(place.theirs.workspace_id):
                raise RuntimeError
        except RuntimeError:
            pass
        with place.database.admin() as connection:
            found = connection.exec_driver_sql(
                "select current_user::text, current_setting('app.workspace_id', true)"
            ).one()
        if found[0] == "integrations_pipeline" or found[1]:
            return f"{how}: {found[0]}"
    return ""


def _health(place: Ground) -> str:
    """After everything that members wrote, the fleet's questions are answered."""
    with place.database.admin() as connection:
        for statement in (
            "select count(*) from integrations_findings('gmail', now())",
            "select count(*) from integrations_due_connections(now(), 10)",
            "select created_at, updated_at, deleted_at from workspace_contacts",
            "select created_at, scheduled_at from pitches",
        ):
            connection.exec_driver_sql(statement).fetchall()
    return ""


ATTEMPTS = (
    *(Attempt(area=_STRANGERS, title=f"look into {table}", deed=_sees(table)) for table in METADATA.tables),
    *(
        Attempt(area=area, title=title, deed=_by(statement))
        for area, statements in _STATEMENTS.items()
        for title, statement in statements.items()
    ),
    Attempt(area=_STRANGERS, title="a pipeline that forgets its where", deed=_pipeline_sees),
    Attempt(area=_RIGHTS, title="the role of a run that died", deed=_left_behind),
    Attempt(area=_BOUNDS, title="the fleet's questions afterwards", deed=_health),
)
