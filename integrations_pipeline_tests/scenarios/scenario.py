"""Golden scenarios: files that tell a sync by example, and the runner that plays them on a real world.

A file begins with one sentence that says what it shows, then a blank line, then sections. A section is
`name:` with its lines indented below it, or its one line right behind the colon. `here` is the workspace,
`there` is Airtable. ` # ` begins a comment. An unknown word is an error.

Setup, all optional, once, at the top:

    known defect: why this fails today        (becomes a strict xfail; one that begins with `with the feed,`
                                              or `without the feed,` only there)
    settings: delete_policy=propagate, delete_limit=3
    mapping:                                  (default: the provider's own mapping)
      email = Email                           both ways
      phone -> Phone                          to Airtable only
      company <- Company                      from Airtable only
      custom_fields.seats = Seats (number)    a column made for this file
    agreed:                                   people whom a first sync has put on both sides
      ann | ann@example.org | company=Acme

Then rounds; `then: remark` begins each further one. In a round, first what happens, all optional:

    settings:, mapping:                       as above, changed now
    decide:                                   `approve ann` or `reject ann`: her held delete
    here:, there:                             what people do, in this order, since the last run
      add bob | bob@example.org | name=Bob
      edit ann | company=Nordlys | phone=     (`phone=` clears it)
      delete ann
      restore ann                             here only: the delete is undone
      hide all, show all                      there only: reads come back empty, and no longer do
    run: to_external, full                    one way only; read everything (default: both ways, changes)

and then what comes of it, compared word for word, in any order of lines:

    plan:                                     changes as `SIDE KIND WHO | FIELDS`, `agree`, and what is not done:
      there update ann | company=Acme         `hold` (a delete), `skip`, `ask about` (an open conflict)
        conflict in company: was Base, here Acme, there Nordlys; here wins (local_wins)
    after both:                               the two sides, or one section each: after here:, after there:
      ann | ann@example.org | company=Acme
    links:                                    only what is unusual: `ann = merged`, `twin there alone`
    journal:                                  what waits for a person: `held`, `skipped`, `asked about`, `failed`;
                                              left out: just what the plan held, skipped and asked
    log:                                      counts by direction without zeros and `unchanged`; `status` if
      to_external: 1 updated                  it is not success
    again:                                    the plan of a second run, if it finds anything to do

`nothing` stands for no lines. Names such as `ann` are labels: ids never appear. A contact and a record that
the sync itself made share a label; those that people made on the two sides have the label given there.
Values with blanks at the ends, line ends or decomposed letters are written as JSON strings. Tags: `tags=a, b`.

Every file is played twice: with Airtable's change feed, and with reading everything. With the feed, a second
run after every round must find nothing to do and ask nothing twice, and a preview at the end that reads
everything must find nothing either, unless `again` says otherwise. What every file checks besides: the
journal has each conflict once, logs add up and tell nothing personal (`arrangement.Tenant`).
"""

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from integrations_pipeline.model import (
    COUNT_NAMES,
    Change,
    ChangeKind,
    Direction,
    Plan,
    Side,
    is_contact_field,
    join_set,
    split_set,
)
from integrations_pipeline.providers.airtable.provider import AirtableSettings
from integrations_pipeline.store import decisions
from integrations_pipeline.store.rows import from_json
from integrations_pipeline.sync.report import SyncReport
from integrations_pipeline_tests.sync.arrangement import COLUMNS, TABLE, Tenant, World

SETUP = frozenset({"known defect", "agreed"})
HAPPENS = frozenset({"settings", "mapping", "decide", "here", "there", "run"})
EXPECTED = ("plan", "after both", "after here", "after there", "links", "journal", "log", "again")
NOTHING = "nothing"
SIDES = {"here": Side.LOCAL, "there": Side.REMOTE}
WORDS = {side: word for word, side in SIDES.items()}
DIRECTIONS = {"<-": Direction.FROM_EXTERNAL, "->": Direction.TO_EXTERNAL, "=": Direction.BIDIRECTIONAL}

