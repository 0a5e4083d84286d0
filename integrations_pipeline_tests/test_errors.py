"""What messages advise."""

import pytest

from integrations_pipeline.errors import advised


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("do `integrations connections enable airtable` now", "do `integrations connections enable airtable -W` now"),
        (
            "`integrations holds list` or `integrations pitches retry 1 --repeat`",
            "`integrations holds list -W` or `integrations pitches retry 1 --repeat -W`",
        ),
        ("`integrations plan`", "`integrations plan -W`"),
        ("`integrations holds list --workspace other`", "`integrations holds list --workspace other`"),
        ("`integrations status --problems`", "`integrations status --problems`"),
        ("`integrations workspaces list`", "`integrations workspaces list`"),
        ("`integrations db upgrade`", "`integrations db upgrade`"),
        ("`integrations synchronise`", "`integrations synchronise`"),
        ("nothing to do", "nothing to do"),
    ],
)
def test_a_command_about_what_belongs_to_a_workspace_gets_it(message: str, told: str) -> None:
    assert advised(message, "acme") == told.replace("-W", "--workspace acme")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("run `integrations connections check`", "run `integrations connections check airtable --workspace acme`"),
        (
            "`integrations connections add --create-field` makes it",
            "`integrations connections add airtable --create-field --workspace acme` makes it",
        ),
        ("`integrations connections enable gmail`", "`integrations connections enable gmail --workspace acme`"),
        ("`integrations connections list --workspace a`", "`integrations connections list --workspace a`"),
        ("`integrations holds list`", "`integrations holds list --workspace acme`"),
    ],
)
def test_a_command_about_a_connection_gets_its_provider(message: str, told: str) -> None:
    assert advised(message, "acme", "airtable") == told
