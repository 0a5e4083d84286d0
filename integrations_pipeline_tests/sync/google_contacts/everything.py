"""One run that does one of each, and what people see after it: for tests that disturb it.

Belongs here: the situation before the run, and comparing ends. Does not: the disturbance.
"""

from integrations_pipeline_tests.sync.arrangement import person
from integrations_pipeline_tests.sync.clocked import NO_LIMIT
from integrations_pipeline_tests.sync.google_contacts.arrangement import WINDOW, AddressBook, ContactsWorld


def everything(world: ContactsWorld) -> AddressBook:
    """Before a run with creates, updates and deletes each way, labels that are new, a conflict, a link, an e-mail that
    changes and a contact whose resource name does."""
    tenant = world.tenant(**NO_LIMIT)
    ids = tenant.add_local(*(person(number, tags=["base"]) for number in range(7)))
    tenant.sync()
    world.clock.advance(2 * WINDOW)
    records = [tenant.record_of(key) for key in ids]
    tenant.edit_local(ids[0], company="Local", tags=["base", "local"])
    tenant.edit_remote(records[0], phone="+1", tags=["base", "remote"])
    tenant.edit_remote(records[1], company="Remote", email="renamed@example.org")
    tenant.edit_local(ids[2], job_title="Loser")
    world.clock.advance(60)
    tenant.edit_remote(records[2], job_title="Winner")
    tenant.delete_local(ids[3])
    tenant.delete_remote(records[4])
    tenant.edit_local(ids[5], email="moved@example.org", phone="+5")
    tenant.edit_remote(world.people.join_profile(tenant.account, records[6]), company="Joined")
    tenant.add_local(person(10, tags=["new"]), person(11), person(12, company="Matched"))
    tenant.add_remote(person(13), person(12, phone="+12"))
    return tenant


def small(world: ContactsWorld) -> AddressBook:
    """Before a first run."""
    tenant = world.tenant()
    tenant.add_local(person(1), person(2, phone="+2"), person(3, tags=["a"]), {"email": "bare@example.org"})
    tenant.add_remote(person(2, company="Acme"), person(4, tags=["b"]))
    return tenant
