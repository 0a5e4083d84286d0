"""What the tests of the certificate share: certifying a tenant, and deeds that no sync is told of.

Belongs here: planting differences. Does not: assertions about certificates.
"""

import json
from typing import Any

from sqlalchemy import text

from integrations_pipeline.verify.certify import certify
from integrations_pipeline.verify.compare import Certificate
from integrations_pipeline_tests.sync.arrangement import Tenant, World, person

PEOPLE = 4


def certified(tenant: Tenant) -> Certificate:
    """The certificate; nothing may be written at the provider for it, and nothing personal written down."""
    tenant.calls_seen = tenant.last_call()
    found = certify(tenant.world.runtime, tenant.slug, tenant.provider)
    assert not tenant.record_writes()
    tenant.check_privacy()
    assert found.compared == found.equal + found.waiting + found.differing_count
    assert found.waiting == sum(found.waiting_by.values())
    assert "@" not in json.dumps(found.to_dict())
    return found


def synced(world: World, *, has_feed: bool = True, **settings: Any) -> Tenant:
    """So many linked people, on whom both sides agree."""
    if not has_feed:
        world.forbid_webhooks()
    tenant = world.tenant(**settings)
    tenant.add_local(*(person(n, company=f"Firm {n}", tags=["a", "b"]) for n in range(PEOPLE)))
    tenant.sync()
    tenant.pass_time(3600)
    tenant.sync()
    tenant.assert_in_sync()
    return tenant


def some_pair(tenant: Tenant) -> tuple[str, str]:
    """(contact id, record id) of Person 1."""
    contact_id = next(key for key, row in tenant.local().items() if row["name"] == "Person 1")
    return contact_id, tenant.record_of(contact_id)


def behind_the_journal(tenant: Tenant, statement: str, **bound: Any) -> None:
    """SQL past every trigger and policy, as a restored table or a careless repair would be."""
    with tenant.world.database.admin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        assert connection.execute(text(statement), bound).rowcount > 0


def lose_the_feed(tenant: Tenant) -> None:
    """The stored cursor moves past what happened at the provider: no sync is told of it."""
    behind_the_journal(
        tenant,
        "update integration_connections set cursor = jsonb_set(cursor, '{remote,payload_cursor}', "
        "to_jsonb((cursor -> 'remote' ->> 'payload_cursor')::int + 1)) where id = :id",
        id=tenant.connection.id,
    )
