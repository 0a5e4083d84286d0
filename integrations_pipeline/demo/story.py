"""The story of the demonstration: fill both sides, sync, edit both sides, sync, sync again.

Belongs here: the order of things and the checks. Does not: data (`data`), printing (`show`).
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg

from integrations_pipeline.definitions import build_definitions
from integrations_pipeline.demo import show
from integrations_pipeline.demo.audience import tell_of_audience
from integrations_pipeline.demo.chapter import email_of
from integrations_pipeline.demo.crm import tell_of_crm
from integrations_pipeline.demo.data import make_data
from integrations_pipeline.demo.mailing import tell_of_mail
from integrations_pipeline.errors import IntegrationError
from integrations_pipeline.model import ChangeState
from integrations_pipeline.orchestration.instance import ENVIRONMENT, write_instance
from integrations_pipeline.orchestration.jobs import job_name
from integrations_pipeline.orchestration.partitions import follow_connections, range_tags
from integrations_pipeline.store import connections, contacts, decisions, sync_log, workspaces
from integrations_pipeline.store.connections import NewConnection
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.wiring import Wiring, read_settings
from integrations_sandbox import DEFAULT_TOKEN, SandboxOptions, SandboxServer

SLUGS = ("blue-note", "radio-oslo")
#: The sandbox counts faster than the real Airtable by this factor, and so does the client.
RATE_SCALE = 4
MAPPING = {
    "name": "Name",
    "email": "Email",
    "phone": "Phone",
    "company": "Company",
    "job_title": "Job Title",
    "tags": "Tags",
    "custom_fields.employees": "Employees",
}


def run_demo(*, is_serving: bool, port: int = 3000) -> None:
    """Tell the story in a home of its own (`INTEGRATIONS_HOME/demo`), which a second telling empties first."""
    home = Path(os.environ.get("INTEGRATIONS_HOME") or ".integrations").absolute() / "demo"
    with SandboxServer(SandboxOptions(rate_limit_scale=RATE_SCALE)) as sandbox:
        _prepare_environment(home, sandbox)
        wiring = Wiring(read_settings())
        try:
            story = Story(wiring, sandbox, _dagster_home(wiring, home))
            story.tell()
            audience = tell_of_audience(story)
            tell_of_mail(story)
            tell_of_crm(story, audience)
            story.where_next()
            if is_serving:
                _serve(sandbox, port)
        finally:
            wiring.close()
            wiring.embedded.stop()


def _prepare_environment(home: Path, sandbox: SandboxServer) -> None:
    """The demonstration never touches a configured database: it has an embedded one of its own."""
    for name in ("INTEGRATIONS_DATABASE_URL", "INTEGRATIONS_ENCRYPTION_KEYS"):
        os.environ.pop(name, None)
    os.environ["INTEGRATIONS_HOME"] = str(home)
    os.environ["INTEGRATIONS_AIRTABLE_API_URL"] = sandbox.airtable_url
    os.environ["INTEGRATIONS_MAILCHIMP_API_URL"] = sandbox.mailchimp_url
    os.environ["INTEGRATIONS_GMAIL_API_URL"] = sandbox.gmail_url
    os.environ["INTEGRATIONS_HUBSPOT_API_URL"] = sandbox.hubspot_url
    os.environ["INTEGRATIONS_PEOPLE_API_URL"] = sandbox.people_url
    os.environ["INTEGRATIONS_GOOGLE_TOKEN_URL"] = sandbox.google_token_url
    os.environ["INTEGRATIONS_SANDBOX_RATE_SCALE"] = str(RATE_SCALE)
    if home.exists():
        Wiring(read_settings()).embedded.remove()
        shutil.rmtree(home, ignore_errors=True)


def _dagster_home(wiring: Wiring, home: Path) -> Path:
    wiring.upgrade()
    folder = write_instance(home / "dagster", wiring.embedded.url("dagster"))
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


class Story:
    """Two workspaces, each with its own Airtable base; the later chapters go on with the first one."""

    def __init__(self, wiring: Wiring, sandbox: SandboxServer, dagster_home: Path) -> None:
        self.runtime = wiring.runtime
        self.sandbox = sandbox
        self._airtable = sandbox.airtable
        self._ids: dict[str, UUID] = {}
        self._bases: dict[str, tuple[str, str]] = {}
        self._instance = dg.DagsterInstance.from_config(str(dagster_home))
        self._definitions = build_definitions()

    def tell(self) -> None:
        show.heading("Two workspaces, 500 contacts in Postgres and 500 in Airtable each")
        for seed, slug in enumerate(SLUGS):
            self._fill(slug, seed)
        follow_connections(self._instance, {"airtable": SLUGS})
        self._sync("First run: one Dagster run over both partitions")
        show.heading("Edits on both sides of blue-note")
        self._edit(SLUGS[0])
        self._sync("Second run: only what changed")
        self._show_conflicts(SLUGS[0])
        self._show_held(SLUGS[0])
        show.heading("The bad value is taken back")
        self.update_local(SLUGS[0], 252, {"custom_fields.employees": ""})
        quiet = self._sync("Third run: nothing to do")
        written = sum(row[f"records_{name}"] for row in quiet for name in ("created", "updated", "deleted", "failed"))
        if written:
            raise IntegrationError(f"the last run should have found nothing to do, but wrote {written} records")

    def _fill(self, slug: str, seed: int) -> None:
        data = make_data(slug, seed)
        base = self._airtable.create_base(f"CRM of {slug}")
        table = self._airtable.create_contacts_table(base.id)
        self._airtable.create_field(
            base.id, table.id, {"name": "Employees", "type": "number", "options": {"precision": 0}}
        )
        self._airtable.create_records(base.id, table.id, data.remote)
        with self.runtime.database.admin() as connection:
            self._ids[slug] = workspaces.add_workspace(connection, slug, slug.replace("-", " ").title()).id
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            contacts.upsert_contacts(connection, self._ids[slug], data.local)
            new = NewConnection(
                integration_type="airtable",
                credentials={"api_key": DEFAULT_TOKEN},
                settings={
                    "base_id": base.id,
                    "table_id": table.name,
                    "field_mapping": MAPPING,
                    "settle_seconds": 0,  # the story edits and syncs at once
                },
            )
            connections.save_connection(connection, self._ids[slug], new, self.runtime.cipher)
        self._bases[slug] = (base.id, table.id)
        show.line(f"{slug}: {len(data.local)} contacts in Postgres, {len(data.remote)} records in base {base.id}")

    def connect(self, new: NewConnection) -> None:
        """Give the first workspace another connection."""
        with self.runtime.database.workspace(self.first_id) as connection:
            connections.save_connection(connection, self.first_id, new, self.runtime.cipher)
        follow_connections(self._instance, {new.integration_type: SLUGS[:1]})

    @property
    def first_id(self) -> UUID:
        return self._ids[SLUGS[0]]

    def sync_first(self, provider: str, title: str) -> list[dict[str, Any]]:
        """One Dagster run of a provider's job over the first workspace's partition."""
        return self._sync(title, provider, SLUGS[:1])

    def _sync(self, title: str, provider: str = "airtable", slugs: Sequence[str] = SLUGS) -> list[dict[str, Any]]:
        """One Dagster run over these partitions; returns the log rows it wrote."""
        show.heading(title)
        result = self._definitions.resolve_job_def(job_name(provider)).execute_in_process(
            instance=self._instance,
            tags=range_tags(slugs),
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            raise_on_error=False,
        )
        show.line(f"Dagster run {result.run_id}: {'succeeded' if result.success else 'failed'}")
        rows = [row for slug in slugs for row in self._log_rows(slug) if row["dagster_run_id"] == result.run_id]
        show.log_rows(rows)
        if not result.success:
            raise IntegrationError("a sync of the demonstration failed; the table above says which")
        return rows

    def _log_rows(self, slug: str) -> list[dict[str, Any]]:
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            return [{**row, "workspace": slug} for row in sync_log.list_logs(connection, self._ids[slug])]

    def _edit(self, slug: str) -> None:
        """Numbers are people who are on both sides."""
        self.update_local(slug, 250, {"company": "Changed In Postgres"})
        self.update_remote(slug, 250, {"Phone": "+47 22 00 00 00"})
        self.update_local(slug, 251, {"job_title": "Editor in chief (Postgres)"})
        self.update_remote(slug, 251, {"Job Title": "Editor-in-chief (Airtable)"})
        self.update_local(slug, 252, {"custom_fields.employees": "about forty"})
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            write = ContactWrite(contact_id=self._contact_id(slug, 253), fields={})
            contacts.delete_contacts(connection, [write])
        base_id, table_id = self._bases[slug]
        self._airtable.delete_records(base_id, table_id, [self._record_id(slug, 254)])
        for text in (
            "person250: company changed in Postgres, phone changed in Airtable – both must survive",
            "person251: job title changed on both sides – a conflict",
            "person252: a text where Airtable has a number column – this record must fail alone",
            "person253: deleted in Postgres; person254: deleted in Airtable – both are held, not carried out",
        ):
            show.line(text)

    def update_local(self, slug: str, number: int, fields: Mapping[str, str]) -> None:
        contact_id = self._contact_id(slug, number)
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            contacts.update_contacts(connection, [ContactWrite(contact_id=contact_id, fields=fields)])

    def update_remote(self, slug: str, number: int, fields: Mapping[str, str]) -> None:
        base_id, table_id = self._bases[slug]
        self._airtable.update_record(base_id, table_id, self._record_id(slug, number), **fields)

    def contact(self, number: int) -> dict[str, str]:
        """One of the first workspace's contacts."""
        names = ("email", "name", "company", "phone", "email_opt_out")
        with self.runtime.database.workspace(self.first_id) as connection:
            rows = contacts.list_contacts(connection, self.first_id, names)
        return next(row for row in rows if row["email"].lower() == email_of(number))

    def record(self, number: int) -> Mapping[str, Any]:
        """The same person's cells in Airtable."""
        records = self._airtable.records(*self._bases[SLUGS[0]])
        fields: list[Mapping[str, Any]] = [record["fields"] for record in records]
        return next(cells for cells in fields if str(cells.get("Email", "")).lower() == email_of(number))

    def _contact_id(self, slug: str, number: int) -> str:
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            return contacts.contact_ids_by_email(connection, self._ids[slug], [_email(slug, number)])[0]

    def _record_id(self, slug: str, number: int) -> str:
        records = self._airtable.records(*self._bases[slug])
        wanted = _email(slug, number)
        return next(str(r["id"]) for r in records if str(r["fields"].get("Email", "")).lower() == wanted)

    def _show_conflicts(self, slug: str) -> None:
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            newest = decisions.list_conflicts(connection, self._ids[slug], 1)[0]
        rows = [
            [
                newest["email"],
                name,
                values["base"],
                values["local"],
                values["remote"],
                newest["conflict"]["winner"],
            ]
            for name, values in newest["conflict"]["fields"].items()
        ]
        columns = ("contact", "field", "base", "Postgres", "Airtable", "kept")
        show.table("The conflict: recorded with both values, nothing lost in silence", columns, rows)

    def _show_held(self, slug: str) -> None:
        with self.runtime.database.workspace(self._ids[slug]) as connection:
            held = decisions.list_changes(connection, self._ids[slug], ChangeState.HELD, limit=1_000)
        rows = [[row["id"], row["side"], row["before"].get("email"), row["reason"]] for row in held]
        show.table("The held deletes", ("id", "delete on", "contact", "why held"), rows)

    def where_next(self) -> None:
        show.heading("Where to look next")
        home = os.environ["INTEGRATIONS_HOME"]
        for text in (
            "make dev                                             the same data, open in the Dagster UI",
            f"INTEGRATIONS_HOME={home} .venv/bin/integrations status",
            f"INTEGRATIONS_HOME={home} .venv/bin/integrations logs --workspace {SLUGS[0]}",
            f"INTEGRATIONS_HOME={home} .venv/bin/integrations conflicts list --all --workspace {SLUGS[0]}",
            f"INTEGRATIONS_HOME={home} .venv/bin/integrations inbox --workspace {SLUGS[0]}",
            f"INTEGRATIONS_HOME={home} .venv/bin/integrations pitches list --workspace {SLUGS[0]}",
        ):
            show.line(text)


def _email(slug: str, number: int) -> str:
    return f"person{number}@{slug}.example.org"


def _serve(sandbox: SandboxServer, port: int) -> None:
    """Dagster's UI and daemon on this data, with the sandbox running, until Ctrl-C."""
    show.heading("Dagster")
    # The root page is an empty timeline: the demonstration's runs are over.
    lineage = f"http://127.0.0.1:{port}/locations/integrations_pipeline/asset-groups/airtable"
    show.line(f"UI: {lineage}   sandbox: {sandbox.url}   stop with Ctrl-C")
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    location = ["-w", str(Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml")]
    # A session of its own: Ctrl-C reaches it once, from us, and its children are stopped by it in order.
    environment = {**ENVIRONMENT, **os.environ}
    process = subprocess.Popen([*command, *location], env=environment, start_new_session=True)  # noqa: S603 - our own command
    try:
        process.wait()
    except KeyboardInterrupt:
        show.line("stopping")
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
