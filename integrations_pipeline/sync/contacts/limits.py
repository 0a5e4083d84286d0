"""How much of a kind may happen to one side of a connection in 24 hours, before it is held for a person.

Belongs here: from settings and size to numbers, pure. Does not: counting what happens (`engine.mass`).
"""

from integrations_pipeline.providers.base import ConnectionSettings

#: In a small address book a share is less than an ordinary day: so many are ordinary, unless the share was set.
ORDINARY_CHANGES = 10
ORDINARY_CREATES = 25


def changes_allowed(settings: ConnectionSettings, linked_count: int) -> int:
    """Values of one field that become empty, and e-mails that change. Of nobody, as before the first sync with a
    place, there is no share: so many as are ordinary, unless the share was set to nothing."""
    share = int(settings.change_limit_fraction * linked_count)
    is_set = "change_limit_fraction" in settings.model_fields_set
    is_share = is_set and (linked_count > 0 or not settings.change_limit_fraction)
    return min(settings.change_limit, share if is_share else max(share, ORDINARY_CHANGES))


def creates_allowed(settings: ConnectionSettings, linked_count: int) -> int | None:
    """People made after the first sync; any number (None) where nobody is linked yet."""
    if not linked_count:
        return None
    share = int(settings.create_limit_fraction * linked_count)
    is_set = "create_limit_fraction" in settings.model_fields_set
    return share if is_set else max(share, ORDINARY_CREATES)
