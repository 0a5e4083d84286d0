"""`integrations contacts`: the workspace's own contacts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from integrations_pipeline.cli.contact_files import (
    ContactFile,
    opt_out_problem,
    read_contacts,
    to_document,
    write_csv,
)
from integrations_pipeline.cli.file_headers import read_mapping, read_tags
from integrations_pipeline.cli.output import (
    Exit,
    JsonOption,
    LimitOption,
    WorkspaceOption,
    cut,
    find_workspace,
    print_file,
    print_json,
    print_rows,
    say,
    warn,
    wired,
)
from integrations_pipeline.cli.table_files import FileRow
from integrations_pipeline.engine.canonical import identity_key
from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.model import CONTACT_FIELDS, clean_text, is_contact_field, join_set
from integrations_pipeline.store import contacts, suppressions
from integrations_pipeline.store.contacts import ContactWrite, UpsertCounts
from integrations_pipeline.store.database import Connection
from integrations_pipeline.store.rows import read_opt_out
from integrations_pipeline.store.suppressions import KEEPING_OUT

app = typer.Typer(help="Contacts: import, export, look, edit.", no_args_is_help=True)
EmailArgument = Annotated[str, typer.Argument(help="The contact's e-mail.")]
#: Rows that a dry run shows.
FIRST_ROWS = 5


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A .csv or .jsonl file; the header names contact fields.")],
    workspace: WorkspaceOption,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="HEADER=FIELD", help="What a column holds; can be given several times."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add or update contacts by e-mail. Bad rows are named by line.

    Columns have the names of contact fields, or those that Google Contacts, Outlook, HubSpot and Mailchimp give them.
    In CSV, tags are separated by |. Who opted out stays so.
    """
    mapping = read_mapping(maps or ())
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        read = read_contacts(file, mapping)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            counts = _upsert(connection, workspace_id, read.good, dry_run=dry_run)
    bad = _rejected(read, counts)
    _tell_how_read(file.name, read)
    for row in bad:
        warn(f"{file.name} line {row.line}: {row.problem}; not imported")
    if as_json:
        print_json(_import_document(read, counts, bad, dry_run=dry_run))
    else:
        _tell_counts(read, counts, len(bad), workspace, dry_run=dry_run)
    if bad:
        raise typer.Exit(Exit.FAILED)


def _upsert(connection: Connection, workspace_id: UUID, rows: Sequence[FileRow], *, dry_run: bool) -> UpsertCounts:
    """A dry run does the same and takes it back: what it counts is what would happen."""
    attempt = connection.begin_nested()
    counts = contacts.upsert_contacts(connection, workspace_id, [row.fields for row in rows])
    if dry_run:
        attempt.rollback()
    else:
        attempt.commit()
    return counts


def _rejected(read: ContactFile, counts: UpsertCounts) -> list[FileRow]:
    good = read.good
    problem = "the database does not take it: a value is too long, or was changed meanwhile"
    refused = [FileRow(good[i].line, {}, problem) for i in counts.refused]
    return sorted([*(row for row in read.rows if row.problem), *refused], key=lambda row: row.line)


def _tell_how_read(name: str, read: ContactFile) -> None:
    """What was told from the file and might have been told wrong."""
    separator = {"\t": "tabs", ";": "semicolons"}.get(read.separator)
    told = [read.encoding] * (read.encoding != "utf-8") + [f"columns separated by {separator}"] * bool(separator)
    if told:
        warn(f"{name}: read as {', '.join(told)}")
    if read.layout and (read.layout.program or read.layout.left_out):
        who = f"an export of {read.layout.program}; " if read.layout.program else ""
        warn(f"{name}: {who}columns left out: {', '.join(read.layout.left_out) or 'none'}")
    if read.nameless:
        warn(f"{name}: left out, since the header does not name it: column {', '.join(map(str, read.nameless))}")


def _import_document(
    read: ContactFile, counts: UpsertCounts, bad: Sequence[FileRow], *, dry_run: bool
) -> dict[str, Any]:
    layout = read.layout
    document = {
        "created": counts.created,
        "updated": counts.updated,
        "repeated": _repeated(read, counts),
        "kept_opted_out": counts.kept_out,
        "rejected": [{"line": row.line, "problem": row.problem} for row in bad],
        "encoding": read.encoding,
        "columns": {column.header: column.field for column in layout.columns} if layout else {},
        "left_out": list(layout.left_out) if layout else [],
        "dry_run": dry_run,
    }
    return document | ({"rows": [to_document(row.fields) for row in read.good[:FIRST_ROWS]]} if dry_run else {})


