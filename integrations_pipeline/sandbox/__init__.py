"""Local servers that speak the providers' wire formats: state, limits, oddities, faults, and a control API.

What tests and the demo use is named here; everything else is internal. The sandbox imports nothing of the
rest of the package, because an emulator that shares code with the client proves nothing.
"""

from integrations_pipeline.sandbox.addresses import addresses
from integrations_pipeline.sandbox.airtable.state import DEFAULT_TOKEN, Airtable, AirtableOptions
from integrations_pipeline.sandbox.faults import FaultRule
from integrations_pipeline.sandbox.gmail.letters import ReplyStyle
from integrations_pipeline.sandbox.gmail.model import SendAs
from integrations_pipeline.sandbox.gmail.options import GmailOptions
from integrations_pipeline.sandbox.gmail.state import Gmail
from integrations_pipeline.sandbox.gmail.world import Delivery, MailWorld
from integrations_pipeline.sandbox.mailchimp.options import MailchimpOptions
from integrations_pipeline.sandbox.mailchimp.state import DEFAULT_KEY as DEFAULT_MAILCHIMP_KEY
from integrations_pipeline.sandbox.mailchimp.state import Mailchimp
from integrations_pipeline.sandbox.oauth.clients import DEFAULT_OAUTH_CLIENTS, OAuthClient
from integrations_pipeline.sandbox.oauth.options import OAuthOptions, ProviderOptions
from integrations_pipeline.sandbox.oauth.state import OAuthServers
from integrations_pipeline.sandbox.server import SandboxOptions, SandboxServer, serve
from integrations_pipeline.sandbox.wire import WireError

__all__ = [
    "DEFAULT_MAILCHIMP_KEY",
    "DEFAULT_OAUTH_CLIENTS",
    "DEFAULT_TOKEN",
    "Airtable",
    "AirtableOptions",
    "Delivery",
    "FaultRule",
    "Gmail",
    "GmailOptions",
    "MailWorld",
    "Mailchimp",
    "MailchimpOptions",
    "OAuthClient",
    "OAuthOptions",
    "OAuthServers",
    "ProviderOptions",
    "ReplyStyle",
    "SandboxOptions",
    "SandboxServer",
    "SendAs",
    "WireError",
    "addresses",
    "serve",
]
