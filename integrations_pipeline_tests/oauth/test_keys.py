"""Changing the encryption key while tokens are in use, and credentials that do not belong where they are."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations_pipeline.errors import CredentialsError
from integrations_pipeline.store import tokens
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline.store.encryption import Cipher, generate_key_text
from integrations_pipeline_tests.cli.run import run
from integrations_pipeline_tests.oauth.arrangement import Place, wait_for
from integrations_pipeline_tests.oauth.eventful import Held
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY

ROTATE = ("db", "rotate-keys", "--json")
KEYS = "INTEGRATIONS_ENCRYPTION_KEYS"

#: Sets the keys of the commands that follow, newest first.
UseKeys = Callable[..., None]


@pytest.fixture
def use_keys(monkeypatch: pytest.MonkeyPatch) -> UseKeys:
    return lambda *keys: monkeypatch.setenv(KEYS, ",".join(keys))


def _connections(place: Place) -> tuple[ConnectionRow, ConnectionRow]:
    airtable = place.authorised(people=1)
    audience = place.sandbox.mailchimp.create_list("Friends", extra_fields=["COMPANY"])
    key = {"api_key": DEFAULT_MAILCHIMP_KEY}
    return airtable, place.store(airtable.workspace_id, "mailchimp", key, {"list_id": audience.id})


def _key_ids(place: Place) -> set[object]:
    return {kid for (kid,) in place.rows("select credentials ->> 'kid' from integration_connections")}


def _sync(provider: str) -> int:
    return run("sync", "-w", "acme", "-p", provider).code


def test_after_a_rotation_the_old_key_can_be_thrown_away(place: Place, use_keys: UseKeys) -> None:
    _connections(place)
    old, new = place.variables[KEYS], generate_key_text()
    before = _key_ids(place)
    use_keys(new, old)

    first, again = run(*ROTATE), run(*ROTATE)

    assert first.json == {"rotated": 2, "current": 0, "unreadable": []}
    assert again.json == {"rotated": 0, "current": 2, "unreadable": []}
    assert (first.code, again.code) == (0, 0)
    assert len(_key_ids(place)) == 1
    assert _key_ids(place).isdisjoint(before)
    use_keys(new)
    assert [_sync("airtable"), _sync("mailchimp")] == [0, 0]
    use_keys(old)
    assert [_sync("airtable"), _sync("mailchimp")] == [1, 1]


def test_credentials_that_no_key_opens_are_named_with_the_key_they_need(place: Place, use_keys: UseKeys) -> None:
    _, mailchimp = _connections(place)
    lost = Cipher.from_text(generate_key_text())
    with place.wiring.database.admin() as connection:
        tokens.save_credentials(connection, mailchimp.id, {"api_key": "gone"}, lost)
    (envelope,) = place.rows(f"select credentials from integration_connections where id = '{mailchimp.id}'")
    missing = dict(envelope[0])["kid"]  # type: ignore[call-overload]  # a row of anything
    use_keys(generate_key_text(), place.variables[KEYS])

    as_json, as_text = run(*ROTATE), run("db", "rotate-keys")

    assert (as_json.code, as_text.code) == (1, 1)
    assert (as_json.json["rotated"], as_text.out) == (1, "encrypted again: 0; already with the newest key: 1\n")
    for text in (*as_json.json["unreadable"], as_text.err):
        assert str(mailchimp.id) in text
        assert f"need key {missing}; add that key to {KEYS}" in text
    assert place.rows(f"select credentials from integration_connections where id = '{mailchimp.id}'") == [envelope]


def test_a_renewal_under_way_survives_a_rotation(place: Place, use_keys: UseKeys) -> None:
    """The rotation does not wait for the endpoint, and does not put the spent pair over the new one."""
    airtable, _ = _connections(place)
    old, new = place.variables[KEYS], generate_key_text()
    use_keys(new, old)
    place.expire(airtable)
    network = Held()
    keeper = place.keeper(airtable, cipher=Cipher.from_text(f"{new},{old}"), transport=network)

    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(keeper.current)
        wait_for(lambda: place.renewals() == {"ok": 1})
        rotated = run(*ROTATE)
        was_renewing = not renewing.done()
        network.let_go()
        token = renewing.result()

    assert was_renewing
    assert rotated.json["rotated"] == 2
    stored = place.row(airtable).decrypted(Cipher.from_text(new))
    assert stored["access_token"] == token
    assert place.works("airtable", token)
    assert run(*ROTATE).json["rotated"] == 0


def test_renewals_and_rotations_in_turns_lose_nothing(place: Place, use_keys: UseKeys) -> None:
    airtable, _ = _connections(place)
    keys = [place.variables[KEYS]]
    for turn in range(1, 6):
        keys.insert(0, generate_key_text())
        use_keys(*keys)
        cipher = Cipher.from_text(",".join(keys))
        with ThreadPoolExecutor(2) as pool:
            keeper = place.keeper_of(airtable, place.row(airtable).decrypted(cipher), cipher=cipher)
            renewing = pool.submit(keeper.renew, keeper.current())
            rotating = pool.submit(run, *ROTATE)
            token = renewing.result()
            assert rotating.result().code == 0
        assert place.row(airtable).decrypted(cipher)["access_token"] == token
        assert place.renewals() == {"ok": turn}
        assert run(*ROTATE).json["unreadable"] == []


def test_a_process_that_does_not_know_the_new_key_yet_loses_no_pair(place: Place, use_keys: UseKeys) -> None:
    airtable, _ = _connections(place)
    old, new = place.variables[KEYS], generate_key_text()
    use_keys(new, old)
    place.expire(airtable)
    network = Held()
    behind = place.keeper(airtable, transport=network)
    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(behind.current)
        wait_for(lambda: place.renewals() == {"ok": 1})
        run(*ROTATE)
        network.let_go()
        renewing.result()

    # What it stored is under the old key, and the next rotation finds it.
    assert run(*ROTATE).json == {"rotated": 1, "current": 1, "unreadable": []}
    use_keys(new)
    assert _sync("airtable") == 0
    # It cannot read what others store any more, says so, and puts nothing aside.
    with pytest.raises(CredentialsError, match="need key"):
        behind.renew(renewing.result())
    assert place.row(airtable).status == "active"


def test_a_row_copied_to_another_connection_is_refused_and_its_token_is_not_used(place: Place) -> None:
    owner = place.authorised("acme", people=1)
    thief = place.authorised("evil", people=1)
    known = json.dumps(place.credentials(owner))
    with place.wiring.database.admin() as connection:
        connection.exec_driver_sql(
            "update integration_connections c set credentials = o.credentials, token_refreshed_at = now() "
            "from integration_connections o where c.workspace_id = %(thief)s and o.workspace_id = %(owner)s",
            {"thief": str(thief.workspace_id), "owner": str(owner.workspace_id)},
        )

    ran = run("sync", "-w", "evil", "-p", "airtable")
    checked = run("connections", "check", "-w", "evil")

    for found in (ran, checked):
        assert found.code == 1
        assert "belong to another connection; authorise it again" in found.err
    assert place.requests() == []
    assert json.dumps(place.credentials(owner)) == known
    assert run("sync", "-w", "acme", "-p", "airtable").code == 0
