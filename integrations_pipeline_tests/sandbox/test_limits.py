"""The rate limits, their penalty and the monthly quota, on a clock that only the test moves."""

import pytest

from integrations_pipeline_tests.sandbox.arrangement import Arrangement, client_for, error_of
from integrations_sandbox import FaultRule

RATE_LIMITED = {
    "errors": [
        {"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded. Please try again later"},
    ]
}


def statuses(sandbox: Arrangement, count: int, path: str | None = None) -> list[int]:
    return [sandbox.http.get(path or sandbox.path).status_code for _ in range(count)]


def test_the_sixth_request_of_a_second_starts_half_a_minute_of_refusals(sandbox: Arrangement) -> None:
    sandbox.airtable.set_options(rate_limit_scale=1.0)
    assert statuses(sandbox, 6) == [200] * 5 + [429]
    sandbox.advance(29.9)
    response = sandbox.http.get(sandbox.path)
    assert (response.status_code, response.json()) == (429, RATE_LIMITED)
    assert "Retry-After" not in response.headers
    sandbox.advance(0.2)
    assert statuses(sandbox, 1) == [200]


def test_five_requests_in_every_second_go_on_for_ever(sandbox: Arrangement) -> None:
    sandbox.airtable.set_options(rate_limit_scale=1.0)
    for _ in range(40):
        assert statuses(sandbox, 1) == [200]
        sandbox.advance(0.2)


def test_the_scale_multiplies_the_rate_and_divides_the_penalty(sandbox: Arrangement) -> None:
    sandbox.airtable.set_options(rate_limit_scale=20)
    assert statuses(sandbox, 101) == [200] * 100 + [429]
    sandbox.advance(1.6)
    assert statuses(sandbox, 1) == [200]


def test_bases_are_limited_one_by_one_and_webhooks_count_too(sandbox: Arrangement) -> None:
    other = sandbox.airtable.create_base("Other")
    sandbox.airtable.create_contacts_table(other.id)
    sandbox.airtable.set_options(rate_limit_scale=1.0)
    assert statuses(sandbox, 3) == [200] * 3
    assert statuses(sandbox, 3, sandbox.hooks_path) == [200, 200, 429]
    assert statuses(sandbox, 1, f"/v0/{other.id}/Contacts") == [200]
    assert statuses(sandbox, 1, "/v0/meta/whoami") == [200]


def test_tokens_of_one_user_share_fifty_requests_a_second(sandbox: Arrangement) -> None:
    tokens = [sandbox.airtable.create_token(user_id="usrShared00000001").value for _ in range(2)]
    sandbox.airtable.set_options(rate_limit_scale=1.0)
    with client_for(sandbox.server, tokens[0]) as first, client_for(sandbox.server, tokens[1]) as second:
        assert {first.get("/v0/meta/whoami").status_code for _ in range(50)} == {200}
        assert second.get("/v0/meta/whoami").status_code == 429
    assert statuses(sandbox, 1, "/v0/meta/whoami") == [200]


def test_people_in_the_app_are_not_limited(sandbox: Arrangement) -> None:
    sandbox.airtable.set_options(rate_limit_scale=1.0)
    statuses(sandbox, 6)
    path = f"/sandbox/airtable/bases/{sandbox.base_id}/tables/Contacts/records"
    assert sandbox.http.post(path, json={"records": [{"fields": {"Name": "a"}}] * 11}).status_code == 200


@pytest.mark.parametrize(("scale", "later"), [(1.0, 429), (None, 200)])
def test_a_fault_can_start_the_penalty(sandbox: Arrangement, scale: float | None, later: int) -> None:
    sandbox.airtable.set_options(rate_limit_scale=scale)
    sandbox.airtable.add_fault(FaultRule(action="rate_limit"))
    assert statuses(sandbox, 2) == [429, later]


def test_a_used_up_month_refuses_data_but_not_the_schema(sandbox: Arrangement) -> None:
    sandbox.airtable.add_fault(FaultRule(action="billing_limit", times=-1))
    response = sandbox.http.get(sandbox.path)
    assert response.status_code == 429
    assert response.json()["errors"][0]["error"] == "PUBLIC_API_BILLING_LIMIT_EXCEEDED"
    sandbox.advance(3600)
    assert statuses(sandbox, 1) == [429]
    assert statuses(sandbox, 1, f"/v0/meta/bases/{sandbox.base_id}/tables") == [200]


def test_without_a_token_nothing_is_counted(sandbox: Arrangement) -> None:
    sandbox.airtable.set_options(rate_limit_scale=1.0)
    with client_for(sandbox.server, "patUnknown") as stranger:
        refusals = {error_of(stranger.get(sandbox.path)) for _ in range(6)}
    assert refusals == {(401, "AUTHENTICATION_REQUIRED")}
    assert statuses(sandbox, 1) == [200]
