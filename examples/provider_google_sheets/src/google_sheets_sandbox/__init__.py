"""A small Google Sheets on loopback, over real HTTP: enough of the API for a sync, with its limits and oddities.

    with SheetsSandbox() as sandbox:
        sheet = sandbox.create_sheet("book1", "Contacts", [["Name", "Email"]])

It imports nothing of integrations-pipeline: an emulator that shares code with its client proves nothing. Source: the
API's discovery document and guides. Assumed, since no page tells: a request of no change is refused for want of a
right before it is refused for being empty.
"""

from google_sheets_sandbox.cells import Formula
from google_sheets_sandbox.server import SheetsSandbox
from google_sheets_sandbox.state import SCOPE, WireError, Worksheet

__all__ = ["SCOPE", "Formula", "SheetsSandbox", "WireError", "Worksheet"]
