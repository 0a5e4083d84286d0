"""Local servers that speak the providers' wire formats: state, limits, oddities, faults, and a control API.

What tests and the demo use is named here; everything else is internal. The sandbox imports nothing of the
rest of the package, because an emulator that shares code with the client proves nothing.
"""

from integrations_sandbox.addresses import addresses
from integrations_sandbox.airtable.state import DEFAULT_TOKEN, Airtable, AirtableOptions
from integrations_sandbox.faults import FaultRule
from integrations_sandbox.gmail.letters import ReplyStyle
from integrations_sandbox.gmail.model import SendAs
from integrations_sandbox.gmail.options import GmailOptions
from integrations_sandbox.gmail.state import Gmail
from integrations_sandbox.gmail.world import Delivery, MailWorld
from integrations_sandbox.hubspot.options import HubSpotOptions
from integrations_sandbox.hubspot.state import DEFAULT_TOKEN as DEFAULT_HUBSPOT_TOKEN
from integrations_sandbox.hubspot.state import HubSpot
from integrations_sandbox.mailchimp.options import MailchimpOptions
from integrations_sandbox.mailchimp.state import DEFAULT_KEY as DEFAULT_MAILCHIMP_KEY
from integrations_sandbox.mailchimp.state import Mailchimp
from integrations_sandbox.oauth.clients import DEFAULT_OAUTH_CLIENTS, OAuthClient
from integrations_sandbox.oauth.options import OAuthOptions, ProviderOptions
from integrations_sandbox.oauth.state import OAuthServers
from integrations_sandbox.people.options import PeopleOptions
from integrations_sandbox.people.state import People
from integrations_sandbox.server import SandboxOptions, SandboxServer, serve
from integrations_sandbox.wire import WireError

__all__ = [
    "DEFAULT_HUBSPOT_TOKEN",
    "DEFAULT_MAILCHIMP_KEY",
    "DEFAULT_OAUTH_CLIENTS",
    "DEFAULT_TOKEN",
    "Airtable",
    "AirtableOptions",
    "Delivery",
    "FaultRule",
    "Gmail",
    "GmailOptions",
    "HubSpot",
    "HubSpotOptions",
    "MailWorld",
    "Mailchimp",
    "MailchimpOptions",
    "OAuthClient",
    "OAuthOptions",
    "OAuthServers",
    "People",
    "PeopleOptions",
    "ProviderOptions",
    "ReplyStyle",
    "SandboxOptions",
    "SandboxServer",
    "SendAs",
    "WireError",
    "addresses",
    "serve",
]
