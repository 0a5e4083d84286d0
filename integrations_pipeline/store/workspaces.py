"""The tenants. Belongs here: statements on `workspaces`. Does not: anything inside one workspace."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from integrations_pipeline.errors import ConfigurationError

#: Also Dagster's partition key, which allows no commas or line ends and shows in addresses.
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    id: UUID
    slug: str
    name: str


def add_workspace(connection: Connection, slug: str, name: str | None = None) -> Workspace:
    """Create a workspace; a taken or malformed slug is a `ConfigurationError`."""
    if not _SLUG.fullmatch(slug):
        raise ConfigurationError(
            f"workspace slug {slug!r} is not valid: use up to 63 lower-case letters, digits, - and _"
        )
    statement = text("insert into workspaces (slug, name) values (:slug, :name) returning id, slug, name")
    try:
        row = connection.execute(statement, {"slug": slug, "name": name or slug}).one()
    except IntegrityError as error:
        raise ConfigurationError(f"workspace {slug!r} exists already") from error
    return Workspace(id=row.id, slug=row.slug, name=row.name)


def find_workspace(connection: Connection, slug: str) -> Workspace:
    """The workspace with this slug; an unknown one is a `ConfigurationError` that says how to see them."""
    statement = text("select id, slug, name from workspaces where slug = :slug")
    row = connection.execute(statement, {"slug": slug}).one_or_none()
    if row is None:
        raise ConfigurationError(
            f"unknown workspace {slug!r}: `integrations workspaces list` shows them, "
            f"`integrations workspaces add {slug}` makes it"
        )
    return Workspace(id=row.id, slug=row.slug, name=row.name)


def list_workspaces(connection: Connection) -> Sequence[Workspace]:
    statement = text("select id, slug, name from workspaces order by slug")
    return [Workspace(id=row.id, slug=row.slug, name=row.name) for row in connection.execute(statement)]


def get_slug(connection: Connection, workspace_id: UUID) -> str:
    """The slug of a workspace that exists."""
    statement = text("select slug from workspaces where id = :id")
    found = connection.execute(statement, {"id": workspace_id}).scalar_one_or_none()
    if found is None:
        raise ConfigurationError(f"there is no workspace with id {workspace_id}")
    return str(found)
