"""No limit of a wait says how fast the machine must be. Belongs here: that each goes through `patient`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations_pipeline_tests.patience import patient

TESTS = Path(__file__).parent
#: Methods whose first argument is how long they wait, of processes, threads, events, queues and the loopback server.
WAITING = ("acquire", "communicate", "get", "join", "result", "wait")


def numbers(call: ast.Call) -> Iterator[ast.Constant]:
    """The bare numbers, other than 0, that a call is given as its limit."""
    limits = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"]
    if isinstance(call.func, ast.Attribute) and call.func.attr in WAITING and len(call.args) == 1:
        limits += call.args
    for limit in limits:
        for part in limit.elts if isinstance(limit, ast.Tuple) else [limit]:
            if isinstance(part, ast.Constant) and type(part.value) in (int, float) and part.value:
                yield part


def test_every_limit_of_a_wait_is_patient() -> None:
    files = list(TESTS.rglob("*.py"))
    calls = [
        (file, call)
        for file in files
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
    ]
    found = [f"{file.relative_to(TESTS)}:{each.lineno}" for file, call in calls for each in numbers(call)]

    assert len(files) > 200
    assert found == []


@pytest.mark.parametrize("call", ["p.wait(5)", "p.wait(timeout=5)", "get(url, timeout=0.5)", "Api(timeout=(5, 5))"])
def test_a_bare_number_would_be_found(call: str) -> None:
    (expression,) = ast.parse(call).body
    assert isinstance(expression, ast.Expr)
    assert isinstance(expression.value, ast.Call)
    assert list(numbers(expression.value))


@pytest.mark.timeout(7)
def test_the_limit_of_a_marked_test_is_patient(request: pytest.FixtureRequest) -> None:
    mark = request.node.get_closest_marker("timeout")
    assert mark is not None
    assert mark.args == (patient(7),)
