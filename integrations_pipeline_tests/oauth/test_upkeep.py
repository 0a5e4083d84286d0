"""Tokens that nothing uses are kept alive, and nobody's trouble becomes another's."""

import logging
from datetime import timedelta

import pytest

from integrations_pipeline.store import tokens
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline.sync.upkeep import PATIENCE, UNUSED, Kept, keep_tokens_alive
from integrations_pipeline_tests.oauth.arrangement import Place, leaked, secrets_of
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY


def _unused(place: Place, *rows: ConnectionRow, days: float = 21, status: str = "active") -> None:
    """Their refresh tokens were last used so long ago."""
    with place.wiring.database.admin() as connection:
        for row in rows:
            connection.exec_driver_sql(
                "update integration_connections set token_refreshed_at = %(at)s, status = %(status)s, "
                "sync_enabled = %(status)s <> 'paused' where id = %(id)s",
                {"at": place.time.now() - timedelta(days=days), "status": status, "id": str(row.id)},
            )


def _results(place: Place, **options: int) -> dict[str, str]:
    report = keep_tokens_alive(place.runtime, **options)  # type: ignore[arg-type]  # only `batch`
    return {kept.workspace: kept.result for kept in report.connections}


def test_who_has_not_renewed_for_twenty_days_is_renewed_in_every_status_but_one(place: Place) -> None:
    rows = {name: place.authorised(name) for name in ("active", "paused", "error", "disconnected", "recent")}
    for name in ("active", "paused", "error", "disconnected"):
        _unused(place, rows[name], status=name)
    _unused(place, rows["recent"], days=19)
    before = {name: place.credentials(row) for name, row in rows.items()}
    by_key = place.add_workspace("key")
    place.connect(by_key)
    place.store(by_key, "mailchimp", {"api_key": DEFAULT_MAILCHIMP_KEY}, {"list_id": "x"})

    found = _results(place)

    assert timedelta(days=20) == UNUSED
    assert found == {"active": "renewed", "paused": "renewed", "error": "renewed"}
    renewed = {name for name, row in rows.items() if place.credentials(row) != before[name]}
    assert renewed == set(found)
    assert {name: place.row(row).status for name, row in rows.items()} == {
        "active": "active", "paused": "paused", "error": "error", "disconnected": "disconnected", "recent": "active",
    }  # fmt: skip
    assert _results(place) == {}
    assert place.renewals() == {"ok": 3}


def test_one_connections_trouble_stays_its_own(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    rows = {name: place.authorised(name) for name in ("revoked", "unreadable", "unknown", "keyless", "well")}
    _unused(place, *rows.values())
    place.sandbox.oauth.revoke("airtable", place.credentials(rows["revoked"])["refresh_token"])
    well = place.grant(rows["well"].workspace_id, "airtable")
    _unused(place, well, days=20.5)
    place.change(rows["keyless"], refresh_token="")
    with place.wiring.database.admin() as connection:
        lost = Cipher.from_text(generate_key_text())
        tokens.save_credentials(connection, rows["unreadable"].id, {"access_token": "a", "refresh_token": "r"}, lost)
        connection.exec_driver_sql(
            "update integration_connections set integration_type = 'notebook' where id = %(id)s",
            {"id": str(rows["unknown"].id)},
        )

    with caplog.at_level(logging.INFO):
        report = keep_tokens_alive(place.runtime)

    assert {kept.workspace: kept.result for kept in report.connections} == {
        "revoked": "disconnected", "unreadable": "failed", "unknown": "skipped", "keyless": "skipped",
        "well": "renewed",
    }  # fmt: skip
    assert place.row(rows["revoked"]).status == "disconnected"
    assert "connections authorize airtable" in (place.row(rows["revoked"]).error_message or "")
    assert place.row(rows["unreadable"]).status == "active"
    told = report.to_dict()
    assert {name: told[name] for name in ("renewed", "disconnected", "failed", "postponed", "skipped")} == {
        "renewed": 1, "disconnected": 1, "failed": 1, "postponed": 0, "skipped": 2,
    }  # fmt: skip
    assert len(told["troubles"]) == 2
    assert report.count("renewed") == 1
    assert leaked(secrets_of(place.sandbox), caplog.text, str(told), repr(report)) == []
    assert "revoked" in caplog.text


def test_a_provider_that_fails_for_all_is_left_alone_and_the_others_are_not(place: Place) -> None:
    rows = [place.authorised(f"a{i}") for i in range(PATIENCE + 2)]
    for i, row in enumerate(rows):
        _unused(place, row, days=40 - i)
    others = [place.grant(row.workspace_id, "gmail", {}) for row in rows[:2]]
    _unused(place, *others)
    place.fault("airtable", "status", status=503, times=-1)

    found = [(kept.provider, kept.result) for kept in keep_tokens_alive(place.runtime).connections]

    assert found == [("airtable", "failed")] * PATIENCE + [("airtable", "postponed")] * 2 + [("gmail", "renewed")] * 2
    assert {place.row(row).status for row in rows} == {"active"}
    place.sandbox.airtable.clear_faults()
    assert set(_results(place).values()) == {"renewed"}


def test_those_that_fail_for_ever_do_not_keep_the_others_from_their_turn(place: Place) -> None:
    rows = [place.authorised(f"w{i}") for i in range(7)]
    for i, row in enumerate(rows):
        _unused(place, row, days=60 - i)
    for row in rows[:5]:
        place.change(row, refresh_token="")

    found = _results(place, batch=2)

    assert found == {f"w{i}": "skipped" if i < 5 else "renewed" for i in range(7)}


def test_a_connection_nobody_uses_lives_for_years(place: Place) -> None:
    row = place.authorised()
    _unused(place, row, days=0, status="paused")
    renewed = 0
    for _ in range(50):
        place.pass_time(days=15)
        report = keep_tokens_alive(place.runtime)
        renewed += report.count("renewed")
        assert report.count("disconnected") == 0

    assert renewed == 25
    assert place.works("airtable", place.keeper(row).current())


def test_without_upkeep_it_would_not(place: Place) -> None:
    row = place.authorised()
    place.pass_time(days=61)

    (kept,) = keep_tokens_alive(place.runtime).connections

    assert (kept.workspace, kept.provider, kept.result) == ("acme", "airtable", "disconnected")
    assert isinstance(kept, Kept)
    assert place.row(row).status == "disconnected"
