"""A world around mailboxes: `PostWorld` with the sandbox's Gmail, and `Agency`, a workspace that sends pitches.

What was delivered is counted in the sandbox's world, by our own header, never in our database. Belongs here:
acting and looking. Does not: what tests expect of it, except what must hold after every run.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, ClassVar, Protocol, cast
from uuid import UUID

import httpx
from sqlalchemy import text

from integrations_pipeline.mail.compose import PITCH_HEADER
from integrations_pipeline.providers.base import ProviderContext, ProviderSpec
from integrations_pipeline.providers.gmail import PROVIDER, TOKEN_URL
from integrations_pipeline.providers.gmail.limits import API_URL
from integrations_pipeline.providers.gmail.mailbox import open_mailbox
from integrations_pipeline.providers.gmail.people import MOST_MESSAGES
from integrations_pipeline.providers.mailbox import Mailbox
from integrations_pipeline.providers.oauth import OAuthClient
from integrations_pipeline.store import pitches
from integrations_pipeline.store.database import Database
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline.sync.runtime import Runtime
from integrations_pipeline_tests.postgres import CLOCKED, TEMPLATE, PostgresServer
from integrations_pipeline_tests.simulation.clock import FakeClock
from integrations_pipeline_tests.sync.arrangement import Tenant, World
from integrations_sandbox import DEFAULT_OAUTH_CLIENTS, Delivery, FaultRule, Gmail, MailWorld, SandboxServer
from integrations_sandbox.gmail.model import Message
from integrations_sandbox.stage import LoggedRequest

OWN = "me@agency.org"
SCOPES = PROVIDER.oauth.scopes if PROVIDER.oauth else ()
#: Words of pitches that must never be told anywhere but in the mail.
SECRET_SUBJECT, SECRET_BODY = "A record for you", "Nobody else may read this"
#: How a pitch may end.
ENDS = ("sent", "replied", "bounced", "unknown", "failed", "cancelled")
CLIENT = DEFAULT_OAUTH_CLIENTS["google"]


class Clock(Protocol):
    def now(self) -> datetime: ...

    def advance(self, seconds: float) -> None: ...


class RealClock:
    """The machine's time and the sandbox's; Postgres keeps the machine's."""

    def __init__(self, server: SandboxServer) -> None:
        self._server = server

    def now(self) -> datetime:
        return self._server.stage.clock.now()

    def advance(self, seconds: float) -> None:
        self._server.stage.clock.advance(seconds)


@dataclass(slots=True)
class FaultyMailbox:
    """A mailbox whose methods fail for good: as after minutes in which Gmail answered nothing better. `faults`: by
    method, what to raise for these arguments, or None."""

    inner: Any
    faults: Mapping[str, Callable[..., Exception | None]]

    def __getattr__(self, name: str) -> Any:
        def act(*given: Any, **options: Any) -> Any:
            error = self.faults[name](*given, **options) if name in self.faults else None
            if error is not None:
                raise error
            return getattr(self.inner, name)(*given, **options)

        return act if callable(getattr(self.inner, name)) else getattr(self.inner, name)


class PostWorld(World):
    tested = PROVIDER

    def __init__(self, *, server: SandboxServer, database: Database, clock: Clock) -> None:
        super().__init__(server=server, database=database)
        self.clock = clock
        #: Messages of the past that one run harvests.
        self.stretch = MOST_MESSAGES
        #: See `FaultyMailbox`.
        self.mailbox_faults: dict[str, Callable[..., Exception | None]] = {}

    @property
    def gmail(self) -> Gmail:
        return self.server.gmail

    @property
    def mail(self) -> MailWorld:
        return self.server.gmail.world

    @property
    def spec(self) -> ProviderSpec:
        return replace(PROVIDER, mailbox=self._open)

    @property
    def addresses(self) -> dict[str, str]:
        return {API_URL: self.server.gmail_url, TOKEN_URL: self.server.google_token_url}

    @property
    def runtime(self) -> Runtime:
        clients = {"GOOGLE": OAuthClient(id=CLIENT.id, secret=CLIENT.secret or "")}
        return replace(super().runtime, clock=self.clock.now, oauth_clients=clients)

    def _open(self, context: ProviderContext) -> Mailbox:
        mailbox: Mailbox = open_mailbox(context, most_messages=self.stretch)
        return cast(Mailbox, FaultyMailbox(mailbox, self.mailbox_faults)) if self.mailbox_faults else mailbox

    def agency(self, slug: str = "acme", *, address: str = OWN, mailbox: Any = None, **settings: Any) -> "Agency":
        """A workspace with a mailbox, which may be another one's too. `mailbox`: options of a new one."""
        if self.gmail.find_mailbox(address) is None:
            self.gmail.create_mailbox(address, **(mailbox or {}))
        agency = Agency(world=self, slug=slug, base_id=address, token=self.gmail.token(address, SCOPES))
        return self.connected(agency, settings)

    def options(self, **changes: Any) -> None:
        self.gmail.set_options(**changes)

    def fault(self, action: Any, **rule: Any) -> None:
        self.server.stage.faults.add(FaultRule(action=action, **rule))

    def refuse(self, reason: str, **rule: Any) -> None:
        """Answers with Gmail's body for that reason; with `is_applied` the request does its work first."""
        self.gmail.add_error(reason, **rule)

    def once(self, path: str, act: Callable[[], object], *, method: str = "", is_after: bool = False) -> None:
        """Something happens just before the next request to such a path, or just after its answer."""
        left = [act]

        def look(request: httpx.Request) -> None:
            if left and re.search(path, request.url.path) and method in ("", request.method):
                left.pop()()

        setattr(self.network, "after" if is_after else "before", look)

    def heal(self) -> None:
        """No faults from here on."""
        self.server.stage.faults.clear()
        self.mailbox_faults = {}

    def deliveries(self) -> Counter[str]:
        """How often each pitch was delivered, to whomever."""
        counted = self.mail.count_by_header(PITCH_HEADER)
        found: Counter[str] = Counter()
        for (_, pitch_id), count in counted.items():
            found[pitch_id] += count
        return found

    def assert_at_most_once(self) -> None:
        assert not [count for count in self.deliveries().values() if count > 1]