_HEADER = re.compile(r"(?P<name>[a-z]+(?: [a-z]+)?):(?: +(?P<line>.*))?")
_MAPPED = re.compile(r"(?P<name>\S+) +(?P<way><-|->|=) +(?P<column>[^()]+?)(?: +\((?P<type>\w+)\))?")
_COMMENT = re.compile(r"(^|\s+)#(\s.*)?$")


class ScenarioError(Exception):
    """A file that cannot be understood; says where and why."""


# The text


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A line `label | e-mail | field=value`; tags are held as the model holds them."""

    label: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Section name → its lines, each with the deeper indented lines below it."""

    sections: Mapping[str, tuple[str, ...]]

    def lines(self, name: str) -> tuple[str, ...]:
        found = self.sections.get(name, ())
        return () if found == (NOTHING,) else found

    @property
    def options(self) -> dict[str, Any]:
        """Options of the run."""
        options: dict[str, Any] = {}
        for word in _words(self.lines("run")):
            options |= {"is_full": True} if word == "full" else {"direction": Direction(word)}
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One file; the first round also holds the setup."""

    name: str
    title: str
    rounds: tuple[Round, ...]

    def known_defect(self, *, has_feed: bool) -> str:
        """Why the file fails when it is played this way; "" if it should not."""
        why = " ".join(self.rounds[0].lines("known defect"))
        return "" if why.startswith("without the feed," if has_feed else "with the feed,") else why


def load_scenarios(folder: Path) -> list[Scenario]:
    """All files of a folder by name."""
    return [parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.txt"))]


def parse(name: str, text: str) -> Scenario:
    """A file's text; `ScenarioError` for a word it does not know."""
    title, _, body = text.partition("\n\n")
    rounds: list[dict[str, list[str]]] = [{}]
    section: list[str] | None = None
    for number, raw in enumerate(body.splitlines(), start=title.count("\n") + 3):
        line = _COMMENT.sub("", raw.rstrip())
        if not line:
            continue
        if line.startswith(" "):
            section = section if section is not None else _stop(name, number, "a line before any section")
            _add_line(section, line)
            continue
        header = _HEADER.fullmatch(line) or _stop(name, number, f"{line!r} is no section")
        if header["name"] == "then":
            rounds.append({})
            section = None
            continue
        section = _open_section(rounds, header["name"]) or _stop(name, number, f"{line!r} is unknown or comes twice")
        section.clear()
        section.extend([header["line"]] if header["line"] else [])
    made = tuple(
        Round(sections={key: tuple(filter(None, lines)) for key, lines in sections.items()}) for sections in rounds
    )
    scenario = Scenario(name=name, title=" ".join(title.split()), rounds=made)
    for found in made:
        _check(scenario, found)
    return scenario


def _stop(name: str, number: int, why: str) -> NoReturn:
    raise ScenarioError(f"{name}.txt:{number}: {why}")


def _add_line(section: list[str], line: str) -> None:
    """Lines indented by two belong to the section, deeper ones to the line above."""
    if line.startswith("    ") and section:
        section[-1] += f"\n  {line.strip()}"
    else:
        section.append(line.strip())


def _open_section(rounds: Sequence[dict[str, list[str]]], name: str) -> list[str] | None:
    """The new section's lines, not empty so that it counts as found; None if it may not stand here."""
    known = {*HAPPENS, *EXPECTED, *(SETUP if len(rounds) == 1 else ())}
    if name not in known or name in rounds[-1]:
        return None
    rounds[-1][name] = [""]
    return rounds[-1][name]


def _check(scenario: Scenario, found: Round) -> None:
    sections = found.sections
    empty = [name for name, lines in sections.items() if not lines]
    missing = [name for name in ("plan", "log") if name not in sections]
    is_told_once = ("after both" in sections) != ("after here" in sections and "after there" in sections)
    unknown = set(_words(found.lines("run"))) - {"full", Direction.TO_EXTERNAL, Direction.FROM_EXTERNAL}
    for is_wrong, why in (
        (empty, f"write {NOTHING!r} where there is nothing: {', '.join(empty)}"),
        (missing, f"every round needs: {', '.join(missing)}"),
        (not is_told_once, "every round needs `after both`, or `after here` and `after there`"),
        (unknown, f"unknown words in `run`: {', '.join(sorted(unknown))}"),
    ):
        if is_wrong:
            raise ScenarioError(f"{scenario.name}.txt: {why}")


