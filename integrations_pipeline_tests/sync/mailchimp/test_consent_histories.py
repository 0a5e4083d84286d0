"""Random sequences of everything that touches consent: nobody is raised but by the person, and opt-outs arrive."""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from integrations_pipeline.model import RunStatus
from integrations_pipeline_tests.sync.arrangement import Value
from integrations_pipeline_tests.sync.clocked import NO_LIMIT, Worlds
from integrations_pipeline_tests.sync.mailchimp.arrangement import (
    SOMEWHERE,
    MailchimpWorld,
    Subscribers,
)
from integrations_pipeline_tests.sync.telling import assert_seen, tell_all
from integrations_pipeline_tests.sync.test_backups import back_up, restore
from integrations_sandbox import WireError

PEOPLE, STEPS = 8, 60
PAUSES = (0.0, 0.5, 20.0, 3600.0)
SETTINGS = ("transactional", "subscribed", "unsubscribed", "pending")
#: How many seeds the fast suite tells, and the slow one by Hypothesis profile.
FEW = 2
SEEDS = {"dev": 2, "ci": 4, "round": 2, "nightly": 100}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]


class Story:
    """One history over one tenant. A person is known by the first name, which nothing here changes."""

    def __init__(self, world: MailchimpWorld, seed: int) -> None:
        self.random = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.log: list[str] = [f"seed {seed}"]
        self.world = world
        world.options(status_if_new_restores_archived=seed % 2 == 0)
        self.tenant: Subscribers = world.tenant(**NO_LIMIT, status_if_new=SETTINGS[seed % len(SETTINGS)])
        self.opted_in: dict[str, datetime] = {}
        self.number = 0
        self.has_backup = False

    def tell(self) -> None:
        for _ in range(PEOPLE):
            self.random.choice((self.new_contact, self.new_member))()
        self.sync()
        for _ in range(STEPS):
            deed = self.random.choices(list(self.deeds()), list(self.deeds().values()))[0]
            self.log.append(deed.__name__)
            try:
                deed()
                self.seen[deed.__name__] += 1
            except WireError:
                self.seen["refused by Mailchimp"] += 1
            self.world.clock.advance(self.random.choice(PAUSES))
        for _ in range(3):
            self.sync()
        self.judge_end()

    def deeds(self) -> dict[Callable[[], None], int]:
        return {
            self.sync: 12, self.full_sync: 3, self.faulty_sync: 3,
            self.person_unsubscribes: 4, self.admin_unsubscribes: 4, self.mail_bounces: 1,
            self.admin_resubscribes: 4, self.person_opts_in: 4,
            self.archive: 3, self.unarchive: 3, self.import_again: 2,
            self.opt_out_here: 4, self.take_back_here: 3, self.edit_here: 3, self.edit_there: 2,
            self.new_email_here: 2, self.delete_here: 1, self.add_again_here: 2, self.new_contact: 1,
            self.new_member: 1, self.restore_backup: 1,
        }  # fmt: skip

    # At Mailchimp

    def member(self, *statuses: str) -> str:
        """Somebody with one of these statuses."""
        members = self.tenant.audience.members
        wanted = statuses or ("subscribed",)
        found = sorted((each.email_address, key) for key, each in members.items() if each.status in wanted)
        if not found:
            raise WireError(404, {})
        return self.random.choice(found)[1]

    def new_member(self) -> None:
        self.tenant.add_remote(
            self.somebody(), status=self.random.choice(("subscribed", "subscribed", "transactional"))
        )

    def person_unsubscribes(self) -> None:
        self.tenant.unsubscribe(self.member("subscribed", "transactional", "pending"))

    def admin_unsubscribes(self) -> None:
        self.tenant.unsubscribe(self.member("subscribed", "transactional", "pending"), by="admin")

    def mail_bounces(self) -> None:
        self.world.mailchimp.clean(self.tenant.list_id, self.member())

    def admin_resubscribes(self) -> None:
        self.world.mailchimp.resubscribe(
            self.tenant.list_id, self.member("unsubscribed", "transactional", "archived", "cleaned"), by="admin"
        )

    def person_opts_in(self) -> None:
        key = self.member("unsubscribed", "transactional", "pending", "cleaned", "archived")
        self.tenant.opt_in(key)
        self.opted_in[self.tenant.member(key).values["FNAME"]] = self.world.clock.now().replace(microsecond=0)

    def archive(self) -> None:
        self.tenant.delete_remote(self.member("subscribed", "unsubscribed", "transactional"))

    def unarchive(self) -> None:
        self.world.mailchimp.unarchive(self.tenant.list_id, self.member("archived"))

    def import_again(self) -> None:
        key = self.member("subscribed", "unsubscribed", "archived")
        self.world.mailchimp.resubscribe(self.tenant.list_id, key, by="admin")
        member = self.tenant.member(key)
        member.timestamp_opt, member.ip_opt = member.created_at - timedelta(days=30), SOMEWHERE

    def edit_there(self) -> None:
        self.tenant.edit_remote(self.member("subscribed", "unsubscribed", "transactional"), phone=self.news())

    # Here

    def contact(self) -> str:
        found = self.tenant.local()
        return self.random.choice(sorted(found, key=lambda key: found[key]["email"]))

    def somebody(self) -> dict[str, Value]:
        self.number += 1
        return {"email": f"p{self.number}@example.org", "name": f"P{self.number} Person"}

    def news(self) -> str:
        return f"+{self.random.randrange(10**6)}"

    def new_contact(self) -> None:
        out = self.random.random() < 0.3
        self.tenant.add_local({**self.somebody(), **({"email_opt_out": "true"} if out else {})})

    def opt_out_here(self) -> None:
        self.tenant.edit_local(self.contact(), email_opt_out="true")

    def take_back_here(self) -> None:
        self.tenant.edit_local(self.contact(), email_opt_out="")

    def edit_here(self) -> None:
        self.tenant.edit_local(self.contact(), phone=self.news())

    def new_email_here(self) -> None:
        self.tenant.edit_local(self.contact(), email=f"moved{self.random.randrange(10**6)}@example.org")

    def delete_here(self) -> None:
        if len(self.tenant.local()) > PEOPLE // 2:
            self.tenant.delete_local(self.contact())

    def add_again_here(self) -> None:
        """Whoever has no contact any more, from an old file that knows of no opt-out."""
        here = {row["email"].lower() for row in self.tenant.local().values()}
        gone = sorted(
            (each.email_address, each.values["FNAME"])
            for each in self.tenant.audience.members.values()
            if each.email_address.lower() not in here
        )
        if gone:
            email, first = self.random.choice(gone)
            self.tenant.add_local({"email": email, "name": f"{first} Person", "company": "Again"})
            self.seen["added again"] += 1

    def restore_backup(self) -> None:
        if self.has_backup:
            restore(self.world)
            self.seen["restored"] += 1
        else:
            back_up(self.world)
            self.has_backup = True

    # Runs

    def sync(self, *, is_full: bool = False) -> None:
        before = self.opted_out()
        if self.tenant.connection.status != "active":
            self.tenant.configure()
        report = self.tenant.sync(is_full=is_full)
        self.seen[f"run {report.status.value}"] += 1
        after = self.opted_out()
        for contact_id, (first, since) in before.items():
            name, is_still = after.get(contact_id, (first, since))
            if since is not None and is_still is None:
                assert self.opted_in.get(name, since) > since, (self.log, name)
                self.seen["raised by the person"] += 1
            self.seen["lowered here"] += since is None and is_still is not None
        self.seen["members unsubscribed"] += sum(
            call.method == "PATCH" and call.body == {"status": "unsubscribed"} for call in self.tenant.calls()
        )

    def full_sync(self) -> None:
        self.sync(is_full=True)

    def faulty_sync(self) -> None:
        action = self.random.choice(("drop_before", "drop_after", "status", "status_after", "empty_page"))
        self.world.fault(action, times=2, skip=self.random.randrange(6), path_regex="/3.0/")
        try:
            self.sync()
        finally:
            self.world.mailchimp.clear_faults()

    def opted_out(self) -> dict[str, tuple[str, datetime | None]]:
        """contact id → first name, and since when it is opted out, or None."""
        found = self.tenant.rows(
            "select id::text, split_part(name, ' ', 1) first, email_opt_out o, email_opt_out_at at "
            "from workspace_contacts where deleted_at is null"
        )
        return {row["id"]: (row["first"], row["at"] if row["o"] else None) for row in found}

    # The end

    def judge_end(self) -> None:
        local = self.tenant.local()
        for contact_id, record_id in self.tenant.links().items():
            if contact_id not in local or self.tenant.status(record_id) == "archived":
                continue
            is_out, status = self.tenant.is_out(contact_id), self.tenant.status(record_id)
            self.seen["pairs in the end"] += 1
            self.seen["opted out in the end"] += is_out
            assert not (is_out and status == "subscribed"), (self.log, contact_id)
            assert is_out or status not in ("unsubscribed", "cleaned"), (self.log, contact_id)