@contextmanager
def open_post_world(server: SandboxServer, postgres: PostgresServer, clock: FakeClock | None) -> Iterator[PostWorld]:
    """A world on a reset server with a database of its own. With a clock, which the server must read, Postgres
    reads it, too. At the end no pitch was delivered twice."""
    with postgres.new_database(CLOCKED if clock else TEMPLATE) as url:
        server.reset()
        database = Database(url)
        world = PostWorld(server=server, database=database, clock=clock or RealClock(server))
        try:
            if clock is None:
                yield world
            else:
                with clock.drive(url):
                    yield world
        finally:
            world.close()
            world.database.close()
        world.assert_at_most_once()


class Agency(Tenant):
    """One workspace with its mailbox."""

    world: PostWorld
    SECRETS: ClassVar[tuple[str, ...]] = ("@", "Bearer", "ya29.", SECRET_SUBJECT, SECRET_BODY)
    TOLD: ClassVar[tuple[str, ...]] = (
        *Tenant.TOLD,
        "select evidence::text from pitch_emails",
        "select coalesce(error_message, '') from pitches",
        "select coalesce(mail_cursor::text, '') from integration_connections",
    )

    @property
    def address(self) -> str:
        return self.base_id

    def place(self) -> dict[str, str]:
        return {}

    @property
    def columns(self) -> dict[str, str]:
        return dict(PROVIDER.default_mapping)

    def credentials(self) -> dict[str, Any]:
        return {"access_token": self.token}

    def grant(self) -> None:
        """Authorise anew, with a token that can be renewed."""
        answer = self.world.server.oauth.grant("google", account=self.address, scopes=SCOPES)
        expires_at = self.world.clock.now() + timedelta(seconds=answer["expires_in"])
        names = ("access_token", "refresh_token")
        self.connect({**{name: answer[name] for name in names}, "token_expires_at": expires_at.isoformat()})

    def sync(self, **options: Any) -> SyncReport:
        self.world.clock.advance(1.0)
        report = super().sync(**options)
        self.world.assert_at_most_once()
        return report

    def is_own(self, call: LoggedRequest) -> bool:
        return "/gmail/v1/" in call.path

    def _expected_records(self, log: Mapping[str, Any], considered: Mapping[str, int]) -> int:
        """What happened to mail is counted beside the contacts."""
        told: Mapping[str, int] = log["metadata"]
        if log["direction"] == "to_external":
            return sum(told.get(f"pitches_{name}", 0) for name in _SENDING)
        return considered.get("from_external", 0) + sum(told.get(f"mail_{name}", 0) for name in _RECORDED)

    # Pitches

    def pitch(self, to: str = "", **fields: Any) -> str:
        """A queued pitch; its id."""
        (found,) = self.pitch_all({"to_email": to or f"person{len(self.pitches())}@example.org", **fields})
        return found

    def pitch_all(self, *rows: Mapping[str, Any]) -> list[str]:
        blank = {"subject": SECRET_SUBJECT, "body": SECRET_BODY}
        with self.world.database.workspace(self.workspace_id) as connection:
            return pitches.add_pitches(connection, self.workspace_id, [{**blank, **row} for row in rows])

    def pitch_many(self, count: int) -> list[str]:
        return self.pitch_all(*({"to_email": f"person{number}@example.org"} for number in range(count)))

    def pitches(self) -> list[dict[str, Any]]:
        return self.rows("select p.*, p.id::text from pitches p order by p.created_at, p.id")

    def row(self, pitch_id: str) -> dict[str, Any]:
        (found,) = self.rows("select * from pitches where id = cast(:id as uuid)", id=pitch_id)
        return found

    def status(self, pitch_id: str) -> str:
        return str(self.row(pitch_id)["status"])

    def statuses(self) -> Counter[str]:
        return Counter(str(row["status"]) for row in self.pitches())

    def reason(self, pitch_id: str) -> str:
        return str(self.row(pitch_id)["error_message"] or "")

    def ledger(self, pitch_id: str) -> list[dict[str, Any]]:
        """Its sendings, the latest first."""
        return self.rows(
            "select * from pitch_emails where pitch_id = cast(:id as uuid) order by attempt desc", id=pitch_id
        )

    def change(self, pitch_id: str, **values: Any) -> None:
        """What any program may do with a pitch."""
        sets = ", ".join(f"{name} = :{name}" for name in values)
        self.execute(f"update pitches set {sets} where id = cast(:id as uuid)", id=pitch_id, **values)

    def execute(self, statement: str, **bound: Any) -> int:
        with self.world.database.workspace(self.workspace_id) as connection:
            return connection.execute(text(statement), bound).rowcount

    def resolve(self, pitch_id: str, *, was_sent: bool) -> bool:
        with self.world.database.workspace(self.workspace_id) as connection:
            return pitches.resolve_unknown(connection, UUID(pitch_id), was_sent=was_sent)

    # What the world has

    def delivery(self, pitch_id: str) -> Delivery:
        """The one delivery of a pitch."""
        (found,) = self.world.mail.deliveries(header=(PITCH_HEADER, pitch_id))
        return found

    def delivered(self, pitch_id: str) -> int:
        return self.world.deliveries()[pitch_id]

    def messages(self) -> list[Message]:
        return self.world.gmail.messages(self.address)

    def drafts(self) -> list[Message]:
        return [each for each in self.messages() if "DRAFT" in each.labels]

    def send_draft_by_hand(self) -> Message:
        """The mailbox's owner sends the only draft there is."""
        mailbox, stage = self.world.gmail.mailbox(self.address), self.world.server.stage
        (message,) = self.drafts()
        draft = mailbox.draft_of(message)
        assert draft is not None
        with stage.lock:
            return self.world.gmail.send(mailbox, self.world.gmail.prepare(mailbox, message.content.raw), draft, None)

    def write_by_hand(self, to: str, subject: str, **headers: str) -> Message:
        """The mailbox's owner writes from another device."""
        letter = EmailMessage(policy=SMTP)
        for name, value in {"From": self.address, "To": to, "Subject": subject}.items():
            letter[name] = value
        for name, value in headers.items():
            letter[name.replace("_", "-")] = value
        letter.set_content("By hand.\n")
        return self.world.gmail.send_elsewhere(self.address, letter.as_bytes())

    def replies(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = self.rows("select r.*, r.pitch_id::text from pitch_replies r order by received_at, gmail_message_id")
        return [row for row in found if kind in (None, row["kind"])]

    def barred(self) -> list[str]:
        """Addresses to which nothing is sent any more because mail to them bounced for good."""
        return [
            row["identity_key"]
            for row in self.rows("select identity_key from suppressions where reason = 'bounced' order by 1")
        ]

    def bar(self, address: str, reason: str) -> None:
        """What keeps an address from being mailed, whoever wrote it down."""
        self.execute(
            "insert into suppressions (workspace_id, identity_key, reason) values (:workspace_id, :address, :reason)",
            workspace_id=self.workspace_id,
            address=address,
            reason=reason,
        )

    # What must be true in the end

    def assert_settled(self) -> None:
        """Every pitch ended, what counts as sent was delivered once, and what counts as not sent never left."""
        counted = self.world.deliveries()
        for row in self.pitches():
            count = counted[row["id"]]
            assert row["status"] in ENDS, row["status"]
            assert count <= 1
            if row["status"] in ("sent", "replied", "bounced"):
                assert count == 1, row["status"]
                assert row["sent_at"] is not None
                (sent,) = [each for each in self.ledger(row["id"]) if each["state"] != "unsent"]
                assert sent["state"] == "sent"
            if row["status"] in ("failed", "cancelled"):
                assert count == 0, row["error_message"]
                assert row["error_message"] or row["status"] == "cancelled"
                assert all(each["state"] == "unsent" for each in self.ledger(row["id"]))
            if row["status"] == "unknown":
                assert "resolve" in row["error_message"]

    def assert_idle(self, most_calls: int = 2) -> SyncReport:
        """Another run finds nothing and asks next to nothing."""
        before = self.state()
        report = self.sync()
        assert len(self.calls()) <= most_calls, [call.path for call in self.calls()]
        assert self.state() == before
        return report

    def state(self) -> tuple[Any, ...]:
        return (
            self.rows("select * from pitches order by id"),
            self.rows("select * from pitch_emails order by id"),
            self.rows("select * from pitch_replies order by id"),
            self.rows("select id, version from workspace_contacts order by id"),
            self.world.deliveries(),
        )


_SENDING = ("sent", "failed", "stuck", "unknown", "cancelled", "waiting")
_RECORDED = ("reply", "auto_reply", "bounce", "out_of_office")


def in_seconds(seconds: float, now: datetime) -> datetime:
    return now.astimezone(UTC) + timedelta(seconds=seconds)
