"""What can be set about the sandboxed People API."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleOptions:
    """`sync_lag_seconds`: for so long a write is not seen by lists, those of changes and, with `lists_lag`, those of
    everything; single contacts are told as they are. `token_seconds`: how long a sync token lives, counted from the
    full sync that it descends from if `tokens_age_from_full_sync`, else from itself. `expired_status` is the status
    that goes with EXPIRED_SYNC_TOKEN. `takes_list_etags`: an update may carry the etag that a list told.
    `most_contacts` counts those in the trash, too.
    """

    rate_limit_scale: float | None = 1.0
    sync_lag_seconds: float = 0.0
    lists_lag: bool = True
    token_seconds: float = 7 * 86_400.0
    tokens_age_from_full_sync: bool = True
    expired_status: int = 400
    takes_list_etags: bool = True
    most_contacts: int = 25_000

    def __post_init__(self) -> None:
        if self.expired_status not in (400, 410):
            raise ValueError("expired_status must be 400 or 410")