def tell(world: MailchimpWorld, seed: int) -> Story:
    story = Story(world, seed)
    story.tell()
    return story


def assert_exercised(seen: Counter[str], times: int) -> None:
    least = {
        "raised by the person": 1, "lowered here": 3, "members unsubscribed": 2, "admin_resubscribes": 2,
        "import_again": 1, "unarchive": 1, "take_back_here": 2, "refused by Mailchimp": 1, "opted out in the end": 2,
        "pairs in the end": 10, "run success": 20,
    }  # fmt: skip
    assert_seen(seen, {name: wanted * times for name, wanted in least.items()})


def test_consent_only_goes_down_in_random_histories(worlds: Worlds[MailchimpWorld]) -> None:
    assert_exercised(tell_all("consent histories", tell, range(FEW), worlds), FEW // 2)


@pytest.mark.slow
def test_consent_only_goes_down_in_many_random_histories(worlds: Worlds[MailchimpWorld]) -> None:
    seen = tell_all("consent histories", tell, range(1000, 1000 + 4 * SEEDS), worlds)
    assert_exercised(seen, SEEDS)
    assert seen["restored"] >= SEEDS // 2
    assert seen["added again"] >= SEEDS // 2
    assert not seen[f"run {RunStatus.REFUSED.value}"] > seen["run success"]
