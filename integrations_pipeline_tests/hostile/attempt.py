"""One attempt and what came of it. Belongs here: the words, and the ground to stand on. Does not: attempts."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2

from integrations_pipeline.store.database import Database
from integrations_pipeline_tests import servers
from integrations_pipeline_tests.postgres import fastest_directory, reachable_directory
from integrations_pipeline_tests.servers import Server
from integrations_pipeline_tests.store.rows import Tenant, add_tenant

#: The login of an application whose users are members.
APPLICATION = "application"


class Verdict(Enum):
    HELD = "HELD"
    BROKEN = "BROKEN"
    #: What it needs is not installed.
    SKIPPED = "SKIPPED"


class Skipped(Exception):
    """An attempt that cannot be made on this machine; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A server of our own, with an owner who is no superuser and two workspaces whose rows collide."""

    server: Server
    url: str
    database: Database
    mine: Tenant
    theirs: Tenant
    folder: Path

    @contextmanager
    def as_member(self, user_id: UUID | None = None) -> Iterator[Any]:
        """A cursor of the application, in autocommit, for one of its users: the owner of `mine` if not told."""
        name = str(self.database._url.database)
        with closing(psycopg2.connect(self.server.url(name, APPLICATION))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("select set_config('app.user_id', %s, false)", [str(user_id or self.mine.owner_id)])
                yield cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`deed` returns what it reached, "" if nothing."""

    area: str
    title: str
    deed: Callable[[Ground], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    attempt: Attempt
    verdict: Verdict
    why: str = ""

    def __str__(self) -> str:
        told = f"{self.verdict.value:8}{self.attempt.area}: {self.attempt.title}"
        return f"{told} ({self.why})" if self.why else told


@contextmanager
def ground() -> Iterator[Ground]:
    """Everything is made anew and deleted afterwards; nothing outside of it is touched."""
    with ExitStack() as stack:
        server = stack.enter_context(servers.running(18))
        url = stack.enter_context(server.owned_database())
        database = stack.enter_context(closing(Database(url)))
        database.upgrade()
        with database.admin() as connection:
            mine, theirs = add_tenant(connection, "mine"), add_tenant(connection, "theirs")
        with server.connected() as cursor:
            cursor.execute(f"create role {APPLICATION} login in role integrations_member")
        folder = stack.enter_context(reachable_directory(fastest_directory()))
        yield Ground(server=server, url=url, database=database, mine=mine, theirs=theirs, folder=folder)


def tried(attempt: Attempt, place: Ground) -> Result:
    """The attempt, made; an error that it did not reckon with is no proof of anything, and counts as broken."""
    try:
        reached = attempt.deed(place)
    except Skipped as missing:
        return Result(attempt=attempt, verdict=Verdict.SKIPPED, why=str(missing))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return Result(attempt=attempt, verdict=Verdict.BROKEN, why=f"unexpected {type(error).__name__}: {error}")
    return Result(attempt=attempt, verdict=Verdict.BROKEN if reached else Verdict.HELD, why=reached)


def tried_all(attempts: Sequence[Attempt], tell: Callable[[Result], object]) -> list[Result]:
    """Every attempt on one ground, in order."""
    results = []
    with ground() as place:
        for attempt in attempts:
            results.append(tried(attempt, place))
            tell(results[-1])
    return results


@contextmanager
def variables(**values: str) -> Iterator[None]:
    """Environment variables of this process for the length of a block."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