def _words(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from (word.strip() for word in line.split(","))


def parse_person(line: str) -> Person:
    """The label and fields of a line; the e-mail may stand without its name."""
    label, *cells = (part.strip() for part in line.split("|"))
    fields: dict[str, str] = {}
    for i, cell in enumerate(cells):
        name, equals, value = cell.partition("=")
        if i == 0 and not equals:
            name, value = "email", cell
        if not is_contact_field(name) or not re.fullmatch(r"[\w-]+", label):
            raise ScenarioError(f"unknown word in {line!r}")
        plain = json.loads(value) if value.startswith('"') else value
        fields[name] = join_set(plain.split(",")) if name == "tags" else plain
    return Person(label=label, fields=fields)


def show_person(label: str, fields: Mapping[str, str]) -> str:
    """The reverse of `parse_person`, e-mail first."""
    email = fields.get("email", "")
    cells = [label, *([_quoted(email)] if email else [])]
    cells += [f"{name}={_shown(name, value)}" for name, value in fields.items() if not (name == "email" and email)]
    return " | ".join(cells)


def _shown(name: str, value: str) -> str:
    return _quoted(", ".join(sorted(split_set(value))) if name == "tags" else value)


def _quoted(value: str) -> str:
    if not unicodedata.is_normalized("NFC", value):
        return json.dumps(value)
    is_plain = value == " ".join(value.split()) and not value.startswith('"')
    return value if is_plain else json.dumps(value, ensure_ascii=False)


# The play


@dataclass(slots=True)
class Stage:
    """A tenant, and what its contacts and records are called in the file."""

    tenant: Tenant
    ids: dict[Side, dict[str, str]] = field(default_factory=lambda: {side: {} for side in Side})
    labels: dict[str, str] = field(default_factory=dict)

    def meet(self, side: Side, label: str, key: str) -> None:
        self.ids[side][label] = key
        self.labels[key] = label

    def id_of(self, side: Side, label: str) -> str:
        if label not in self.ids[side]:
            raise ScenarioError(f"nobody called {label!r} is {WORDS[side]}")
        return self.ids[side][label]

    def learn(self) -> None:
        """What the sync made is called like what it was made from."""
        for contact_id, record_id in self.tenant.links().items():
            if record_id not in self.labels:
                self.meet(Side.REMOTE, self.labels[contact_id], record_id)
            elif contact_id not in self.labels:
                self.meet(Side.LOCAL, self.labels[record_id], contact_id)

    def who(self, contact_id: str | None, record_id: str | None) -> str:
        """What a change is about: one label, or two where the sides call it differently."""
        return " = ".join(dict.fromkeys(self.labels[key] for key in (contact_id, record_id) if key))


def play(world: World, scenario: Scenario, slug: str, *, has_feed: bool = True) -> None:
    """Play a file in a workspace of its own. `AssertionError` with a diff where it does not go as told."""
    world.airtable.set_options(allows_webhooks=has_feed)
    stage = Stage(tenant=world.tenant(slug))
    for number, told in enumerate(scenario.rounds, start=1):
        if number == 1:
            _configure(stage.tenant, told)
            _agree(stage, told.lines("agreed"))
        _happen(stage, told, is_first=number == 1)
        report = stage.tenant.sync(**told.options)
        stage.learn()
        _compare(scenario, number, expected(told, stage, report), actual(told, stage, report))
        if has_feed or "again" in told.sections:
            _check_again(stage, told)
    if has_feed:
        _check_full(stage, told)


def _agree(stage: Stage, people: Sequence[str]) -> None:
    if people:
        for line in people:
            _act(stage, Side.LOCAL, f"add {line}")
        stage.tenant.sync()
        stage.learn()
        stage.tenant.assert_in_sync()


def _happen(stage: Stage, told: Round, *, is_first: bool) -> None:
    if not is_first:
        _configure(stage.tenant, told)
    for line in told.lines("decide"):
        _decide(stage, line)
    for word, side in SIDES.items():
        for line in told.lines(word):
            _act(stage, side, line)


def _configure(tenant: Tenant, told: Round) -> None:
    settings: dict[str, Any] = {}
    for pair in _words(told.lines("settings")):
        name, _, value = pair.partition("=")
        if name not in AirtableSettings.model_fields:
            raise ScenarioError(f"unknown setting {name!r}")
        settings[name] = value
    mapped = [_MAPPED.fullmatch(line) or _unknown(line) for line in told.lines("mapping")]
    if mapped:
        settings["field_mapping"] = {found["name"]: found["column"] for found in mapped}
    if settings:
        tenant.configure(**settings)
    if mapped:
        tenant.rows("delete from integration_field_mappings returning id")
    for found in mapped:
        _map(tenant, found)


def _unknown(line: str) -> NoReturn:
    raise ScenarioError(f"unknown word in {line!r}")


def _map(tenant: Tenant, found: re.Match[str]) -> None:
    """Make the column if the file says its type, and the mapping row if it goes one way."""
    if found["type"]:
        options = {"options": {"precision": 0}} if found["type"] == "number" else {}
        document = {"name": found["column"], "type": found["type"], **options}
        tenant.world.airtable.create_field(tenant.base_id, TABLE, document)
    if found["way"] != "=":
        tenant.rows(
            "insert into integration_field_mappings (connection_id, workspace_field, external_field, sync_direction) "
            "values (:connection_id, :name, :column, :direction) returning id",
            connection_id=tenant.connection.id,
            name=found["name"],
            column=found["column"],
            direction=DIRECTIONS[found["way"]].value,
        )


def _decide(stage: Stage, line: str) -> None:
    verb, _, label = line.partition(" ")
    if verb not in ("approve", "reject"):
        _unknown(line)
    held = [row for row in stage.tenant.journal("held", kind="delete") if stage.labels[row["contact_id"]] == label]
    with stage.tenant.world.database.workspace(stage.tenant.workspace_id) as connection:
        for row in held:
            decisions.decide_delete(connection, UUID(str(row["id"])), approve=verb == "approve")
    if len(held) != 1:
        raise ScenarioError(f"{len(held)} deletes of {label!r} are held")


def _act(stage: Stage, side: Side, line: str) -> None:
    """Do what a person does."""
    verb, _, rest = line.partition(" ")
    tenant, is_here = stage.tenant, side is Side.LOCAL
    if verb in ("hide", "show") and rest == "all" and not is_here:
        tenant.world.airtable.clear_faults()
        if verb == "hide":
            tenant.world.fault("empty_page", path_regex=f"{tenant.base_id}/{TABLE}$", times=-1)
        return
    who = parse_person(rest)
    fields = {
        # A column that is not mapped now is known by its usual name.
        name if is_here or name in tenant.columns else COLUMNS[name]: split_set(value) if name == "tags" else value
        for name, value in who.fields.items()
    }
    if verb == "add":
        if who.label in stage.ids[side]:
            raise ScenarioError(f"{who.label!r} is {WORDS[side]} already")
        (key,) = tenant.add_local(fields) if is_here else tenant.add_remote(fields)
        stage.meet(side, who.label, key)
    elif verb == "edit" and fields:
        (tenant.edit_local if is_here else tenant.edit_remote)(stage.id_of(side, who.label), **fields)
    elif verb == "delete" and not fields:
        (tenant.delete_local if is_here else tenant.delete_remote)(stage.id_of(side, who.label))
    elif verb == "restore" and not fields and is_here:
        statement = "update workspace_contacts set deleted_at = null where id = :id returning id"
        assert tenant.rows(statement, id=stage.id_of(side, who.label))
    else:
        _unknown(line)


# What came of it, as text

Texts = dict[str, tuple[str, ...]]


def expected(told: Round, stage: Stage, report: SyncReport) -> Texts:
    """The file's own lines; the journal, if it is left out, as the plan implies it."""
    texts = {name: told.lines(name) for name in EXPECTED if name in told.sections and name != "again"}
    texts.setdefault("links", ())
    texts.setdefault("journal", tuple(_waiting(stage, report.plan)))
    return texts | {"conflicts recorded": tuple(_overridden(stage, report.plan))}


def actual(told: Round, stage: Stage, report: SyncReport) -> Texts:
    """The same sections as they came out."""
    here, there = (tuple(_side(stage, side)) for side in Side)
    is_same = sorted(here) == sorted(there) and "after both" in told.sections
    return {
        "plan": tuple(show_plan(stage, report.plan)),
        **({"after both": here} if is_same else {"after here": here, "after there": there}),
        "links": tuple(_unusual_links(stage)),
        "journal": tuple(_journal(stage)),
        "log": tuple(_log(report)),
        "conflicts recorded": tuple(_recorded(stage, report)),
    }


def _compare(scenario: Scenario, number: int, wanted: Texts, found: Texts) -> None:
    if {name: sorted(lines) for name, lines in wanted.items()} == {name: sorted(ls) for name, ls in found.items()}:
        return
    told = f"{scenario.name}.txt, round {number}"
    names = {"fromfile": f"{told}, as told", "tofile": f"{told}, as it went"}
    diff = difflib.unified_diff(_as_lines(wanted), _as_lines(found), **names, lineterm="", n=99)
    raise AssertionError("\n".join([scenario.title, *diff]))


def _as_lines(texts: Texts) -> list[str]:
    """Sections in the order of the format, lines sorted, as they would stand in a file."""
    order = [*EXPECTED, "conflicts recorded"]
    return [
        f"  {line}" if line != f"{name}:" else line
        for name in sorted(texts, key=order.index)
        for line in [f"{name}:", *"\n".join(sorted(texts[name]) or [NOTHING]).splitlines()]
    ]


def _check_again(stage: Stage, told: Round) -> None:
    """A second run does what `again` says, by default nothing, and asks no question a second time."""
    tenant = stage.tenant
    asked, fingerprint = tenant.journal("held", "skipped"), tenant.fingerprint()
    report = tenant.sync(**told.options)
    assert _changes(stage, report.plan) == sorted(told.lines("again")), "a second run does something else"
    assert tenant.journal("held", "skipped") == asked, "a second run asks again"
    if "again" not in told.sections:
        assert not tenant.record_writes(), "a second run writes"
        assert tenant.fingerprint() == fingerprint, "a second run changes rows"


def _check_full(stage: Stage, told: Round) -> None:
    """A preview that reads everything finds what `again` says, by default nothing."""
    found = stage.tenant.preview(**{**told.options, "is_full": True}).plan
    assert _changes(stage, found) == sorted(told.lines("again")), "reading everything finds something else"
    assert not found.agreements or "again" in told.sections, "reading everything moves the base"


def show_plan(stage: Stage, plan: Plan) -> Iterator[str]:
    """A plan's lines, in no particular order."""
    yield from _changes(stage, plan)
    for agreement in plan.agreements:
        who = stage.who(agreement.contact_id, agreement.external_id)
        yield f"agree {show_person(who, agreement.agreed)}"
    yield from (f"hold {_change(stage, change)}" for change in plan.held)
    yield from (f"skip {_change(stage, change)}" for change in plan.skipped)
    yield from (f"ask about {_question(stage, change)}" for change in plan.conflicts)


def _changes(stage: Stage, plan: Plan) -> list[str]:
    return sorted(_change(stage, change) for change in plan.changes)


def _waiting(stage: Stage, plan: Plan) -> Iterator[str]:
    """What the journal must ask after a plan that nothing went wrong with."""
    yield from (f"held {_change(stage, change)}" for change in plan.held)
    yield from (f"skipped {_change(stage, change)}" for change in plan.skipped)
    yield from (f"asked about {_question(stage, change)}" for change in plan.conflicts)


def _journal(stage: Stage) -> Iterator[str]:
    for row in stage.tenant.journal("held", "skipped", "failed"):
        change = _change_of(row)
        is_question = row["state"] == "held" and row["conflict"]
        yield (
            f"asked about {_question(stage, change, row)}"
            if is_question
            else (f"{row['state']} {_change(stage, change, row)}")
        )


def _overridden(stage: Stage, plan: Plan) -> list[str]:
    return [_change(stage, change) for change in plan.changes if change.conflict]


def _recorded(stage: Stage, report: SyncReport) -> list[str]:
    """The settled conflicts that the journal has from this run."""
    rows = stage.tenant.journal("applied", "failed", "superseded")
    mine = [row for row in rows if row["conflict"] and row["run_id"] == report.run_id]
    return [_change(stage, _change_of(row), row) for row in mine]


def _change_of(row: Mapping[str, Any]) -> Change:
    return Change(
        side=Side(row["side"]),
        kind=ChangeKind(row["kind"]),
        contact_id=row["contact_id"],
        external_id=row["external_id"],
        after=from_json(row["after"]),
        reason=row["reason"] or "",
    )


def _change(stage: Stage, change: Change, row: Mapping[str, Any] | None = None) -> str:
    """A change as its line, with its conflict or else its reason below; `row`: the conflict as the journal has it."""
    who = stage.who(change.contact_id, change.external_id)
    fields = {name: change.after[name] for name in sorted(change.after, key=list(stage.tenant.columns).index)}
    head = f"{WORDS[change.side]} {change.kind.value} {show_person(who, fields)}"
    below = _conflict(change, row) or ([f"because {change.reason}"] if change.reason else [])
    return "\n  ".join([head, *below])


def _question(stage: Stage, change: Change, row: Mapping[str, Any] | None = None) -> str:
    return "\n  ".join([stage.who(change.contact_id, change.external_id), *_conflict(change, row)])


def _conflict(change: Change, row: Mapping[str, Any] | None) -> list[str]:
    """One line per field in conflict."""
    planned = change.conflict.to_dict() if change.conflict else None
    found = row["conflict"] if row else planned
    if not found:
        return []
    end = f"{WORDS[Side(found['winner'])]} wins" if found["winner"] else "waits for a decision"
    return [
        f"conflict in {name}: was {_value(name, values['base'])}, here {_value(name, values['local'])}, "
        f"there {_value(name, values['remote'])}; {end} ({found['policy']})"
        for name, values in sorted(found["fields"].items())
    ]


def _value(name: str, value: str) -> str:
    return _shown(name, value) or "empty"


def _side(stage: Stage, side: Side) -> Iterator[str]:
    rows = stage.tenant.local() if side is Side.LOCAL else stage.tenant.remote()
    yield from (show_person(stage.labels[key], fields) for key, fields in rows.items())


def _unusual_links(stage: Stage) -> Iterator[str]:
    """Pairs with two labels, and whoever has no counterpart."""
    links = stage.tenant.links()
    for contact_id, record_id in links.items():
        if stage.labels[contact_id] != stage.labels[record_id]:
            yield stage.who(contact_id, record_id)
    for key in stage.tenant.local().keys() - links.keys():
        yield f"{stage.labels[key]} here alone"
    for key in stage.tenant.remote().keys() - set(links.values()):
        yield f"{stage.labels[key]} there alone"


def _log(report: SyncReport) -> Iterator[str]:
    if report.status != "success":
        yield f"status: {report.status.value}"
    for result in report.results:
        counts = {name.removeprefix("records_"): getattr(result, name) for name in COUNT_NAMES}
        told = [f"{count} {name}" for name, count in counts.items() if count and name != "unchanged"]
        if told:
            yield f"{result.direction}: {', '.join(told)}"
