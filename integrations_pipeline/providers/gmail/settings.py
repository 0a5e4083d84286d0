"""Settings of a Gmail connection. Belongs here: names and defaults. Does not: what they do."""

import re
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from integrations_pipeline.providers.base import ConnectionSettings

_WAY_OUT = r"<(?:https|mailto):[!-;=?-~]+>"
_WAYS_OUT = re.compile(rf"{_WAY_OUT}(?:\s*,\s*{_WAY_OUT})*")


class GmailSettings(ConnectionSettings):
    """`send_as`: one of the mailbox's verified addresses, its default one if empty. `signature`: plain text or
    HTML, added to every pitch. `daily_send_limit`: e-mails in 24 hours. `harvest`: whose addresses become
    contacts: nobody's, of those who replied, of everybody written with. `list_unsubscribe`: the value of that
    header, as `<https://…>`."""

    manners: ClassVar[frozenset[str]] = frozenset(
        {"send_as", "signature", "daily_send_limit", "harvest", "list_unsubscribe"}
    )

    send_as: str = ""
    signature: str = ""
    daily_send_limit: int = Field(400, ge=0, le=1_000_000)
    harvest: Literal["off", "replies", "all"] = "off"
    list_unsubscribe: str = Field("", max_length=900)

    @field_validator("list_unsubscribe")
    @classmethod
    def _check_ways_out(cls, text: str) -> str:
        if text.strip() and not _WAYS_OUT.fullmatch(text.strip()):
            raise ValueError("expected <https://…> or <mailto:…>, several with commas between them")
        return text.strip()
