"""What a connection gets that says nothing: the defaults that the documents promise, and a provider's fixed columns."""

import pytest

from integrations_pipeline.model import MappedField
from integrations_pipeline.providers import airtable, gmail, google_contacts, hubspot, mailchimp
from integrations_pipeline.providers.airtable import schema
from integrations_pipeline.providers.base import ProviderSpec
from integrations_pipeline.providers.columns import PresentColumn
from integrations_pipeline.providers.mailchimp.fields import COLUMN_RULES, to_text
from integrations_pipeline.providers.mailchimp.provider import MailchimpSettings
from integrations_pipeline.providers.settings import ConnectionSettings


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
