"""What waits, written as a run writes it. Belongs here: rows of the agenda, of pitches, of the activity. Does not:
assertions."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from integrations_pipeline.store import connections
from integrations_pipeline_tests.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Place:
    """A workspace with people and an Airtable connection."""

    environment: Environment
    slug: str
    workspace_id: UUID
    base_id: str
    table_id: str

    @property
    def connection_id(self) -> UUID:
        with self.environment.wiring.database.workspace(self.workspace_id) as connection:
            return connections.find_connection(connection, self.workspace_id, "airtable").id

    def contact_id(self, number: int) -> str:
        email = f"person{number}@{self.slug}.org"
        ((found,),) = self.environment.rows(f"select id::text from workspace_contacts where email = '{email}'")
        return str(found)

    def ask(self, kind: str, **given: Any) -> str:
        """A row of the agenda; returns its id."""
        row = {
            "id": str(uuid4()),
            "connection_id": str(self.connection_id),
            "workspace_id": str(self.workspace_id),
            "kind": kind,
            "fields": {},
            **given,
        }
        row["fields"] = json.dumps(row["fields"])
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        with self.environment.wiring.database.admin() as connection:
            connection.execute(text(f"insert into integration_agenda ({names}) values ({marks})"), row)
        return str(row["id"])

    def clear(self, number: int, field: str = "name", **given: Any) -> str:
        """A value that would be emptied here."""
        fields = {"before": {field: "Old"}, "after": {field: ""}, "base": {field: "Old"}}
        asked = {"side": "local", "contact_id": self.contact_id(number), "change": "update", **given}
        return self.ask("held_clear", field=field, fields=fields, reason="more than a fifth would be emptied", **asked)

    def conflict(self, number: int, field: str = "name", **given: Any) -> str:
        fields = {"base": "Old", "local": "Here", "remote": "There"}
        asked = {"side": "remote", "contact_id": self.contact_id(number), "change": "update", **given}
        return self.ask("conflict", field=field, fields=fields, reason=f"conflict in {field}", **asked)

    def pitch(self, status: str, email: str = "x@example.org") -> str:
        with self.environment.wiring.database.admin() as connection:
            statement = text(
                "insert into pitches (workspace_id, to_email, subject, body, status) "
                "values (:workspace_id, :email, 's', 'b', :status) returning id::text"
            )
            bound = {"workspace_id": self.workspace_id, "email": email, "status": status}
            return str(connection.execute(statement, bound).scalar_one())

    def decisions(self) -> dict[str, str | None]:
        """What was decided, by id."""
        found = self.environment.rows("select id::text, decision from integration_agenda")
        return {str(key): value if value is None else str(value) for key, value in found}

    def activity(self) -> list[tuple[Any, ...]]:
        return self.environment.rows(
            "select integration_name, action, records_affected, metadata from integration_activity "
            "where action ~ '^(hold|conflict|failure)' order by created_at"
        )


def place(environment: Environment, slug: str = "acme", people: int = 6, **settings: Any) -> Place:
    workspace_id = environment.add_workspace(slug, people=people)
    base_id, table_id = environment.connect(workspace_id, **settings)
    return Place(
        environment=environment, slug=slug, workspace_id=workspace_id, base_id=base_id, table_id=table_id
    )  # fmt: skip
