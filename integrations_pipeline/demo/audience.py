"""The demonstration's second chapter: the same workspace with Airtable and Mailchimp.

Belongs here: edits that travel from one tool to the other through Postgres, and an unsubscribe that stays.
"""

from integrations_pipeline.demo import show
from integrations_pipeline.demo.chapter import SLUG, Told, email_of
from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.store.connections import NewConnection
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY

#: Who is edited in Airtable, who in Mailchimp, and who unsubscribes.
FROM_AIRTABLE, FROM_MAILCHIMP, UNWILLING = 260, 261, 262


def tell_of_audience(told: Told) -> str:
    """Fail if an edit does not arrive, or if the unsubscribe does not stay. Returns the audience's id."""
    mailchimp = told.sandbox.mailchimp
    show.heading(f"{SLUG} gets a Mailchimp audience, in which three people have subscribed already")
    audience = mailchimp.create_list("Friends of the label", extra_fields=["COMPANY"]).id
    for number in (FROM_MAILCHIMP, UNWILLING, UNWILLING + 1):
        mailchimp.subscribe(audience, email_of(number), {"FNAME": "Friend", "LNAME": str(number)})
    told.connect(
        NewConnection(
            integration_type="mailchimp",
            credentials={"api_key": DEFAULT_MAILCHIMP_KEY},
            settings={"list_id": audience},
        )
    )
    told.sync_first("mailchimp", "First run with Mailchimp: new members claim no consent (transactional)")

    show.heading("One edit in Airtable, one in Mailchimp, one unsubscribe")
    told.update_remote(SLUG, FROM_AIRTABLE, {"Company": "Moved in Airtable"})
    mailchimp.edit(audience, email_of(FROM_MAILCHIMP), PHONE="+44 20 7946 9999")
    mailchimp.unsubscribe(audience, email_of(UNWILLING))
    told.sync_first("airtable", "Airtable: the edit comes to Postgres")
    told.sync_first("mailchimp", "Mailchimp: that edit arrives, the other one and the unsubscribe come back")
    told.sync_first("airtable", "Airtable: Mailchimp's edit arrives")
    rows = [
        [email_of(FROM_AIRTABLE), "company", *_three(told, audience, FROM_AIRTABLE, "company", "Company", "COMPANY")],
        [email_of(FROM_MAILCHIMP), "phone", *_three(told, audience, FROM_MAILCHIMP, "phone", "Phone", "PHONE")],
    ]
    show.table("Each edit is in all three places", ("contact", "field", "Postgres", "Airtable", "Mailchimp"), rows)
    if any(len(set(row[2:])) != 1 for row in rows):
        raise IntegrationError("an edit of the demonstration did not arrive everywhere")
    _show_consent(told, audience)
    return audience


def _three(told: Told, audience: str, number: int, field: str, column: str, tag: str) -> list[str]:
    """One field of a person in Postgres, Airtable and Mailchimp."""
    member = told.sandbox.mailchimp.member(audience, email_of(number))
    return [told.contact(number)[field], str(told.record(number).get(column, "")), str(member["merge_fields"][tag])]


def _show_consent(told: Told, audience: str) -> None:
    """Somebody tries to take the opt-out back in Postgres; the person did not, so it stays."""
    before = _consent(told, audience)
    told.update_local(SLUG, UNWILLING, {"email_opt_out": ""})
    meddled = _consent(told, audience)
    told.sync_first("mailchimp", "Somebody tries to take the opt-out back in Postgres: it stays")
    after = _consent(told, audience)
    rows = [
        ["after the unsubscribe", *before],
        ["after somebody's edit", *meddled],
        ["after the next run", *after],
    ]
    show.table(f"Consent of {email_of(UNWILLING)}", ("when", "opted out in Postgres", "status at Mailchimp"), rows)
    if after != ["true", "unsubscribed"]:
        raise IntegrationError("the unsubscribe of the demonstration did not stay")


def _consent(told: Told, audience: str) -> list[str]:
    member = told.sandbox.mailchimp.member(audience, email_of(UNWILLING))
    return [told.contact(UNWILLING)["email_opt_out"] or "false", str(member["status"])]
