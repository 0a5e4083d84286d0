"""A workspace by its id, and one in which nobody is suppressed."""

from uuid import uuid4

import pytest

from integrations_pipeline.errors import ConfigurationError
from integrations_pipeline.store import workspaces
from integrations_pipeline.store.database import Database
from integrations_pipeline.store.suppressions import Listing, list_suppressions


def test_a_workspace_that_exists_has_its_slug_and_another_has_none(database: Database) -> None:
    with database.admin() as connection:
        added = workspaces.add_workspace(connection, "acme")
        assert workspaces.get_slug(connection, added.id) == "acme"
        with pytest.raises(ConfigurationError, match="no workspace with id"):
            workspaces.get_slug(connection, uuid4())


def test_a_workspace_without_suppressions_lists_none_and_counts_none(database: Database) -> None:
    with database.admin() as connection:
        added = workspaces.add_workspace(connection, "acme")
        assert list_suppressions(connection, added.id, None, 10) == Listing(rows=[], total=0)
