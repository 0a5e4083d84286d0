"""Tokens in the public classes: the ready-made ones, and a developer's own."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations_pipeline import AirtableSync, BaseIntegrationSync, IntegrationConfig, MailchimpSync, SyncResult
from integrations_pipeline.errors import ConfigurationError, DisconnectedError, RetryableError
from integrations_pipeline.providers.oauth import OAuthExchange
from integrations_pipeline.store.connections import ConnectionRow
from integrations_pipeline_tests.oauth.arrangement import Place


def _airtable(place: Place, row: ConnectionRow) -> AirtableSync:
    sync = AirtableSync(row.workspace_id, place.runtime)
    sync.load_config()
    return sync


def test_a_ready_made_class_renews_its_token_when_it_begins(place: Place) -> None:
    row = place.authorised(people=1)
    place.expire(row)
    syncs = [_airtable(place, row) for _ in range(3)]

    for sync in syncs:
        sync.initialize()

    stored = place.credentials(row)
    assert {sync.ensure_valid_token() for sync in syncs} == {stored["access_token"]}
    assert {sync.ensure_initialized().refresh_token for sync in syncs} == {stored["refresh_token"]}
    assert place.renewals() == {"ok": 1}
    assert all(result.success for result in syncs[0].sync())


def test_refreshing_by_hand_renews_now_and_only_for_the_first(place: Place) -> None:
    row = place.authorised()
    first, second = _airtable(place, row), _airtable(place, row)

    token = first.refresh_oauth_token()

    assert place.works("airtable", token)
    # The second one's token is the one that was replaced: what the first stored is what it wants.
    assert second.refresh_oauth_token() == token
    assert place.renewals() == {"ok": 1}
    assert second.refresh_oauth_token() != token
    assert place.renewals() == {"ok": 2}


def test_a_lost_authorisation_stops_a_ready_made_class_with_the_remedy(place: Place) -> None:
    row = place.authorised()
    place.expire(row)
    place.sandbox.oauth.revoke("airtable", place.credentials(row)["refresh_token"])
    sync = AirtableSync(row.workspace_id, place.runtime)

    for _ in range(3):
        with pytest.raises(DisconnectedError, match="integrations connections authorize airtable"):
            sync.initialize()

    assert sync.get_status() == "disconnected"
    assert place.renewals() == {"invalid_grant": 1}


def test_a_token_that_never_expires_is_left_as_it_is(place: Place) -> None:
    workspace_id = place.add_workspace("acme", people=1)
    audience = place.sandbox.mailchimp.create_list("Friends", extra_fields=["COMPANY"])
    row = place.grant(workspace_id, "mailchimp", {"list_id": audience.id})
    sync = MailchimpSync(workspace_id, place.runtime)

    sync.initialize()

    token = place.credentials(row)["access_token"]
    assert sync.ensure_valid_token() == sync.refresh_oauth_token() == token
    assert sync.get_status() == "active"
    assert all(result.success for result in sync.sync())


def test_a_connection_by_key_has_no_token_to_refresh(place: Place) -> None:
    workspace_id = place.add_workspace("acme")
    place.connect(workspace_id)
    sync = AirtableSync(workspace_id, place.runtime)
    sync.initialize()

    assert sync.ensure_valid_token() is None
    with pytest.raises(ConfigurationError, match="it uses a key"):
        sync.refresh_oauth_token()


def test_tokens_that_a_developer_stores_are_those_that_runs_use(place: Place) -> None:
    row = place.authorised(people=1)
    sync = _airtable(place, row)
    fresh = place.sandbox.oauth.grant("airtable")

    sync.update_oauth_tokens(fresh)

    stored = place.credentials(row)
    assert {name: stored[name] for name in ("access_token", "refresh_token")} == {
        name: fresh[name] for name in ("access_token", "refresh_token")
    }
    assert sync.ensure_initialized().credentials == stored
    assert set(place.row(row).credentials) == {"v", "kid", "nonce", "ct"}
    assert "oauth_refreshed" in place.activity(row)
    assert place.sync(row).error == ""


def test_a_stored_token_without_an_end_does_not_keep_the_end_of_the_one_before(place: Place) -> None:
    row = place.authorised()
    place.expire(row)
    sync = _airtable(place, row)
    refresh_token = place.credentials(row)["refresh_token"]

    sync.update_oauth_tokens({"access_token": "endless"})

    assert sync.ensure_valid_token() == "endless"
    assert place.credentials(row) == {"access_token": "endless", "refresh_token": refresh_token}
    assert place.renewals() == {}


def test_saving_settings_does_not_bring_back_tokens_that_were_renewed_meanwhile(place: Place) -> None:
    row = place.authorised()
    sync = _airtable(place, row)
    place.keeper(row).keep_alive()
    renewed = place.credentials(row)

    config = sync.ensure_initialized()
    saved = sync.save_config(replace(config, settings={**config.settings, "delete_policy": "ignore"}))

    assert place.credentials(row) == saved.credentials == renewed
    assert saved.settings["delete_policy"] == "ignore"
    assert saved.oauth_provider == "airtable"
    other = sync.save_config(replace(saved, credentials={"api_key": "pat-other"}))
    assert other.credentials == place.credentials(row) == {"api_key": "pat-other"}


class LedgerSync(BaseIntegrationSync):
    """A sync of one's own with a service whose refresh tokens rotate; written as the README says."""

    exchange: OAuthExchange
    is_down = False

    def get_integration_name(self) -> str:
        return "ledger"

    def validate_credentials(self) -> bool:
        return True

    def sync_to_external(self, data: Sequence[Mapping[str, Any]]) -> SyncResult:
        return self.create_failed_result("to_external", RuntimeError("not there"), datetime.now(UTC))

    def sync_from_external(self) -> SyncResult:
        return self.create_failed_result("from_external", RuntimeError("not there"), datetime.now(UTC))

    def refresh_oauth_token(self) -> str:
        if self.is_down:
            raise RetryableError("the service is down")
        fresh = self.exchange.refresh(self.ensure_initialized().refresh_token or "")
        seconds = fresh.expires_in.total_seconds() if fresh.expires_in else None
        self.update_oauth_tokens(
            {"access_token": fresh.access_token, "refresh_token": fresh.refresh_token, "expires_in": seconds}
        )
        return fresh.access_token


