"""The demonstration's fourth chapter: HubSpot and Google Contacts join, and one edit goes round five places.

Belongs here: that edit, and where it arrives.
"""

from collections.abc import Callable, Mapping
from typing import Any

from integrations_pipeline.demo import show
from integrations_pipeline.demo.chapter import SLUG, Told, email_of
from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.store.connections import NewConnection
from integrations_sandbox import DEFAULT_HUBSPOT_TOKEN

ACCOUNT = "ann@blue-note.example.org"
#: Who is edited in HubSpot; on both sides from the beginning.
EDITED = 270
COMPANY = "Moved in HubSpot"


def tell_of_crm(told: Told, audience: str) -> None:
    """Fail if the edit does not arrive everywhere. `audience`: the Mailchimp audience of the second chapter."""
    hubspot, people = told.sandbox.hubspot, told.sandbox.people
    show.heading(f"{SLUG} gets HubSpot and the contacts of Ann's Google account")
    told.connect(NewConnection(integration_type="hubspot", credentials={"api_key": DEFAULT_HUBSPOT_TOKEN}, settings={}))
    told.connect(
        NewConnection(
            integration_type="google_contacts", credentials={"access_token": people.token(ACCOUNT)}, settings={}
        )
    )
    for provider, title in (("hubspot", "HubSpot"), ("google_contacts", "Google Contacts")):
        told.sync_first(provider, f"First run with {title}")

    show.heading("One edit in HubSpot")
    portal = hubspot.portal().id
    contact = _of(hubspot.contacts(portal), _hubspot_email)
    hubspot.edit(portal, contact["id"], {"company": COMPANY})
    for provider, title in (
        ("hubspot", "HubSpot: the edit comes to Postgres"),
        ("airtable", "Airtable: it arrives"),
        ("mailchimp", "Mailchimp: it arrives"),
        ("google_contacts", "Google Contacts: it arrives"),
    ):
        told.sync_first(provider, title)
    member = told.sandbox.mailchimp.member(audience, email_of(EDITED))
    person = _of(people.people(ACCOUNT), lambda each: each.get("emailAddresses", [{}])[0].get("value"))
    places = {
        "Postgres": told.contact(EDITED)["company"],
        "Airtable": str(told.record(EDITED).get("Company", "")),
        "Mailchimp": str(member["merge_fields"]["COMPANY"]),
        "HubSpot": str(_of(hubspot.contacts(portal), _hubspot_email)["properties"]["company"]),
        "Google": str(person.get("organizations", [{}])[0].get("name", "")),
    }
    show.table(f"The company of {email_of(EDITED)} in five places", ("place", "company"), list(places.items()))
    if set(places.values()) != {COMPANY}:
        raise IntegrationError("the edit of the demonstration did not arrive everywhere")


def _hubspot_email(contact: Mapping[str, Any]) -> object:
    return contact["properties"].get("email")


def _of(records: list[dict[str, Any]], email: Callable[[Mapping[str, Any]], object]) -> dict[str, Any]:
    """The record of the person who is edited."""
    return next(each for each in records if str(email(each)).lower() == email_of(EDITED))
