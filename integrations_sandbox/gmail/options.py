"""What can be set about the sandboxed Gmail."""

from dataclasses import dataclass
from typing import Literal, get_args

MessageIdRule = Literal["overwrite", "preserve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailOptions:
    """`message_id`: `overwrite` gives every sent mail an id of Gmail's own and forgets the client's; `preserve`
    keeps a well-formed one, and a malformed one as X-Google-Original-Message-ID.
    `adds_text_part` gives HTML-only mail a plain text part beside it.
    `daily_send_limit` counts mails in 24 hours (consumers have 500); None, no limit. For `limit_lag_seconds` after
    it is reached, sending answers 200, nothing leaves, and the failure comes as a bounce.
    `concurrent_limit` is the most requests of one user at the same time; Google does not tell its number.
    `quota_status` is the status of the answer when units are used up, 403 or 429.
    `history_seconds` is how long an id of the history is known. `repeats_history` gives the last record of a page
    again on the next; `blank_history_pages` pages without records come before each page with some;
    `history_has_labels` adds the labels to a record's messages, which usually have their ids only.
    `search_lag_seconds` is how long `q` does not find a message after it came.
    `shuffles_batches` answers the parts of a batch in another order. `utc_offset_hours` is the time zone of dates
    in `q`.
    """

    rate_limit_scale: float | None = 1.0
    message_id: MessageIdRule = "overwrite"
    adds_text_part: bool = True
    daily_send_limit: int | None = 2000
    limit_lag_seconds: float = 0.0
    concurrent_limit: int | None = None
    quota_status: int = 403
    history_seconds: float = 7 * 86_400.0
    repeats_history: bool = False
    blank_history_pages: int = 0
    history_has_labels: bool = False
    search_lag_seconds: float = 0.0
    shuffles_batches: bool = False
    utc_offset_hours: float = -8.0

    def __post_init__(self) -> None:
        if self.message_id not in get_args(MessageIdRule):
            raise ValueError(f"message_id must be one of {', '.join(get_args(MessageIdRule))}")
        if self.quota_status not in (403, 429):
            raise ValueError("quota_status must be 403 or 429")
