"""What is asked of Google, word by word, where no answer of the sandbox would tell a wrong word."""

import httpx

from integrations_pipeline.providers.google_contacts.client import ContactsClient
from integrations_pipeline.testing import provider_context


def test_of_labels_the_name_and_the_type_are_asked_for() -> None:
    """Google refuses a mask with a field that it does not know; without the type its own labels look like ours."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"contactGroups": []})

    context = provider_context(transport=httpx.MockTransport(answer), sleep=lambda _: None)
    client = ContactsClient(context, api_url="https://people.test", mask=["names"])

    assert client.groups() == []
    assert [dict(request.url.params) for request in asked] == [{"pageSize": "1000", "groupFields": "name,groupType"}]
