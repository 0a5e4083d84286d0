"""`integrations contacts`: the workspace's own contacts."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from integrations_pipeline.cli.contact_files import (
    TAG_SEPARATOR,
    email_problem,
    read_rows,
    to_document,
    write_csv,
)
from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    WorkspaceOption,
    find_workspace,
    print_file,
    print_json,
    print_rows,
    say,
    warn,
    wired,
)
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CONTACT_FIELDS, is_contact_field, join_set
from integrations_pipeline.store import contacts
from integrations_pipeline.store.contacts import ContactWrite
from integrations_pipeline.store.database import Connection

app = typer.Typer(help="Contacts: import, export, look, edit.", no_args_is_help=True)
EmailArgument = Annotated[str, typer.Argument(help="The contact's e-mail.")]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A .csv or .jsonl file; the header names contact fields.")],
    workspace: WorkspaceOption,
    as_json: JsonOption = False,
) -> None:
    """Add or update contacts by e-mail. In CSV, tags are separated by |. Bad rows are named by line."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        rows = list(read_rows(file))
        good = [row.fields for row in rows if not row.problem]
        with wiring.runtime.database.workspace(workspace_id) as connection:
            counts = contacts.upsert_contacts(connection, workspace_id, good)
    bad = [row for row in rows if row.problem]
    for row in bad:
        warn(f"{file.name} line {row.line}: {row.problem}; not imported")
    if as_json:
        rejected = [{"line": row.line, "problem": row.problem} for row in bad]
        print_json({"created": counts.created, "updated": counts.updated, "rejected": rejected})
    else:
        say(f"{counts.created} created, {counts.updated} updated, {len(bad)} rejected")
    if bad:
        raise typer.Exit(Exit.FAILED)


@app.command()
def export(
    workspace: WorkspaceOption,
    output: Annotated[Path | None, typer.Option(help="File to write; stdout if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write all contacts as CSV, in the form that `import` takes back, or as a JSON list."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            columns = [*CONTACT_FIELDS, *contacts.custom_field_names(connection, workspace_id)]
            rows = contacts.list_contacts(connection, workspace_id, columns)
    if as_json:
        print_json([to_document(row) for row in rows])
        return
    text = write_csv(rows, columns)
    if output is None:
        print_file(text)
    else:
        output.write_text(text, encoding="utf-8")
        warn(f"{len(rows)} contacts written to {output}")


@app.command("list")
def list_some(
    workspace: WorkspaceOption,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List contacts by e-mail."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            rows = contacts.list_contacts(connection, workspace_id, CONTACT_FIELDS, limit=limit)
    documents = [to_document(row) for row in rows]
    for document in documents:
        if not as_json:
            document["tags"] = ", ".join(document["tags"])
    print_rows(documents, CONTACT_FIELDS, title=f"Contacts of {workspace}", as_json=as_json)


@app.command()
def update(
    email: EmailArgument,
    workspace: WorkspaceOption,
    assignments: Annotated[list[str], typer.Option("--set", help="FIELD=VALUE; an empty value clears.")],
    as_json: JsonOption = False,
) -> None:
    """Change fields of one contact."""
    fields = dict(_assignment(text) for text in assignments)
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            contact_id = _contact_id(connection, workspace_id, email)
            written = contacts.update_contacts(connection, [ContactWrite(contact_id=contact_id, fields=fields)])
    if contact_id not in written:
        raise ConfigurationError("another contact of the workspace has this e-mail: nothing was changed")
    _confirm(contact_id, "updated", as_json=as_json)


@app.command()
def delete(email: EmailArgument, workspace: WorkspaceOption, as_json: JsonOption = False) -> None:
    """Delete one contact; providers follow by the connection's delete_policy."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            contact_id = _contact_id(connection, workspace_id, email)
            contacts.delete_contacts(connection, [ContactWrite(contact_id=contact_id, fields={})])
    _confirm(contact_id, "deleted", as_json=as_json)


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not is_contact_field(name):
        raise ConfigurationError(
            f"--set {name!r}: expected FIELD=VALUE with a field of {', '.join(CONTACT_FIELDS)} or custom_fields.KEY"
        )
    if name == "email" and (problem := email_problem(value)):
        raise ConfigurationError(f"--set email: {problem}")
    return name, join_set(value.split(TAG_SEPARATOR)) if name == "tags" else value


def _contact_id(connection: Connection, workspace_id: UUID, email: str) -> str:
    found = contacts.contact_ids_by_email(connection, workspace_id, [email.strip().lower()])
    if not found:
        raise ConfigurationError("the workspace has no contact with this e-mail: `integrations contacts list`")
    return found[0]


def _confirm(contact_id: str, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"contact_id": contact_id, done: True})
    else:
        say(f"{done} contact {contact_id}")
