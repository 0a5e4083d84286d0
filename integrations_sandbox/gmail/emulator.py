"""Gmail's place in the sandbox: its API under `/gmail`, `/upload` and `/batch`, its control operations.

Belongs here: which requests are Gmail's. Does not belong here: the public API (`api`), the control operations
(`control`).
"""

from collections.abc import Sequence

from integrations_sandbox.faults import FaultRule
from integrations_sandbox.gmail.api import GmailApi
from integrations_sandbox.gmail.control import GmailControl
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.wire import ControlRow, Reply, Request


class GmailEmulator:
    """Implements `stage.Emulator`."""

    name = "gmail"
    roots = ("gmail", "upload", "resumable", "batch")
    guide = (
        "<h2>Gmail</h2><p>Use <code>http://THIS-HOST/gmail</code> in place of "
        "<code>https://gmail.googleapis.com</code>. Make a mailbox and a token for it with the operations below, or "
        "get the token from the authorization server.</p>"
    )

    def __init__(self, gmail: Gmail) -> None:
        self._gmail = gmail
        self._api = GmailApi(gmail)
        self._control = GmailControl(gmail)

    def reset(self) -> None:
        self._gmail.reset()

    def handle(self, request: Request, segments: Sequence[str], fault: FaultRule | None) -> Reply:
        return self._api.handle(request, segments, fault)

    def control(self) -> Sequence[ControlRow]:
        return self._control.rows()
