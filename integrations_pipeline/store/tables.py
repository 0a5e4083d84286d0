"""The tables as SQLAlchemy Core sees them: names, types, nullability, keys.

The migrations make the tables; this module only lets statements be written against them, and a test proves
that both describe the same database. Indexes, checks, policies and functions live in the migrations alone.
Columns of an adopted database that are not ours (`integration_connections.user_id`) are not listed.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Double,
    Identity,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID

METADATA = MetaData()

UUID_TYPE = PG_UUID(as_uuid=True)


def _id() -> Column[Any]:
    return Column("id", UUID_TYPE, primary_key=True, server_default=func.gen_random_uuid())


def _uuid(name: str, *, null: bool = False, key: bool = False) -> Column[Any]:
    return Column(name, UUID_TYPE, nullable=null, primary_key=key)


def _text(name: str, *, null: bool = False, key: bool = False, default: str | None = None) -> Column[Any]:
    server_default = None if default is None else text(f"'{default}'")  # literals of this file only
    return Column(name, Text, nullable=null, primary_key=key, server_default=server_default)


def _time(name: str, *, null: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=null)


def _now(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def _json(name: str, default: str | None = None) -> Column[Any]:
    """A jsonb column; without a default it may be null, and `None` is stored as SQL's null."""
    server_default = None if default is None else text(f"'{default}'")  # literals of this file only
    return Column(name, JSONB(none_as_null=True), nullable=default is None, server_default=server_default)


def _count(name: str, default: int = 0) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _flag(name: str, default: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default=text(default))


WORKSPACES = Table(
    "workspaces",
    METADATA,
    _id(),
    _text("name"),
    _text("slug"),
    _uuid("owner_id", null=True),
    _now("created_at"),
    _now("updated_at"),
)

WORKSPACE_MEMBERS = Table(
    "workspace_members",
    METADATA,
    _uuid("workspace_id", key=True),
    _uuid("user_id", key=True),
    _text("role", default="member"),
)

