"""Local servers that speak the providers' wire formats: state, limits, oddities, faults, and a control API.

What tests and the demo use is named here; everything else is internal. The sandbox imports nothing of the
rest of the package, because an emulator that shares code with the client proves nothing.
"""

from integrations_pipeline.sandbox.airtable.state import DEFAULT_TOKEN, Airtable, AirtableOptions
from integrations_pipeline.sandbox.faults import FaultRule
from integrations_pipeline.sandbox.server import SandboxOptions, SandboxServer, serve
from integrations_pipeline.sandbox.wire import WireError

__all__ = [
    "DEFAULT_TOKEN",
    "Airtable",
    "AirtableOptions",
    "FaultRule",
    "SandboxOptions",
    "SandboxServer",
    "WireError",
    "serve",
]
