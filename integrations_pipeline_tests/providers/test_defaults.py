"""What a connection gets that says nothing: the defaults that the documents promise, and a provider's fixed columns."""

from typing import Any

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers import airtable, gmail, google_contacts, hubspot, mailchimp
from integrations_pipeline.providers.airtable import schema
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.providers.columns import PresentColumn
from integrations_pipeline.providers.findings import Findings
from integrations_pipeline.providers.gmail.check import GmailCheck
from integrations_pipeline.providers.gmail.settings import GmailSettings
from integrations_pipeline.providers.mailchimp.fields import COLUMN_RULES, to_text
from integrations_pipeline.providers.mailchimp.provider import MailchimpSettings
from integrations_pipeline.providers.settings import ConnectionSettings

AIRTABLE_OAUTH = "https://airtable.com/oauth2/v1"
GOOGLE = {
    "GOOGLE_TOKEN": "https://oauth2.googleapis.com/token",
    "GOOGLE_AUTH": "https://accounts.google.com/o/oauth2/v2/auth",
}


def test_the_limits_of_a_connection_without_settings_are_those_of_the_documents() -> None:
    told = ConnectionSettings().model_dump()
    limits = {name: told[name] for name in told if "limit" in name}
    assert limits == {
        "delete_limit": 25,
        "delete_limit_fraction": 0.2,
        "change_limit": 25,
        "change_limit_fraction": 0.2,
        "create_limit_fraction": 1.0,
    }
    assert (told["delete_policy"], told["on_schema_change"]) == ("hold", "stop_field")


def test_a_new_member_claims_no_consent_and_a_field_that_became_required_stops_no_update() -> None:
    settings = MailchimpSettings(list_id="a1b2c3")
    assert settings.status_if_new == "transactional"
    assert settings.skip_merge_validation


@pytest.mark.parametrize(
    ("spec", "columns"),
    [
        (airtable.PROVIDER, ["Name", "Email", "Phone", "Company", "Job Title", "Tags"]),
        (mailchimp.PROVIDER, ["FNAME+LNAME", "PHONE", "COMPANY"]),
        (hubspot.PROVIDER, ["firstname+lastname", "phone", "company", "jobtitle"]),
        (gmail.PROVIDER, ["address", "name"]),
        (
            google_contacts.PROVIDER,
            ["emailAddresses", "names", "phoneNumbers", "organizations.name", "organizations.title", "memberships"],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, ProviderSpec) else "",
)
def test_the_columns_that_are_mapped_by_default_are_spelled_as_the_provider_spells_them(
    spec: ProviderSpec, columns: list[str]
) -> None:
    assert list(spec.default_mapping.values()) == columns


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [
        (airtable.PROVIDER, {"AIRTABLE_API": "https://api.airtable.com", "AIRTABLE_OAUTH": AIRTABLE_OAUTH}),
        (
            mailchimp.PROVIDER,
            {
                "MAILCHIMP_API": "https://{dc}.api.mailchimp.com",
                "MAILCHIMP_OAUTH": "https://login.mailchimp.com/oauth2",
            },
        ),
        (
            hubspot.PROVIDER,
            {
                "HUBSPOT_API": "https://api.hubapi.com",
                "HUBSPOT_AUTH": "https://app.hubspot.com/oauth/authorize",
                "HUBSPOT_TOKEN": "https://api.hubapi.com/oauth/2026-09/token",
            },
        ),
        (gmail.PROVIDER, {"GMAIL_API": "https://gmail.googleapis.com", **GOOGLE}),
        (google_contacts.PROVIDER, {"PEOPLE_API": "https://people.googleapis.com", **GOOGLE}),
    ],
    ids=lambda value: value.name if isinstance(value, ProviderSpec) else "",
)
def test_a_provider_is_where_its_makers_say_unless_a_variable_tells_otherwise(
    spec: ProviderSpec, addresses: dict[str, str]
) -> None:
    assert spec.addresses == {f"INTEGRATIONS_{name}_URL": address for name, address in addresses.items()}


@pytest.mark.parametrize(
    ("account", "limit", "is_too_much"),
    [
        ("me@gmail.com", 500, False),
        ("Me@GoogleMail.com", 501, True),
        ("me@agency.example", 501, False),
        ("me@agency.example", 2_000, False),
        ("me@agency.example", 2_001, True),
    ],
)
def test_a_days_limit_above_what_the_kind_of_account_may_send_is_noted(
    account: str, limit: int, is_too_much: bool
) -> None:
    class Client:
        def profile(self) -> dict[str, str]:
            return {"emailAddress": account}

    client: Any = Client()
    found = Findings()
    GmailCheck(client=client, mailbox=client, settings=GmailSettings(daily_send_limit=limit))._look_at_limit(found)
    assert bool(found.notes) is is_too_much


@pytest.mark.parametrize("kind", sorted(schema.COMPUTED_TYPES))
def test_a_column_that_airtable_computes_is_told_to_be_one(kind: str) -> None:
    table = schema.Table(id="tbl", name="Contacts", columns={})
    rules = schema.rules(table, "Contact ID")
    told = rules.problem(
        MappedField(name="company", column="Company"), [PresentColumn(id="fld", name="Company", type=kind)]
    )
    assert rules.family(kind) == "computed"
    assert kind in told


def test_the_types_that_airtable_computes_are_all_known() -> None:
    # https://airtable.com/developers/web/api/field-model
    computed = "formula rollup count lookup multipleLookupValues autoNumber createdTime lastModifiedTime createdBy"
    further = "lastModifiedBy button aiText externalSyncSource"
    assert {*computed.split(), *further.split()} == schema.COMPUTED_TYPES


def test_an_address_of_mailchimp_is_told_with_its_country() -> None:
    address = {"addr1": "1 Main St", "addr2": "", "city": "Oslo", "state": "OS", "zip": "0150", "country": "NO"}
    assert to_text(address) == "1 Main St; ; Oslo; OS; 0150; NO"


def test_a_merge_field_is_told_by_its_tag() -> None:
    assert COLUMN_RULES.told("PHONE") == "merge field PHONE of the audience"
