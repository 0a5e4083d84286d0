"""What can be set about the sandboxed HubSpot."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpotOptions:
    """`rate_limit_scale` multiplies the allowed rates (None: no limits), `daily_limit` is how many requests an account
    has in a day (None: any number). `search_wall` is how many results one search can reach, `search_page` how many it
    gives at most; `index_lag_seconds` is how long a search shows contacts as they were.

    The rest stands for what is not documented, or changed, so that clients can be tried against both: whether a batch
    whose inputs all carry their own `objectWriteTraceId` is answered one by one (`multi_status`), whether ids that do
    not exist are told in a batch's answer (`tells_missing`), whether a merge makes a contact with a new id
    (`merge_makes_new_id`; before 2025 the primary kept its own), and whether a write without a change moves
    `lastmodifieddate` (`moves_unchanged`).
    """

    rate_limit_scale: float | None = 1.0
    daily_limit: int | None = None
    search_wall: int = 10_000
    search_page: int = 200
    index_lag_seconds: float = 0.0
    multi_status: bool = True
    tells_missing: bool = True
    merge_makes_new_id: bool = True
    moves_unchanged: bool = True
