"""The demonstration's third chapter: twenty pitches, a crash in the middle, and what comes back.

Belongs here: sending from a process that is killed, and counting what the world received.
"""

import subprocess
import sys
import time
from collections import Counter

from integrations_pipeline.demo import show
from integrations_pipeline.demo.chapter import SLUG, Told, email_of
from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.store import pitches
from integrations_pipeline.store.connections import NewConnection
from integrations_sandbox import FaultRule

MAILBOX = "ann@blue-note.example.org"
COUNT = 20
#: The sending process is killed once so many e-mails have left.
KILLED_AFTER = 9
PATIENCE_SECONDS = 60.0
#: People from 100 on, who are only in Postgres.
FIRST = 100


def tell_of_mail(told: Told) -> None:
    """Fail if the world received anything but one e-mail per pitch."""
    show.heading(f"{COUNT} pitches; one answer of Gmail is lost, and the sending process is killed in the middle")
    gmail = told.sandbox.gmail
    gmail.create_mailbox(MAILBOX)
    gmail.world.set_bouncing(email_of(FIRST + 3), "hard")
    told.connect(
        NewConnection(
            integration_type="gmail",
            credentials={"access_token": gmail.token(MAILBOX)},
            settings={"signature": "Ann, Blue Note"},
        )
    )
    rows = [
        {
            "to_email": email_of(FIRST + number),
            "subject": f"A new record for you, no. {number}",
            "body": "Hello!\n\nWe made a record that you may like.",
        }
        for number in range(COUNT)
    ]
    with told.runtime.database.workspace(told.first_id) as connection:
        pitches.add_pitches(connection, told.first_id, rows)
    gmail.stage.faults.add(FaultRule(action="drop_after", path_regex="drafts/send", skip=4, times=1))
    _send_and_kill(told)
    told.sync_first("gmail", "The next Dagster run goes on where the killed process was")
    _count_deliveries(told)
    _answers(told)
    told.sync_first("gmail", "Replies, a bounce and a vacation answer are taken in")
    _show_pitches(told)


def _send_and_kill(told: Told) -> None:
    """`integrations pitches send` in a process of its own, killed by SIGKILL."""
    world = told.sandbox.gmail.world
    code = "from integrations_pipeline.cli import entry; entry()"
    command = [sys.executable, "-c", code, "pitches", "send", "--workspace", SLUG, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while len(world.deliveries()) < KILLED_AFTER and time.monotonic() < give_up_at and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    show.line(f"killed after {len(world.deliveries())} e-mails had left")


def _count_deliveries(told: Told) -> None:
    counts = told.sandbox.gmail.world.count_by_header(PITCH_HEADER)
    most = max(counts.values())
    show.line(f"e-mails delivered: {counts.total()}, for {len(counts)} pitches; most for one pitch: {most}")
    if counts.total() != COUNT or len(counts) != COUNT:
        raise IntegrationError(f"{COUNT} pitches should have been delivered once each, but were {counts.total()} times")


def _answers(told: Told) -> None:
    world = told.sandbox.gmail.world
    delivered = {delivery.recipient: delivery for delivery in world.deliveries()}
    for number in (0, 1, 2):
        world.reply(delivered[email_of(FIRST + number)], "Sounds good, tell me more.")
    world.out_of_office(delivered[email_of(FIRST + 4)])


def _show_pitches(told: Told) -> None:
    with told.runtime.database.workspace(told.first_id) as connection:
        rows = pitches.list_pitches(connection, told.first_id, [], COUNT)
    rows.sort(key=lambda row: str(row["subject"]).zfill(40))
    columns = ("to", "subject", "status", "replies", "what became of it")
    table = [[r["to_email"], r["subject"], r["status"], r["replies"] or "", r["error_message"]] for r in rows]
    show.table("pitches", columns, table)
    found = Counter(str(row["status"]) for row in rows)
    show.line(", ".join(f"{count} {status}" for status, count in sorted(found.items())))
    if found != Counter(sent=COUNT - 4, replied=3, bounced=1):
        raise IntegrationError("the pitches of the demonstration did not end as they should")