WORKSPACE_CONTACTS = Table(
    "workspace_contacts",
    METADATA,
    _id(),
    _uuid("workspace_id"),
    _text("email", null=True),
    _text("name", null=True),
    _text("company", null=True),
    _text("job_title", null=True),
    _text("phone", null=True),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _json("custom_fields", "{}"),
    _flag("email_opt_out", "false"),
    _time("email_opt_out_at", null=True),
    _now("created_at"),
    _now("updated_at"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    _time("deleted_at", null=True),
    _text("identity_key", null=True),
)

INTEGRATION_CONNECTIONS = Table(
    "integration_connections",
    METADATA,
    _id(),
    _uuid("workspace_id"),
    _text("integration_type"),
    _json("credentials", "{}"),
    _json("settings", "{}"),
    _text("status", default="active"),
    _flag("sync_enabled", "true"),
    _time("last_sync_at", null=True),
    _text("error_message", null=True),
    _count("error_count"),
    _count("own_error_count"),
    _count("sync_frequency_minutes", 15),
    _now("created_at"),
    _now("updated_at"),
    _text("oauth_provider", null=True),
    _json("cursor"),
    _time("next_sync_at", null=True),
    _time("token_refreshed_at", null=True),
    _json("mail_cursor"),
    _time("last_full_at", null=True),
)

INTEGRATION_FIELD_MAPPINGS = Table(
    "integration_field_mappings",
    METADATA,
    _id(),
    _uuid("connection_id"),
    _text("workspace_field"),
    _text("external_field"),
    _json("transform_rules", "{}"),
    _text("sync_direction", default="bidirectional"),
    _flag("enabled", "true"),
    _now("created_at"),
)

INTEGRATION_LINKS = Table(
    "integration_links",
    METADATA,
    _uuid("connection_id", key=True),
    _uuid("contact_id", key=True),
    _uuid("workspace_id"),
    _text("external_id"),
    _json("base", "{}"),
    _text("base_fingerprint", null=True),
    _json("normalised"),
    _text("external_revision", null=True),
    Column("contact_version", BigInteger, nullable=True),
    _now("created_at"),
    _now("updated_at"),
    _text("identity_key", null=True),
)

INTEGRATION_CHANGES = Table(
    "integration_changes",
    METADATA,
    _id(),
    _uuid("sync_log_id", null=True),
    _uuid("plan_id", null=True),
    _uuid("run_id", null=True),
    _uuid("connection_id"),
    _uuid("workspace_id"),
    _uuid("contact_id", null=True),
    _text("external_id", null=True),
    _text("side"),
    _text("kind"),
    _json("before"),
    _json("after"),
    _json("base"),
    _json("conflict"),
    _text("state", default="planned"),
    _text("reason", null=True),
    _text("error_class", null=True),
    _count("attempts"),
    _now("created_at"),
    _now("updated_at"),
    Column("ordinal", BigInteger, Identity(always=True), nullable=False),
    _text("moved_from", null=True),
)

INTEGRATION_SYNC_LOGS = Table(
    "integration_sync_logs",
    METADATA,
    _id(),
    _uuid("connection_id"),
    _text("direction"),
    _count("records_created"),
    _count("records_updated"),
    _count("records_failed"),
    _json("errors", "[]"),
    Column("duration_ms", Integer, nullable=True),
    _now("started_at"),
    _time("completed_at", null=True),
    _uuid("workspace_id"),
    _text("status", default="running"),
    _count("records_deleted"),
    _count("records_unchanged"),
    _count("records_skipped"),
    _count("records_held"),
    _count("records_conflicted"),
    _count("api_calls"),
    _text("dagster_run_id", null=True),
    _json("metadata", "{}"),
    _uuid("run_id", null=True),
)

INTEGRATION_ACTIVITY = Table(
    "integration_activity",
    METADATA,
    _id(),
    _uuid("workspace_id"),
    Column("integration_name", String(50), nullable=False),
    Column("action", String(100), nullable=False),
    Column("success", Boolean, nullable=False),
    _count("records_affected"),
    _text("error_message", null=True),
    _json("metadata", "{}"),
    _now("created_at"),
)

PITCHES = Table(
    "pitches",
    METADATA,
    _id(),
    _uuid("workspace_id"),
    _uuid("contact_id", null=True),
    _text("to_email"),
    _text("subject", default=""),
    _text("body", default=""),
    _uuid("in_reply_to_pitch_id", null=True),
    _text("status", default="draft"),
    _time("scheduled_at", null=True),
    _time("sent_at", null=True),
    _time("replied_at", null=True),
    _text("error_message", null=True),
    _now("created_at"),
    _now("updated_at"),
    _flag("is_repeat", "false"),
    Column("identity_key", Text, Computed("integrations_identity_key(to_email)", persisted=True), nullable=False),
)

PITCH_EMAILS = Table(
    "pitch_emails",
    METADATA,
    _id(),
    _uuid("pitch_id"),
    _uuid("connection_id"),
    _text("draft_id", null=True),
    _text("gmail_message_id", null=True),
    _text("gmail_thread_id", null=True),
    _text("rfc822_message_id", null=True),
    _count("attempt", 1),
    _text("state"),
    _json("evidence", "{}"),
    _time("sent_at", null=True),
    _now("created_at"),
    _now("updated_at"),
)

PITCH_REPLIES = Table(
    "pitch_replies",
    METADATA,
    _id(),
    _uuid("workspace_id"),
    _uuid("pitch_id"),
    _uuid("connection_id"),
    _text("gmail_message_id"),
    _text("gmail_thread_id", null=True),
    _text("from_email", null=True),
    _time("received_at"),
    _text("kind"),
    _text("snippet", null=True),
    _now("created_at"),
)

INTEGRATION_AGENDA = Table(
    "integration_agenda",
    METADATA,
    _id(),
    _uuid("connection_id"),
    _uuid("workspace_id"),
    _text("kind"),
    _text("side", null=True),
    _uuid("contact_id", null=True),
    _text("external_id", null=True),
    _text("field", null=True),
    _json("fields", "{}"),
    _text("reason", null=True),
    _uuid("run_id", null=True),
    _now("created_at"),
    _text("decision", null=True),
    _text("decided_by", null=True),
    _time("decided_at", null=True),
    _text("change", null=True),
    _uuid("change_id", null=True),
)

INTEGRATION_ALERTS = Table(
    "integration_alerts",
    METADATA,
    _id(),
    _uuid("workspace_id", null=True),
    _uuid("connection_id", null=True),
    _text("kind"),
    _text("text"),
    _text("state", default="waiting"),
    _now("created_at"),
    _time("sent_at", null=True),
    _text("said", default=""),
    _count("amount"),
    Column("ordinal", BigInteger, Identity(always=True), nullable=False),
)

INTEGRATION_ALERT_DELIVERIES = Table(
    "integration_alert_deliveries",
    METADATA,
    _uuid("alert_id", key=True),
    _text("destination", key=True),
    _text("state"),
    _count("attempts"),
    _flag("is_doubtful", "false"),
    _text("reason", null=True),
    _time("tried_at", null=True),
    _time("next_try_at", null=True),
)

SUPPRESSIONS = Table(
    "suppressions",
    METADATA,
    _uuid("workspace_id", key=True),
    _text("identity_key", key=True),
    _text("reason", key=True),
    _text("source", default=""),
    _now("created_at"),
)

PROVIDER_RATE_LIMITS = Table(
    "provider_rate_limits",
    METADATA,
    _text("key", key=True),
    _time("next_free_at"),
    _time("reserved_at", null=True),
    Column("slack", Double, nullable=False, server_default=text("0")),
    prefixes=["UNLOGGED"],
)
