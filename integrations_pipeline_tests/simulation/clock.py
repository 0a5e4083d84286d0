"""One clock for a whole history: what the runs, their Postgres and the provider all read, and only tests move.

Belongs here: the clock, and what makes a test database read it instead of the machine's. Does not: when it
moves (`history`, and the pauses that the product asks for in `world`).
"""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

#: Far from the real present, so that a time of the machine's clock is seen wherever it gets in.
START = datetime(2031, 3, 1, 9, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

#: Unqualified calls find `fake_clock` before `pg_catalog`; `public` stays the schema where things are made.
#: Functions that fix their search path get it in front of theirs. The column defaults were bound when the
#: tables were made, and are bound anew. A sequence holds the time because it obeys no snapshot and no rollback:
#: every session sees a move at once, and every reading is one microsecond after the one before, so that
#: `order by updated_at` tells what came first. It is not logged: a transaction that only reads the time writes nothing.
_INSTALL = """
create schema fake_clock;
grant usage on schema fake_clock to public;
create unlogged sequence fake_clock.microseconds;

create function fake_clock.clock_timestamp() returns timestamptz language sql security definer as $$
    select timestamptz 'epoch' + pg_catalog.nextval('fake_clock.microseconds') * interval '1 microsecond'
$$;

-- The time of the transaction: its first reading, kept in a setting that ends with it.
create function fake_clock.now() returns timestamptz language plpgsql security definer as $$
declare
    told text := pg_catalog.current_setting('fake_clock.transaction_at', true);
begin
    if told is null or told = '' then
        told := pg_catalog.set_config('fake_clock.transaction_at', fake_clock.clock_timestamp()::text, true);
    end if;
    return told::timestamptz;
end
$$;

do $$
declare
    found record;
begin
    for found in
        select d.adrelid::regclass as relation, a.attname
        from pg_attrdef d
        join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
        where pg_get_expr(d.adbin, d.adrelid) = 'now()'
    loop
        execute format('alter table %s alter column %I set default fake_clock.now()', found.relation, found.attname);
    end loop;
    for found in
        select p.oid::regprocedure as function, substr(setting, length('search_path=') + 1) as path
        from pg_proc p, unnest(p.proconfig) setting
        where p.pronamespace = 'public'::regnamespace and setting like 'search_path=%'
    loop
        execute format('alter function %s set search_path = fake_clock, pg_catalog, %s', found.function, found.path);
    end loop;
end
$$;
"""
#: A copy of a database has no settings of its own.
_READ = """
do $$
begin
    execute format('alter database %I set search_path = public, fake_clock, pg_catalog', current_database());
end
$$;
"""
_SET = "select setval('fake_clock.microseconds', %s)"
_MOVE = "select setval('fake_clock.microseconds', last_value + %s) from fake_clock.microseconds"


def install_clock(url: str) -> None:
    """Make a migrated database, and whatever is copied from it, one that a `FakeClock` can drive."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(_INSTALL)


class FakeClock:
    """Aware UTC time that stands still until `advance`; safe to use from several threads.

    A database that reads it (`drive`) is ahead by one microsecond for each of its own readings.
    """

    def __init__(self) -> None:
        self._now = START
        self._driven: Any = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock; a negative number sets it back."""
        step = timedelta(seconds=seconds)
        with self._lock:
            self._now += step
            self._tell(_MOVE, step // MICROSECOND)

    @contextmanager
    def drive(self, url: str) -> Iterator[None]:
        """Begin at `START` and be the clock of this database, a copy of one with a clock. Sessions that are open
        already keep the machine's. One database at a time."""
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(_READ)
            self._now, self._driven = START, connection
            self._tell(_SET, (START - datetime.fromtimestamp(0, UTC)) // MICROSECOND)
            try:
                yield
            finally:
                self._driven = None

    def _tell(self, statement: str, microseconds: int) -> None:
        if self._driven is not None:
            with self._driven.cursor() as cursor:
                cursor.execute(statement, (microseconds,))
