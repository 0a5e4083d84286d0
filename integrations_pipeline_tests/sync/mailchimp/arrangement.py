"""A world around a Mailchimp audience: `MailchimpWorld` and its tenants, `Subscribers`.

Belongs here: an audience in the words of `Tenant`. Does not: what worlds on a clock share (`clocked`), what tests
expect of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from integrations_pipeline.model import join_set, split_set
from integrations_pipeline.providers.mailchimp import PROVIDER
from integrations_pipeline.providers.mailchimp.limits import API_URL
from integrations_pipeline.providers.mailchimp.members import is_mark
from integrations_pipeline_tests.sync.arrangement import Value, as_text, filled
from integrations_pipeline_tests.sync.clocked import ClockedTenant, ClockedWorld
from integrations_pipeline_tests.sync.mailchimp.watch import RANKS, ConsentWatch, Contact
from integrations_sandbox import DEFAULT_MAILCHIMP_KEY, Mailchimp, SandboxServer
from integrations_sandbox.mailchimp.model import Audience, Member

#: Whoever opts in does it from here.
SOMEWHERE = "198.51.100.7"

_OUT = ("unsubscribed", "cleaned")
_UNASKED = ("transactional", "pending")
_FIND_CONTACTS = """
with audience as (
    select id, workspace_id from integration_connections where settings ->> 'list_id' = %(list_id)s
), found as (
    select m.record_id, c.id from audience a join workspace_contacts c on c.workspace_id = a.workspace_id
    join unnest(%(keys)s::text[], %(emails)s::text[]) m(record_id, email)
        on integrations_identity_key(c.email) = m.email and c.deleted_at is null
    union
    select l.external_id, l.contact_id from audience a join integration_links l on l.connection_id = a.id
    where l.external_id = any(%(keys)s)
)
select f.record_id, bool_or(c.email_opt_out), coalesce(max(l.external_id), '')
from found f join workspace_contacts c on c.id = f.id and c.deleted_at is null
left join integration_links l on l.contact_id = c.id and l.connection_id in (select id from audience)
group by f.record_id
"""


class MailchimpWorld(ClockedWorld):
    network: ConsentWatch
    tested = PROVIDER

    def __init__(self, *, server: SandboxServer, **given: Any) -> None:
        super().__init__(server=server, network=ConsentWatch(server.mailchimp, self._contacts), **given)

    @property
    def mailchimp(self) -> Mailchimp:
        return self.server.mailchimp

    @property
    def addresses(self) -> dict[str, str]:
        return {API_URL: self.server.mailchimp_url}

    def tenant(
        self, slug: str = "acme", *, extra_fields: Sequence[Any] = ("COMPANY",), **settings: Any
    ) -> "Subscribers":
        """A workspace with a connection to an audience of its own."""
        audience = self.mailchimp.create_list(f"Friends of {slug}", extra_fields=extra_fields)
        tenant = Subscribers(world=self, slug=slug, base_id=audience.id, token=DEFAULT_MAILCHIMP_KEY)
        return self.connected(tenant, settings)

    def options(self, **changes: Any) -> None:
        self.mailchimp.set_options(**changes)

    def assert_kept(self) -> None:
        self.network.assert_kept()

    def _contacts(self, list_id: str, members: Sequence[Member]) -> dict[str, Contact]:
        """By link or e-mail; asked beside SQLAlchemy's events, which tests count."""
        keys = [member.contact_id for member in members]
        emails = [member.email_address.strip().lower() for member in members]
        raw = self.database._engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute(_FIND_CONTACTS, {"keys": keys, "emails": emails, "list_id": list_id})
            return {row[0]: Contact(*row[1:]) for row in cursor.fetchall()}
        finally:
            raw.close()