def _ledgers(place: Place, count: int) -> list[LedgerSync]:
    workspace_id = place.add_workspace("acme")
    syncs = [LedgerSync(workspace_id, place.runtime) for _ in range(count)]
    config = IntegrationConfig(
        workspace_id=str(workspace_id), integration_name="ledger", credentials=place.granted("airtable")
    )
    for sync in syncs:
        sync.exchange = place.exchange(place.spec("airtable"))
        sync.save_config(config)
    return syncs


def test_a_developers_own_class_refreshes_once_however_many_there_are(place: Place) -> None:
    place.sandbox.oauth.set_options("airtable", token_delay_seconds=0.3)
    syncs = _ledgers(place, 6)
    for expiry in range(1, 4):
        place.pass_time(minutes=57)

        with ThreadPoolExecutor(len(syncs)) as pool:
            tokens = set(pool.map(lambda sync: sync.ensure_valid_token(), syncs))

        assert len(tokens) == 1
        assert place.works("airtable", str(tokens.pop()))
        assert place.renewals() == {"ok": expiry}


def test_a_refresh_that_fails_gives_the_turn_to_the_next(place: Place) -> None:
    first, second = _ledgers(place, 2)
    place.pass_time(minutes=57)
    first.is_down = True

    with pytest.raises(RetryableError, match="the service is down"):
        first.ensure_valid_token()
    token = second.ensure_valid_token()

    first.is_down = False
    assert first.ensure_valid_token() == token
    assert place.renewals() == {"ok": 1}


def test_a_subclass_that_cannot_refresh_says_so(place: Place) -> None:
    class Plain(LedgerSync):
        refresh_oauth_token = BaseIntegrationSync.refresh_oauth_token

    row = _ledgers(place, 1)[0]
    place.pass_time(hours=2)

    with pytest.raises(NotImplementedError, match="ledger does not say how its tokens are refreshed"):
        Plain(row.workspace_id, place.runtime).initialize()
