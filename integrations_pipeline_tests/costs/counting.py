"""What work costs, as counts that no busy machine changes: Python calls, statements, rows written, plan nodes."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, event, text


class Statements:
    """The statements that go to the server in the block, with their parameters."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def __enter__(self) -> "Statements":
        event.listen(Engine, "before_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_execute", self._note)

    def _note(self, _connection: Any, statement: Any, _many: Any, parameters: Any, _options: Any) -> None:
        self.seen.append((str(statement), parameters))


def python_calls(act: Callable[[], object]) -> int:
    """How many Python functions are called while this is done; what C does in one call counts once.
    Without the garbage collector, whose callbacks and finalizers would count too, whenever it comes."""
    count = 0

    def note(_frame: FrameType, what: str, _argument: Any) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    before = sys.getprofile()
    gc.disable()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def bytes_held(act: Callable[[], object]) -> int:
    """How many bytes were held at once while this was done, its result among them: Python's, numpy's and Arrow's."""
    gc.collect()
    pool = pa.default_memory_pool()
    before = int(pool.bytes_allocated())
    tracemalloc.start()
    try:
        result = act()
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Arrow counts what is held now; what it needed in between went away with the copies.
    held += int(pool.bytes_allocated()) - before
    del result
    return held


def plan_nodes(connection: Connection, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes of a statement's plan, carried out, with their rows and loops."""
    (document,) = connection.execute(text(f"explain (analyze, format json) {statement}"), parameters).one()
    return list(_flat(document[0]["Plan"]))


def _flat(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _flat(inner)


def row_versions(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    """Where each row of a table lies and who wrote it: the same list means that no row was written."""
    found = connection.execute(text(f"select ctid::text, xmin::text from {table} order by 1"))
    return [tuple(row) for row in found]
