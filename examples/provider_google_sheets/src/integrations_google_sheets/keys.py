"""Keys for the rows that people made: written once, and looked at again.

Belongs here: giving them. Does not: what a key is made of (`grid`), what struck the wrong row (`mending`).
"""

from collections.abc import Mapping
from contextlib import suppress

from integrations_google_sheets.client import SheetClient
from integrations_google_sheets.grid import Grid
from integrations_google_sheets.mending import key_repairs
from integrations_google_sheets.wire import FIRST_ROW
from integrations_pipeline.errors import PermanentError, RetryableError

ATTEMPTS = 8
#: So many rows that take no key are found one by one; beyond, no further row gets one in this run.
MOST_REFUSED = 5


def give_keys(client: SheetClient, grid: Grid) -> Grid:
    """The sheet with a key on every row that takes one: a protected row does not, and keeps none of the others from it.
    Where rows moved meanwhile, what was struck gets its own key back; rows that do not hold still raise
    `RetryableError`."""
    refused: set[str] = set()
    size = max(len(grid.rows), 1)
    for _ in range(ATTEMPTS + 2 * len(grid.rows)):
        waiting = {index: key for index, key in grid.unkeyed.items() if key not in refused}
        if not waiting or len(refused) > MOST_REFUSED:
            return grid
        chosen = dict(list(waiting.items())[:size])
        try:
            grid = _given(client, grid, chosen)
        except PermanentError:
            refused |= set(chosen.values()) if len(chosen) == 1 else set()
            size, grid = max(len(chosen) // 2, 1), client.grid()
    raise RetryableError("the rows of the Google sheet do not hold still: too many edit it at this moment")


def _given(client: SheetClient, before: Grid, keys: Mapping[int, str]) -> Grid:
    """The sheet after these rows have these keys, and all others their own, whatever moved meanwhile. Where an answer
    tells nothing of what became of a write, the sheet does."""
    now = before
    for _ in range(ATTEMPTS):
        wrong = key_repairs(before, now, keys)
        if not wrong:
            return now
        column = now.key_column
        if column is None:
            break
        with suppress(RetryableError):
            client.write_cells({(index + FIRST_ROW, column): key for index, key in wrong.items()})
        now = client.grid()
    raise RetryableError("the rows of the Google sheet do not hold still: too many edit it at this moment")
