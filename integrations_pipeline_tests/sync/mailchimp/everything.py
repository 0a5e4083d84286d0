"""One run that does one of each, and what people see after it: for tests that disturb it.

Belongs here: the situation before the run, and comparing ends. Does not: the disturbance.
"""

from collections import Counter

from integrations_pipeline_tests.sync import crashes
from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.crashes import State
from integrations_pipeline_tests.sync.mailchimp.arrangement import MailchimpWorld, Subscribers


def state_of(tenant: Subscribers) -> State:
    """Both sides without ids, and the statuses of all members, archived ones too."""
    statuses = Counter(f"{each.email_address} {each.status}" for each in tenant.audience.members.values())
    return *crashes.state_of(tenant), statuses


def everything(world: MailchimpWorld) -> Subscribers:
    """Before a run with creates, updates and deletes each way, tags, a conflict, a link, an opt-out each way, an
    e-mail changed in place and one that needs a new member."""
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(*(person(number, tags=["base"]) for number in range(8)))
    (moving,) = tenant.add_remote(person(8, phone="+8", tags=["base"]), status="transactional")
    tenant.sync()
    ids = [tenant.contact_of(record) for record in (*records, moving)]
    world.clock.advance(3600)
    tenant.edit_local(ids[0], company="Local", tags=["base", "local"])
    tenant.edit_local(ids[1], company="Local too", phone="+1")
    tenant.edit_remote(records[1], tags=["base", "remote"])
    tenant.edit_remote(records[2], company="Remote", email="renamed@example.org")
    tenant.edit_local(ids[3], company="Loser")
    world.clock.advance(60)
    tenant.edit_remote(records[3], company="Winner")
    tenant.delete_local(ids[4])
    tenant.delete_remote(records[5])
    tenant.edit_local(ids[6], email_opt_out="true")
    tenant.edit_local(ids[7], email="moved7@example.org")
    tenant.edit_local(ids[8], email="moved8@example.org", company="Moved")
    tenant.unsubscribe(records[0])
    tenant.add_local(person(10, tags=["new"]), person(11, email_opt_out="true"), person(12, company="Matched"))
    tenant.add_remote(person(13), person(12, phone="+12"))
    return tenant


def small(world: MailchimpWorld) -> Subscribers:
    """Before a first run."""
    tenant = world.tenant()
    tenant.add_local(person(1), person(2, phone="+2"), person(3, tags=["a"]), {"email": "bare@example.org"})
    tenant.add_remote(person(2, company="Acme"), person(4, tags=["b"]))
    return tenant


def moves(world: MailchimpWorld) -> Subscribers:
    """Before a run in which several get new members for new e-mails, one of them with nothing but an e-mail."""
    tenant = world.tenant(**NO_LIMIT)
    records = tenant.add_remote(
        person(1, company="Acme", tags=["a", "b"]), {"email": "bare@example.org"}, status="transactional"
    )
    records += tenant.add_remote(person(3), status="unsubscribed")
    tenant.sync()
    world.clock.advance(3600)
    for number, record in enumerate(records):
        tenant.edit_local(tenant.contact_of(record), email=f"moved{number}@example.org", phone=f"+{number}")
    return tenant