def _tell_counts(read: ContactFile, counts: UpsertCounts, bad: int, workspace: str, *, dry_run: bool) -> None:
    if dry_run:
        rows = [to_document(row.fields) for row in read.good[:FIRST_ROWS]]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        title = f"The first {len(rows)} of {len(read.good)} rows as they would be"
        print_rows([_shown(row) for row in rows], columns, title=title, as_json=False)
    kept = f"{counts.kept_out} kept opted out (suppressions), " if counts.kept_out else ""
    if repeated := _repeated(read, counts):
        warn(f"{repeated} more rows are of somebody in another row, whose later values count, or there without e-mail")
    say(
        f"{counts.created} created, {counts.updated} updated, {kept}{bad} rejected"
        + ("; a dry run: nothing was written" if dry_run else "")
    )
    if counts.kept_out:
        warn(f"an import takes no opt-out back; an operator does: {_how_to_lift(workspace)}")


def _repeated(read: ContactFile, counts: UpsertCounts) -> int:
    """Rows of which nothing was made by itself."""
    return len(read.good) - counts.created - counts.updated - len(counts.refused)


def _how_to_lift(workspace: str) -> str:
    return f"integrations suppressions remove EMAIL --workspace {workspace} --because TEXT"


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """A contact for a table's cells."""
    return document | ({"tags": ", ".join(document["tags"])} if "tags" in document else {})


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
        try:
            output.write_text(text, encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{output}: {getattr(error, 'strerror', None) or 'no file name'}") from error
        warn(f"{len(rows)} contacts written to {output}")


@app.command("list")
def list_some(
    workspace: WorkspaceOption,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List contacts by e-mail."""
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            rows = contacts.list_contacts(connection, workspace_id, CONTACT_FIELDS, limit=limit + 1)
    few = cut(rows, limit, "--limit shows more, `integrations contacts export` all")
    documents = [to_document(row) for row in few]
    shown = documents if as_json else [_shown(document) for document in documents]
    print_rows(shown, CONTACT_FIELDS, title=f"Contacts of {workspace}", as_json=as_json)


@app.command()
def update(
    email: EmailArgument,
    workspace: WorkspaceOption,
    assignments: Annotated[list[str], typer.Option("--set", help="FIELD=VALUE; an empty value clears.")],
    as_json: JsonOption = False,
) -> None:
    """Change fields of one contact."""
    fields = dict(assignment(text) for text in assignments)
    with wired() as wiring:
        workspace_id = find_workspace(wiring.runtime, workspace)
        with wiring.runtime.database.workspace(workspace_id) as connection:
            contact_id = _contact_id(connection, workspace_id, email)
            if read_opt_out(fields.get("email_opt_out", "true")) is False:
                _refuse_if_kept_out(connection, workspace_id, [email, fields.get("email", "")], workspace)
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


def assignment(text: str) -> tuple[str, str]:
    """FIELD=VALUE of `--set` as field and text form; `ConfigurationError` for what no contact takes."""
    from integrations_pipeline.mail.addresses import address_problem  # noqa: PLC0415 - lists do without

    name, separator, value = text.partition("=")
    if not separator or not is_contact_field(name):
        raise ConfigurationError(
            f"--set {name!r}: expected FIELD=VALUE with a field of {', '.join(CONTACT_FIELDS)} or custom_fields.KEY"
        )
    judge = {"email": address_problem, "email_opt_out": opt_out_problem}.get(name)
    if judge and (problem := judge(value)):
        raise ConfigurationError(f"--set: {problem}")
    return name, join_set(read_tags(value)) if name == "tags" else value


def _refuse_if_kept_out(connection: Connection, workspace_id: UUID, emails: Sequence[str], workspace: str) -> None:
    """The command line is nobody's own opt-in."""
    keys = [clean_text(email) for email in emails]
    found = suppressions.reasons_of(connection, workspace_id, keys).intersection(KEEPING_OUT)
    if found:
        raise ConfigurationError(
            f"this person is kept opted out ({', '.join(sorted(found))}): nothing was changed; an operator who knows "
            f"better says why: {_how_to_lift(workspace)}"
        )


def _contact_id(connection: Connection, workspace_id: UUID, email: str) -> str:
    found = contacts.contact_ids_by_email(connection, workspace_id, [identity_key(clean_text(email))])
    if not found:
        raise ConfigurationError("the workspace has no contact with this e-mail: `integrations contacts list`")
    return found[0]


def _confirm(contact_id: str, done: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"contact_id": contact_id, done: True})
    else:
        say(f"{done} contact {contact_id}")
