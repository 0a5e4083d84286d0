"""What a story is told with: workspaces and commands of one play, the services, and what must be true.

Belongs here: the words that stories use. Does not: any story.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from integrations_pipeline_tests.outsiders.home import Home, Ran
from integrations_pipeline_tests.outsiders.stage import NotOffered, Stage

#: Enough for every window in which a read is not believed, or an edit counts as unfinished.
A_WHILE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a story ended: HELD, FAULT, UNPLAYED (the stage lacks a part) or BROKEN (the play itself is wrong)."""

    name: str
    outcome: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.outcome:8} {self.name}" + (f": {self.why}" if self.why else "")


@dataclass(kw_only=True)
class Play:
    """One telling of one variant."""

    home: Home
    stage: Stage
    slug: str = field(default_factory=lambda: f"w{uuid4().hex[:10]}")
    failures: list[str] = field(default_factory=list)
    checks: int = 0
    spoken: list[str] = field(default_factory=list)

    # What must be true.

    def must(self, what: str, is_so: object, was: object = "") -> None:
        """Note that something must hold; `was` says what was found instead."""
        self.checks += 1
        if not is_so:
            self.failures.append(f"{what}{f' (was {was})' if was not in ('', None) else ''}")

    def must_be(self, what: str, was: object, wanted: object) -> None:
        self.must(f"{what} must be {_short(wanted)}", was == wanted, _short(was))

    def must_tell(self, what: str, *words: str) -> None:
        """Some line that a user saw, or finds by `status` and `logs`, has one of these words."""
        lines = "\n".join([*self.spoken, self.run("status", "-w", self.slug, "--json").out, self.run_logs()])
        self.must(f"{what} must be told", any(re.search(word, lines, re.IGNORECASE) for word in words))

    def run_logs(self) -> str:
        return "\n".join(
            json.dumps(row.get("errors")) + json.dumps(row.get("metadata"))
            for row in self.json("logs", "-w", self.slug)
        )

    # Commands.

    def run(self, *arguments: str, stdin: str = "") -> Ran:
        ran = self.home.run(arguments, self.stage.environment(), stdin)
        if "unexpected" in ran.err and "please report it" in ran.err:
            self.failures.append(f"`integrations {' '.join(arguments[:2])}`: {ran.err.strip()[:200]}")
        return ran

    def done(self, *arguments: str, stdin: str = "") -> Ran:
        """A command that the story takes for granted."""
        ran = self.run(*arguments, stdin=stdin)
        if ran.code != 0:
            raise RuntimeError(f"`integrations {' '.join(arguments)}` ended with {ran.code}: {ran.told.strip()[-400:]}")
        return ran

    def json(self, *arguments: str) -> Any:
        return self.done(*arguments, "--json").document

    def workspace(self, slug: str = "") -> str:
        slug = slug or self.slug
        self.done("workspaces", "add", slug)
        return slug

    def connect(self, provider: str, slug: str = "", **settings: Any) -> None:
        """Add a connection; what was edited a moment ago counts at once unless the story says otherwise."""
        ran = self.try_to_connect(provider, slug, **settings)
        if ran.code != 0:
            raise RuntimeError(f"connections add {provider} ended with {ran.code}: {ran.told.strip()[-400:]}")

    def try_to_connect(self, provider: str, slug: str = "", *options: str, **settings: Any) -> Ran:
        credentials, own = self.stage.connection(provider)
        chosen = {"settle_seconds": 0, **own, **settings}
        chosen = {name: value for name, value in chosen.items() if value is not None}
        path = self.home.folder / f"settings-{uuid4().hex}.json"
        path.write_text(json.dumps(chosen), encoding="utf-8")
        return self.run(
            *("connections", "add", provider, "-w", slug or self.slug, "--credentials", "-", "--settings", str(path)),
            *options,
            stdin=json.dumps(credentials),
        )

    def sync(self, provider: str, *options: str, slug: str = "") -> Ran:
        ran = self.run("sync", "-w", slug or self.slug, "-p", provider, "--json", *options)
        self.spoken.append(ran.told)
        return ran

    def quiet_sync(self, provider: str, *options: str, slug: str = "") -> None:
        """A sync that has no reason to end otherwise than well."""
        ran = self.sync(provider, *options, slug=slug)
        if ran.code != 0:
            raise RuntimeError(f"sync {provider} ended with {ran.code}: {ran.told.strip()[-600:]}")

    def settle(self, provider: str, runs: int = 2, slug: str = "") -> None:
        """Later, and again: what was not believed at once is believed by now. Exit codes are the story's matter."""
        for _ in range(runs):
            self.age(A_WHILE)
            self.sync(provider, slug=slug)

    def age(self, by: timedelta = A_WHILE) -> None:
        self.home.age(by)
        self.stage.age(by)

    # Contacts.

    def bring(self, *rows: Mapping[str, Any], slug: str = "") -> Ran:
        """Import contacts from a CSV file, as given."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
        return self.bring_text("people.csv", text.getvalue(), slug=slug)

    def bring_text(self, name: str, text: str, slug: str = "") -> Ran:
        path = Path(self.home.folder) / name
        path.write_text(text, encoding="utf-8")
        return self.run("contacts", "import", str(path), "-w", slug or self.slug)

    def contacts(self, slug: str = "") -> dict[str, dict[str, Any]]:
        """What `contacts export` tells, by e-mail."""
        ran = self.done("contacts", "export", "-w", slug or self.slug)
        return {row["email"].lower(): row for row in csv.DictReader(io.StringIO(ran.out))}

    def column(self, name: str, slug: str = "") -> dict[str, str]:
        """One field of every contact that has it."""
        return {email: row.get(name, "") for email, row in self.contacts(slug).items() if row.get(name, "")}

    def update(self, email: str, /, slug: str = "", **fields: str) -> None:
        given = [part for name, value in fields.items() for part in ("--set", f"{name.replace('__', '.')}={value}")]
        self.done("contacts", "update", email, "-w", slug or self.slug, *given)

    def delete(self, email: str, slug: str = "") -> None:
        self.done("contacts", "delete", email, "-w", slug or self.slug)

    # Pitches.

    def pitch(self, to: str, subject: str, body: str = "Hello, here is a story.", slug: str = "", **more: str) -> str:
        """Queue one pitch; its id."""
        return self.pitch_all({"to_email": to, "subject": subject, "body": body, **more}, slug=slug)[0]

    def pitch_all(self, *rows: Mapping[str, str], slug: str = "") -> list[str]:
        """Queue these pitches from one file; their ids in order."""
        path = self.home.folder / "pitches.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        ids = self.json("pitches", "import", str(path), "-w", slug or self.slug)["ids"]
        return [str(each) for each in ids]

    def pitches(self, slug: str = "") -> dict[str, dict[str, Any]]:
        rows = self.json("pitches", "list", "-w", slug or self.slug)
        return {str(row["id"]): row for row in rows}

    def status_of(self, pitch: str, slug: str = "") -> str:
        return str(self.pitches(slug)[pitch]["status"])


def _short(value: object) -> str:
    text = value if isinstance(value, str) and value else repr(value)
    return text if len(text) <= 160 else f"{text[:160]}…"


@dataclass(frozen=True, slots=True)
class Story:
    """One fault of the list, with the variants in which it is played."""

    number: str
    variants: tuple[str, ...]
    tell: Callable[[Play, str], None]

    def names(self) -> list[str]:
        return [f"{self.number} {variant}" for variant in self.variants]


def story(number: str, variants: Iterable[str]) -> Callable[[Callable[[Play, str], None]], Story]:
    """Make a function a story."""
    return lambda tell: Story(number, tuple(variants), tell)


def play_variant(home: Home, stage: Stage, told: Story, variant: str) -> Verdict:
    """Tell one variant and judge it."""
    name = f"{told.number} {variant}"
    play = Play(home=home, stage=stage)
    try:
        play.workspace()
        told.tell(play, variant)
    except NotOffered as lack:
        return Verdict(name, "UNPLAYED", f"this stage has no {lack}")
    except Exception as error:  # noqa: BLE001 - one broken play must not end the others
        return Verdict(name, "BROKEN", f"{type(error).__name__}: {error}"[:500])
    if stage.unknown():
        return Verdict(
            name, "BROKEN", "asked for what is not imitated: " + "; ".join(sorted(set(stage.unknown())))[:400]
        )
    if not play.checks:
        return Verdict(name, "BROKEN", "the story checked nothing")
    return Verdict(name, "FAULT", "; ".join(play.failures)) if play.failures else Verdict(name, "HELD")
