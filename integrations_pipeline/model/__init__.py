"""The words of the domain as frozen types, by subject.

Belongs here: values that cross module borders. Does not: behaviour that decides (`engine`) or acts (`sync`).
"""

from integrations_pipeline.model.change import (
    Agreement,
    Change,
    ChangeKind,
    ChangeState,
    Conflict,
    Outcome,
    RecentWrite,
)
from integrations_pipeline.model.connection import (
    IntegrationConfig,
)
from integrations_pipeline.model.contact import (
    CONSENT_IN_AT,
    CONSENT_OUT,
    CONSENT_UNASKED,
    CONSENT_WORDS,
    CONTACT_FIELDS,
    CUSTOM_PREFIX,
    DIRECTION_OF,
    NO_CONSENT_WORDS,
    SET_SEPARATOR,
    ContactValues,
    Direction,
    FieldKind,
    FieldRule,
    MappedField,
    Side,
    Snapshot,
    clean_text,
    is_contact_field,
    join_set,
    split_set,
)
from integrations_pipeline.model.plan import (
    COUNT_NAMES,
    ConflictPolicy,
    DeletePolicy,
    Plan,
    RunStatus,
    SyncResult,
)

__all__ = [
    "CONSENT_IN_AT",
    "CONSENT_OUT",
    "CONSENT_UNASKED",
    "CONSENT_WORDS",
    "CONTACT_FIELDS",
    "COUNT_NAMES",
    "CUSTOM_PREFIX",
    "DIRECTION_OF",
    "NO_CONSENT_WORDS",
    "SET_SEPARATOR",
    "Agreement",
    "Change",
    "ChangeKind",
    "ChangeState",
    "Conflict",
    "ConflictPolicy",
    "ContactValues",
    "DeletePolicy",
    "Direction",
    "FieldKind",
    "FieldRule",
    "IntegrationConfig",
    "MappedField",
    "Outcome",
    "Plan",
    "RecentWrite",
    "RunStatus",
    "Side",
    "Snapshot",
    "SyncResult",
    "clean_text",
    "is_contact_field",
    "join_set",
    "split_set",
]
