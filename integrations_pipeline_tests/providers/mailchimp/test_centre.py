"""Where an account's API is: the data centre ends its key, or came with its token."""

from typing import Any

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.providers.mailchimp.wire import base_address

ADDRESS = "https://{dc}.api.mailchimp.com"


@pytest.mark.parametrize(
    ("configured", "credentials", "expected"),
    [
        (ADDRESS, {"api_key": "0123-us7"}, "https://us7.api.mailchimp.com/3.0"),
        (f"{ADDRESS}/", {"access_token": "t", "dc": "us20"}, "https://us20.api.mailchimp.com/3.0"),
        ("http://127.0.0.1:8765/{dc}/BOX/", {"api_key": "0123-us7"}, "http://127.0.0.1:8765/us7/BOX/3.0"),
        ("http://127.0.0.1:8765/mailchimp/", {}, "http://127.0.0.1:8765/mailchimp/3.0"),
    ],
)
def test_the_address_is_that_of_the_data_centre(configured: str, credentials: Any, expected: str) -> None:
    assert base_address(configured, credentials) == expected


@pytest.mark.parametrize("credentials", [{}, {"api_key": ""}, {"api_key": "0123"}, {"api_key": "0123-evil.example/"}])
def test_credentials_that_tell_no_data_centre_lead_nowhere(credentials: Any) -> None:
    with pytest.raises(ConfigurationError, match="tell no data centre"):
        base_address(ADDRESS, credentials)
