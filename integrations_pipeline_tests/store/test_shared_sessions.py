"""How a pooler that shares sessions is told by the backends that answer; with real poolers in `test_poolers`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from psycopg2 import extensions

from integrations_pipeline.store.pooler import is_shared

GREETED_BY = 99


class Connection:
    """Is served by these backends, one transaction after another; the pooler greeted it with a number of its own."""

    def __init__(self, backends: Iterable[int]) -> None:
        self.info = SimpleNamespace(backend_pid=GREETED_BY)
        self.autocommit = False
        self.is_closed = False
        self._backends = iter(backends)

    @contextmanager
    def cursor(self) -> Iterator["Connection"]:
        yield self

    def execute(self, _statement: str) -> None:
        self._served = next(self._backends)

    def fetchone(self) -> tuple[int]:
        return (self._served,)

    def poll(self) -> int:
        return int(extensions.POLL_OK)

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param([1, 1, 1, 1, 1], [2, 2, 2, 2], False, id="a session each"),
        pytest.param([1, 1, 3, 1, 1], [2, 2, 2, 2], True, id="ours changes hands"),
        pytest.param([1, 1, 1, 1, 1], [2, 2, 3, 2], True, id="theirs changes hands"),
        pytest.param([1, 1, 1, 1, 1], [1, 1, 1, 1], True, id="one for both"),
    ],
)
def test_a_session_is_shared_if_a_backend_changes_or_serves_both(
    ours: list[int], theirs: list[int], expected: bool
) -> None:
    connection, other = Connection(ours), Connection(theirs)

    assert is_shared(connection, lambda **_: other) is expected

    assert other.is_closed
    assert not connection.autocommit


def test_who_is_served_by_whoever_greeted_it_has_no_pooler_before_it() -> None:
    assert not is_shared(Connection([GREETED_BY]), lambda **_: pytest.fail("a second connection was opened"))
