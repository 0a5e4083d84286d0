"""Contacts through the ready-made classes: values as Python has them, in and out."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from integrations_pipeline import AirtableSync, Integrations, SyncResult
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline_tests.environment import Environment

NAMES = (
    "id workspace_id email name company job_title phone tags custom_fields email_opt_out email_opt_out_at created_at"
)

#: An id that nobody has; the same in every process, for it is part of a test's name.
STRANGER = UUID("00000000-0000-4000-8000-00000000abcd")


@pytest.fixture
def airtable(environment: Environment, integrations: Integrations) -> AirtableSync:
    workspace_id = environment.add_workspace("acme")
    environment.connect(workspace_id, conflict_policy="local_wins")
    sync = AirtableSync(workspace_id, integrations)
    sync.initialize()
    return sync


def only(sync: AirtableSync) -> dict[str, Any]:
    (found,) = sync.get_workspace_contacts()
    return found


def records(environment: Environment) -> list[dict[str, Any]]:
    """The cells of what is in Airtable, by e-mail."""
    airtable = environment.sandbox.airtable
    (settings,) = environment.rows(
        "select settings ->> 'base_id', settings ->> 'table_id' from integration_connections"
    )
    found = [each["fields"] for each in airtable.records(str(settings[0]), str(settings[1]))]
    return sorted(found, key=lambda each: str(each.get("Email", "")))


def pushed(sync: AirtableSync, *rows: Any) -> SyncResult:
    result = sync.sync_to_external(list(rows))
    assert result.success, result.errors
    return result


@pytest.mark.parametrize("tags", [["x", "y"], ("x", "y"), {"x", "y"}, frozenset("xy"), ["x", " y ", "", "x"]])
def test_tags_are_members_whatever_collection_holds_them(
    airtable: AirtableSync, environment: Environment, tags: Any
) -> None:
    pushed(airtable, {"email": "ann@example.org", "tags": tags})

    assert only(airtable)["tags"] == ["x", "y"]
    assert sorted(records(environment)[0]["Tags"]) == ["x", "y"]


def test_contacts_come_out_as_python_has_them(airtable: AirtableSync, environment: Environment) -> None:
    custom = {"age": 41, "vip": True, "towns": ["Oslo", "Rome"], "born": date(1984, 5, 1), "fee": Decimal("1.50")}
    pushed(
        airtable, {"email": "ann@example.org", "custom_fields": custom, "email_opt_out": True, "phone": 442079460001}
    )
    pushed(airtable, {"email": "bo@example.org", "name": ""})

    ann, bo = airtable.get_workspace_contacts()

    assert [*ann] == [*NAMES.split(), "updated_at", "version"]
    assert type(ann["id"]) is type(ann["workspace_id"]) is UUID
    assert (ann["email"], ann["name"], ann["phone"]) == ("ann@example.org", None, "442079460001")
    assert ann["custom_fields"] == {**custom, "born": "1984-05-01", "fee": "1.50"}
    assert (ann["email_opt_out"], ann["tags"]) == (True, [])
    assert isinstance(ann["email_opt_out_at"], datetime)
    assert (bo["email_opt_out"], bo["email_opt_out_at"], bo["custom_fields"]) == (False, None, {})
    assert ann["created_at"].tzinfo is not None


def test_what_is_handed_back_unchanged_changes_nothing(airtable: AirtableSync, environment: Environment) -> None:
    rows = [
        {"email": "ann@example.org", "tags": ["b", "a"], "custom_fields": {"age": 41}, "email_opt_out": True},
        {"email": "bo@example.org", "name": "Bo"},
        {"name": "Nobody", "company": "Nordlys"},
    ]
    pushed(airtable, *rows)
    before = airtable.get_workspace_contacts()

    result = pushed(airtable, *before)

    assert airtable.get_workspace_contacts() == before
    assert result.records_synced == 0
    assert len(records(environment)) == 3


def test_a_contact_is_got_edited_and_handed_back(airtable: AirtableSync, environment: Environment) -> None:
    pushed(airtable, {"email": "ann@example.org", "name": "Ann", "tags": ["press"], "company": "Nordlys"})
    ann = only(airtable)

    ann["tags"].append("radio")
    ann |= {"company": None, "email": "ann.smith@example.org", "job_title": "Editor"}
    ann["custom_fields"]["tier"] = "gold"
    result = pushed(airtable, ann)

    assert result.records_updated == 1
    now = only(airtable)
    assert now["id"] == ann["id"]
    expected = {"tags": ["press", "radio"], "company": None, "email": "ann.smith@example.org", "name": "Ann"}
    assert {name: now[name] for name in expected} == expected
    assert now["custom_fields"] == {"tier": "gold"}
    (record,) = records(environment)
    assert record["Email"] == "ann.smith@example.org"
    assert "Company" not in record


def test_a_missing_key_is_not_told_and_none_is_empty(airtable: AirtableSync) -> None:
    full = {"email": "ann@example.org", "name": "Ann", "phone": "1", "tags": ["a"], "custom_fields": {"x": 1, "y": 2}}
    pushed(airtable, {**full, "email_opt_out": True})

    pushed(airtable, {"email": "ANN@example.org", "name": "Anna"})
    kept = only(airtable)
    assert (kept["name"], kept["phone"], kept["tags"], kept["email_opt_out"]) == ("Anna", "1", ["a"], True)
    assert kept["custom_fields"] == {"x": 1, "y": 2}
    assert kept["email"] == "ann@example.org"

    pushed(airtable, {"email": "ann@example.org", "phone": None, "tags": None, "custom_fields": {"x": None}})
    cleared = only(airtable)
    assert (cleared["phone"], cleared["tags"], cleared["custom_fields"]) == (None, [], {"y": 2})

    pushed(airtable, {"email": "ann@example.org", "custom_fields": None, "email_opt_out": None, "name": "  "})
    emptied = only(airtable)
    assert (emptied["custom_fields"], emptied["email_opt_out"], emptied["name"]) == ({}, True, None)


def test_a_custom_field_may_be_told_by_itself(airtable: AirtableSync) -> None:
    pushed(airtable, {"email": "ann@example.org", "custom_fields.tier": "gold", "custom_fields": {"n": 0, "no": False}})

    assert only(airtable)["custom_fields"] == {"n": 0, "no": False, "tier": "gold"}


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ({"email_opt_out": "false"}, "email_opt_out is a str: give True or False"),
        ({"email_opt_out": 0}, "email_opt_out is an int: give True or False"),
        ({"tags": "press"}, 'tags is a str: give a list, as ["press", "radio"]'),
        ({"tags": {"press": 1}}, "tags is a dict: give a list"),
        ({"tags": ["a", None, True]}, "one of its tags is a bool: give a text"),
        ({"name": ["Ann"]}, "name is a list: give a text, or None for empty"),
        ({"name": True}, "name is a bool"),
        ({"phone": float("nan")}, "phone is not a number (nan)"),
        ({"compnay": "Nordlys"}, "unknown field 'compnay': use email, name, company"),
        ({7: "x"}, "unknown field '7'"),
        ({"custom_fields": ["x"]}, "custom_fields is a list: give a dict"),
        ({"custom_fields": {"x": {1, 2}}}, "custom_fields.x is a set or holds something that JSON has no word for"),
        ({"custom_fields": {"x": float("inf")}}, "custom_fields.x is a float"),
        ({"custom_fields": {3: "x"}}, "custom_fields has a key that is no text"),
        ({"id": "12"}, "id is no UUID"),
        ({"id": STRANGER}, "no contact of this workspace has this id"),
        ({"workspace_id": STRANGER}, "it belongs to another workspace"),
        ({"version": "1"}, "version is no whole number"),
        ({"email": "nobody"}, "email is no valid address"),
        ({"email": "x" * 3000 + "@example.org"}, "email is no valid address"),
        ({"email": None}, "every field is empty"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_that_cannot_be_meant_is_told_in_one_line_and_the_others_go_on(
    airtable: AirtableSync, environment: Environment, row: dict[Any, Any], line: str
) -> None:
    told = row if "email" in row else {"email": "bad@example.org", **row}

    result = airtable.sync_to_external([{"email": "ann@example.org", "tags": ["a"]}, told])

    assert not result.success
    assert (result.records_failed, len(result.errors)) == (1, 1)
    assert result.errors[0].startswith(f"number 2: {line}")
    assert [each["email"] for each in airtable.get_workspace_contacts()] == ["ann@example.org"]
    assert [each["Email"] for each in records(environment)] == ["ann@example.org"]
    assert airtable.get_status() == "active"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"email": "ann@example.org"}, "expected a list of contacts, each a dict, not a dict"),
        ("ann@example.org", "not a str"),
        (7, "not an int"),
        (["ann@example.org"], "number 1 is a str"),
        ([{"email": "ann@example.org"}, None], "number 2 is a NoneType"),
    ],
)
def test_what_is_no_list_of_contacts_gives_a_failed_result_and_does_nothing(
    airtable: AirtableSync, environment: Environment, data: Any, line: str
) -> None:
    result = airtable.sync_to_external(data)

    assert not result.success
    assert line in result.errors[0]
    assert airtable.get_workspace_contacts() == []
    assert environment.rows("select 1 from integration_sync_logs") == []
    assert environment.rows("select action, success from integration_activity") == [("sync_failed", False)]
    assert environment.rows("select error_count from integration_connections") == [(0,)]


def test_any_iterable_of_contacts_is_taken_and_none_pushes_what_is_there(
    airtable: AirtableSync, environment: Environment
) -> None:
    pushed_rows = airtable.sync_to_external({"email": f"p{i}@example.org"} for i in range(3))

    assert pushed_rows.records_created == 3
    assert airtable.sync_to_external(None).success
    assert airtable.sync_to_external().success
    assert len(records(environment)) == 3


def test_an_edit_that_landed_after_the_read_is_not_overwritten(airtable: AirtableSync) -> None:
    pushed(airtable, {"email": "ann@example.org", "company": "Nordlys"}, {"email": "bo@example.org"})
    ann, bo = airtable.get_workspace_contacts()
    pushed(airtable, {"email": "ann@example.org", "company": "Aurora"}, {"email": "bo@example.org", "name": "Bo Li"})

    result = airtable.sync_to_external([{**ann, "name": "Ann"}, {**bo, "name": "Bo Li"}])

    assert not result.success
    assert result.errors == ("number 1: it was edited since it was read, and is left as it is: read it again",)
    now = airtable.get_workspace_contacts()[0]
    assert (now["company"], now["name"]) == ("Aurora", None)


def test_a_list_may_be_edited_and_handed_in_again_and_again_while_nobody_else_edits(airtable: AirtableSync) -> None:
    pushed(airtable, {"email": "ann@example.org"}, {"email": "bo@example.org"})
    contacts = airtable.get_workspace_contacts()

    for name in ("Ann", "Anna", "Anne"):
        contacts[0]["name"] = name
        pushed(airtable, *contacts)
    AirtableSync(airtable.workspace_id, airtable.runtime).save_workspace_contacts(
        [{"email": "ann@example.org", "phone": "1"}]
    )
    contacts[0]["name"] = "Annie"

    assert airtable.sync_to_external(contacts).errors[0].startswith("number 1: it was edited since it was read")
    now = airtable.get_workspace_contacts()[0]
    assert (now["name"], now["phone"]) == ("Anne", "1")


def test_edits_go_round_between_both_sides(airtable: AirtableSync, environment: Environment) -> None:
    pushed(airtable, {"email": "ann@example.org", "tags": ["press"]})
    (place,) = environment.rows("select settings ->> 'base_id', settings ->> 'table_id' from integration_connections")
    base_id, table_id = map(str, place)
    (record,) = environment.sandbox.airtable.records(base_id, table_id)
    environment.sandbox.airtable.update_record(base_id, table_id, record["id"], Name="Ann", Tags=["press", "tv"])
    ann = only(airtable)

    fetched = airtable.sync_from_external()
    stale = airtable.sync_to_external([{**ann, "name": "Anna"}])
    back = pushed(airtable, {**only(airtable), "tags": ["tv"]})

    assert (fetched.records_updated, back.records_updated) == (1, 1)
    assert "edited since it was read" in stale.errors[0]
    assert (only(airtable)["name"], only(airtable)["tags"]) == ("Ann", ["tv"])
    assert records(environment)[0]["Tags"] == ["tv"]


def test_two_rows_about_one_contact_add_up_and_take_no_opt_out_back(airtable: AirtableSync) -> None:
    pushed(airtable, {"email": "ann@example.org"})
    ann = only(airtable)

    pushed(
        airtable,
        {"id": str(ann["id"]), "name": "Ann", "email_opt_out": True, "custom_fields": {"a": 1}},
        {"email": "ann@example.org", "company": "Nordlys", "email_opt_out": False, "custom_fields": {"b": 2}},
    )

    now = only(airtable)
    assert (now["name"], now["company"], now["email_opt_out"]) == ("Ann", "Nordlys", True)
    assert now["custom_fields"] == {"a": 1, "b": 2}


def test_nobody_who_opted_out_is_let_in_again_by_a_program(airtable: AirtableSync) -> None:
    pushed(airtable, {"email": "ann@example.org", "email_opt_out": True})
    ann = only(airtable)

    result = pushed(airtable, {**ann, "email_opt_out": False})

    assert result.metadata["kept_out"] == 1
    assert only(airtable)["email_opt_out"] is True


def test_an_e_mail_of_somebody_else_is_refused_and_two_may_change_theirs(airtable: AirtableSync) -> None:
    pushed(airtable, *({"email": f"{name}@example.org", "name": name} for name in ("ann", "bo", "cy")))
    ann, bo, cy = airtable.get_workspace_contacts()

    taken = airtable.sync_to_external([{**cy, "email": "ann@example.org", "name": "Cy"}])
    swapped = airtable.sync_to_external([{**ann, "email": bo["email"]}, {**bo, "email": ann["email"]}])

    assert taken.errors == ("number 1: another contact has its e-mail",)
    assert swapped.errors == ()
    found = {each["name"]: each["email"] for each in airtable.get_workspace_contacts()}
    assert found == {"ann": "bo@example.org", "bo": "ann@example.org", "cy": "cy@example.org"}


def test_a_contact_with_an_e_mail_that_nobody_would_take_today_can_be_handed_back(
    airtable: AirtableSync, environment: Environment
) -> None:
    with environment.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "insert into workspace_contacts (workspace_id, email, name) values (%s, %s, %s)",
            (str(airtable.workspace_id), "old style", " Ann "),
        )
    found = only(airtable)

    result = airtable.sync_to_external([{**found, "company": "Nordlys"}])

    assert not any("number" in line for line in result.errors)
    assert (only(airtable)["company"], only(airtable)["name"]) == ("Nordlys", " Ann ")


def test_contacts_of_another_workspace_are_neither_read_nor_written(
    airtable: AirtableSync, environment: Environment
) -> None:
    environment.add_workspace("other", people=1)
    (stranger,) = environment.rows("select id from workspace_contacts")

    result = airtable.sync_to_external([{"id": stranger[0], "name": "Mine"}])

    assert result.errors == ("number 1: no contact of this workspace has this id (any more)",)
    assert airtable.get_workspace_contacts() == []
    assert environment.rows("select name from workspace_contacts") == [("Person 0",)]


def test_a_contact_without_an_e_mail_is_added_once(airtable: AirtableSync) -> None:
    row = {"name": "Nobody", "company": "Nordlys", "custom_fields": {"age": 41}}
    pushed(airtable, row, row)
    pushed(airtable, row)

    found = only(airtable)
    assert (found["email"], found["company"]) == (None, "Nordlys")


def test_tables_of_other_applications_are_read_for_this_workspace_only(
    airtable: AirtableSync, environment: Environment
) -> None:
    other = environment.add_workspace("other")
    with environment.wiring.database.admin() as connection:
        for name, kind in (("press_people", "uuid"), ('"Odd: %s ""table"""', "text")):
            connection.exec_driver_sql(f"create table {name.replace('%', '%%')} (workspace_id {kind}, name text)")
            for whose, who in ((airtable.workspace_id, "ours"), (other, "theirs")):
                connection.exec_driver_sql(f"insert into {name.replace('%', '%%')} values (%s, %s)", (str(whose), who))

    for name in ("press_people", 'Odd: %s "table"'):
        assert [row["name"] for row in airtable.get_app_contacts(name)] == ["ours"]
    assert airtable.get_app_contacts("press_people")[0]["workspace_id"] == airtable.workspace_id
    names: list[Any] = [
        "",
        "public.press_people",
        "PRESS_PEOPLE",
        "pg_class",
        "workspaces",
        "x; drop table pitches",
        None,
    ]
    for wrong in names:
        with pytest.raises(ConfigurationError, match="has no workspace_id column"):
            airtable.get_app_contacts(wrong)