class Subscribers(ClockedTenant):
    """One workspace with its audience. Remote fields go by workspace field names, except that merge tags in
    capitals stand for themselves; records go by contact id."""

    world: MailchimpWorld
    SECRETS: ClassVar[tuple[str, ...]] = ("@", "Basic", DEFAULT_MAILCHIMP_KEY)

    @property
    def list_id(self) -> str:
        return self.base_id

    @property
    def audience(self) -> Audience:
        return self.world.mailchimp.find_list(self.list_id)

    @property
    def columns(self) -> dict[str, str]:
        mapping: dict[str, str] = self.settings.get("field_mapping") or dict(PROVIDER.default_mapping)
        return {**mapping, **PROVIDER.fixed_mapping}

    def place(self) -> dict[str, str]:
        return {"list_id": self.list_id}

    def configure(self, **settings: Any) -> None:
        super().configure(**settings)
        self.world.network.most[self.list_id] = RANKS[self.settings.get("status_if_new", "transactional")]

    # The audience's side

    def add_remote(self, *people: Mapping[str, Value], status: str = "subscribed", by: Any = "admin") -> list[str]:
        """Members made at Mailchimp; their contact ids."""
        made = []
        for person in people:
            tags = person.get("tags", ())
            member = self.world.mailchimp.subscribe(
                self.list_id,
                as_text(person["email"]),
                self._merged(person),
                tags=split_set(tags) if isinstance(tags, str) else tags,
                status=status,
                by=by,
            )
            made.append(str(member["contact_id"]))
        return made

    def edit_remote(self, record_id: str, **fields: Value) -> None:
        """`tags` are all the tags that the member has afterwards."""
        chimp = self.world.mailchimp
        if merged := self._merged(fields):
            chimp.edit(self.list_id, record_id, **merged)
        if "tags" in fields:
            tags = fields["tags"]
            wanted = split_set(tags) if isinstance(tags, str) else list(tags)
            chimp.untag(self.list_id, record_id, *(set(self.tags_of(record_id)) - set(wanted)))
            chimp.tag(self.list_id, record_id, *wanted)
        if "email" in fields:
            chimp.change_email(self.list_id, record_id, as_text(fields["email"]))

    def delete_remote(self, *record_ids: str) -> None:
        for record_id in record_ids:
            self.world.mailchimp.archive(self.list_id, record_id)

    def remote(self) -> dict[str, dict[str, str]]:
        """Members who are not archived: contact id → mapped fields by workspace name, empty ones left out."""
        return {
            key: self._fields(member) for key, member in self.audience.members.items() if member.status != "archived"
        }

    def member(self, record_id: str) -> Member:
        return self.audience.members[record_id]

    def status(self, record_id: str) -> str:
        return self.member(record_id).status

    def tags_of(self, record_id: str) -> list[str]:
        return [self.audience.tags[each] for each in self.member(record_id).tags]

    def by_email(self, email: str) -> Member | None:
        """The member with that address, archived or not."""
        return self.audience.find_email(email)

    # Consent

    def opt_in(self, record_id: str) -> None:
        """The person signs up (again) and confirms it, which leaves a time and an address."""
        self.world.mailchimp.resubscribe(self.list_id, record_id)
        member = self.member(record_id)
        member.timestamp_opt, member.ip_opt = self.world.clock.now().replace(microsecond=0), SOMEWHERE

    def unsubscribe(self, record_id: str, *, by: Any = "person") -> None:
        self.world.mailchimp.unsubscribe(self.list_id, record_id, by=by)

    # What an audience holds, in the words of a workspace

    def _merged(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for name, value in fields.items():
            column = self.columns.get(name, name)
            if "+" in column:
                first, last = column.split("+")
                merged[first], _, merged[last] = str(value).partition(" ")
            elif name not in PROVIDER.fixed_mapping:
                merged[column] = value
        return merged

    def _fields(self, member: Member) -> dict[str, str]:
        found = {
            name: " ".join(filter(None, (_text(member.values.get(tag)) for tag in column.split("+"))))
            for name, column in self.columns.items()
        }
        consent = "true" if member.status in _OUT else "unasked" if member.status in _UNASKED else ""
        found |= {
            "email": member.email_address,
            # The mark of a move to a new e-mail is the sync's own; a kill right before its end leaves it.
            "tags": join_set(tag for tag in self.tags_of(member.contact_id) if not is_mark(tag)),
            "email_opt_out": consent,
        }
        return filled(found)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        parts = [value[part] for part in ("addr1", "addr2", "city", "state", "zip", "country")]
        return "; ".join(parts)
    return "" if value is None else str(value).strip()
