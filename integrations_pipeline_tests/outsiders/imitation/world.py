"""One world for one story: the three services on one port, with their state in plain attributes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from integrations_pipeline_tests.outsiders.imitation.airtable import Airtable
from integrations_pipeline_tests.outsiders.imitation.gmail import Gmail
from integrations_pipeline_tests.outsiders.imitation.http import Server
from integrations_pipeline_tests.outsiders.imitation.mailchimp import Mailchimp


class World:
    """`world.airtable.records`, `world.mailchimp.members`, `world.gmail.messages`: edit them as a person would."""

    def __init__(self) -> None:
        self.airtable = Airtable()
        self.mailchimp = Mailchimp()
        self.gmail = Gmail()
        self.server = Server({"airtable": self.airtable, "mailchimp": self.mailchimp, "gmail": self.gmail})

    @classmethod
    @contextmanager
    def open(cls) -> Iterator["World"]:
        world = cls()
        try:
            yield world
        finally:
            world.server.stop()

    def environment(self) -> dict[str, str]:
        """The variables that lead the product here."""
        url = self.server.url
        return {
            "INTEGRATIONS_AIRTABLE_API_URL": f"{url}/airtable",
            "INTEGRATIONS_AIRTABLE_OAUTH_URL": f"{url}/airtable/oauth2/v1",
            "INTEGRATIONS_MAILCHIMP_API_URL": f"{url}/mailchimp",
            "INTEGRATIONS_MAILCHIMP_OAUTH_URL": f"{url}/mailchimp/oauth2",
            "INTEGRATIONS_GMAIL_API_URL": f"{url}/gmail",
            "INTEGRATIONS_GOOGLE_TOKEN_URL": f"{url}/gmail/token",
            "INTEGRATIONS_GOOGLE_AUTH_URL": f"{url}/gmail/auth",
        }

    def age(self, by: timedelta) -> None:
        """Let everything here have happened that much earlier."""
        self.airtable.age(by)
        self.mailchimp.age(by)
        self.gmail.age(by)

    def unknown(self) -> list[str]:
        """What was asked and is not imitated."""
        return [*self.airtable.unknown, *self.mailchimp.unknown, *self.gmail.unknown]
