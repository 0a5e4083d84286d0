"""Keys for the rows that people made: written once, and looked at again.

Belongs here: giving them. Does not: what a key is made of (`grid`), what struck the wrong row (`mending`).
"""

from collections.abc import Mapping
from contextlib import suppress

from integrations_google_sheets.client import SheetClient
from integrations_google_sheets.grid import Grid
from integrations_google_sheets.mending import miskeyed
from integrations_google_sheets.wire import FIRST_ROW
from integrations_pipeline.errors import PermanentError, RetryableError

ATTEMPTS = 6
#: So many rows that take no key are found one by one; beyond, no further row gets one in this run.
MOST_REFUSED = 5


def give_keys(client: SheetClient, grid: Grid) -> Grid:
    """The sheet with a key on every row that takes one: a protected row does not, and keeps none of the others from it.
    Where rows moved meanwhile, what was struck gets its own key back; rows that do not hold still raise
    `RetryableError`."""
    refused: set[str] = set()
    size, turns = len(grid.rows), ATTEMPTS
    while turns:
        waiting = {index: key for index, key in grid.unkeyed.items() if key not in refused}
        if not waiting or len(refused) > MOST_REFUSED:
            return grid
        chosen = dict(list(waiting.items())[:size])
        try:
            grid = _put_right(client, grid, _written(client, grid, chosen), chosen)
        except PermanentError:
            refused |= set(chosen.values()) if len(chosen) == 1 else set()
            size, grid = max(len(chosen) // 2, 1), client.grid()
        else:
            turns -= len(chosen) == len(waiting)
    raise RetryableError("the rows of the Google sheet do not hold still: too many edit it at this moment")


def _put_right(client: SheetClient, before: Grid, after: Grid, given: Mapping[int, str], turns: int = ATTEMPTS) -> Grid:
    """The sheet after rows that got another's key have their own again, or none, until the next turn gives them one.
    That names rows by their numbers, too, so it is looked at in the same way."""
    wrong = miskeyed(before, after, given)
    if not wrong or not turns:
        return after
    later = _written(client, after, wrong)
    return _put_right(client, after, later, {index: key for index, key in wrong.items() if key}, turns - 1)


def _written(client: SheetClient, grid: Grid, keys: Mapping[int, str]) -> Grid:
    """The sheet after these keys were written; where the answer tells nothing of that, the sheet does."""
    column = grid.key_column
    assert column is not None  # noqa: S101 - whoever gives keys has seen the column
    with suppress(RetryableError):
        client.write_cells({(index + FIRST_ROW, column): key for index, key in keys.items()})
    return client.grid()
