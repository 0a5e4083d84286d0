"""Whether members were told with the values of the merge fields that the audience has."""

import pytest

from integrations_pipeline.errors import RetryableError
from integrations_pipeline.model import MappedField
from integrations_pipeline.providers.mailchimp.audience import AudienceFields
from integrations_pipeline.providers.mailchimp.client import MailchimpClient
from integrations_pipeline.providers.mailchimp.fields import MergeField

NAME = MappedField(name="name", column="FNAME+LNAME")


@pytest.fixture
def audience() -> AudienceFields:
    """Looked at, without a request: it has a first name and no last name."""
    found = AudienceFields(MailchimpClient.__new__(MailchimpClient), [NAME], {})
    found.fields = {"FNAME": MergeField(tag="FNAME")}
    return found


def test_members_need_not_tell_a_merge_field_that_the_audience_lacks(audience: AudienceFields) -> None:
    audience.require_values([{"merge_fields": {"FNAME": ""}}, {"merge_fields": {}}])
    audience.require_values([])


def test_members_of_whom_nobody_tells_a_merge_field_of_the_audience_are_no_answer(audience: AudienceFields) -> None:
    with pytest.raises(RetryableError, match="FNAME"):
        audience.require_values([{"merge_fields": {"LNAME": "Li"}}, {"merge_fields": {"PHONE": ""}}])


def test_members_without_any_merge_field_are_no_answer(audience: AudienceFields) -> None:
    with pytest.raises(RetryableError, match="without their merge fields"):
        audience.require_values([{"merge_fields": {}}, {}])
