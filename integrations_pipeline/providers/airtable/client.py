"""Requests to one Airtable base: records, schema, webhooks. Knows paths and shapes, decides nothing.

Belongs here: one method per endpoint. Does not: contacts, mapping, retries (`providers.http`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx

from integrations_pipeline.errors import (
    ConfigurationError,
    CursorExpiredError,
    InDoubtError,
    PermanentError,
    RetryableError,
    WrongAnswerError,
)
from integrations_pipeline.providers.airtable import shapes, wire
from integrations_pipeline.providers.base import ProviderContext
from integrations_pipeline.providers.http import Endpoint, HttpClient, PaceRule, RetryPolicy

#: An iterator that expires this often in one read is a fault of its own.
MAX_ITERATOR_RESTARTS = 5
#: Pages of 1,000 bases that are looked through for ours.
MOST_BASE_PAGES = 10
#: The id of no record: Airtable's are random.
_NO_RECORD = "rec00000000000000"


class AirtableClient:
    """The endpoints of one base and table. `columns` are our own columns' present names, fit to be named in errors."""

    def __init__(
        self,
        context: ProviderContext,
        *,
        api_url: str,
        base_id: str,
        table_id: str,
        columns: Sequence[str],
    ) -> None:
        self.columns = tuple(columns)
        self._table_path = f"v0/{quote(base_id, safe='')}/{quote(table_id, safe='')}"
        self._base_id = quote(base_id, safe="")
        endpoint = Endpoint(
            base_url=api_url,
            tokens=context.tokens,
            read_error=lambda response: wire.read_error(response, self.columns),
            pace=_pace_rules(api_url, base_id, context.account, context.rate_scale),
            retry=RetryPolicy.within(context.patience_seconds),
        )
        self.http = HttpClient(endpoint, pacer=context.pacer, transport=context.transport, sleep=context.sleep)

    def schema(self) -> Mapping[str, Any]:
        """GET meta/bases/{base}/tables; a permission error where the token has no schema.bases:read."""
        path = f"v0/meta/bases/{self._base_id}/tables"
        body: Mapping[str, Any] = self.http.request("GET", path, shape=shapes.SCHEMA)
        return body

    def scopes(self) -> frozenset[str] | None:
        """The token's scopes, which Airtable tells of OAuth tokens only; None for any other."""
        told = self.http.request("GET", "v0/meta/whoami", shape=shapes.WHOAMI).get("scopes")
        return None if told is None else frozenset(told)

    def permission_level(self) -> str:
        """What the token's user may do in the base: none, read, comment, edit or create; "" where it is not told."""
        offset: str | None = None
        for _ in range(MOST_BASE_PAGES):
            params = [("offset", offset)] if offset else []
            body = self.http.request("GET", "v0/meta/bases", params=params, shape=shapes.BASES)
            for base in body["bases"]:
                if base["id"] == self._base_id:
                    return str(base.get("permissionLevel") or "")
            offset = body.get("offset")
            if not offset:
                break
        return ""

    def may_write(self) -> bool:
        """Whether the token may write records: asked by an update that changes nothing, of no field of a record that
        cannot exist. Assumed: Airtable looks at scopes and rights first, and then does not find the record (422)."""
        body = {"records": [{"id": _NO_RECORD, "fields": {}}]}
        try:
            with suppress(PermanentError):
                self.http.request("PATCH", self._table_path, json=body)
        except wire.DeniedError:
            return False
        return True

    def create_text_column(self, table_id: str, name: str) -> None:
        body = {"name": name, "type": "singleLineText", "description": "Set by integrations_pipeline"}
        path = f"v0/meta/bases/{self._base_id}/tables/{quote(table_id, safe='')}/fields"
        self.http.request("POST", path, json=body, is_repeatable=False, shape=shapes.COLUMN)

    def pages(self, columns: Sequence[str], formula: str | None = None) -> Iterator[list[Mapping[str, Any]]]:
        """Pages of records, begun anew when the iterator expires; a record may then come twice."""
        for restart in range(MAX_ITERATOR_RESTARTS):
            try:
                yield from self._pages_once(columns, formula)
            except CursorExpiredError as error:
                if restart == MAX_ITERATOR_RESTARTS - 1:
                    raise RetryableError("Airtable's page iterator expired again and again") from error
            else:
                return

    def _pages_once(self, columns: Sequence[str], formula: str | None) -> Iterator[list[Mapping[str, Any]]]:
        offset: str | None = None
        seen: set[str] = set()
        while True:
            body = self._list(columns, formula, offset)
            yield body["records"]
            offset = body.get("offset")
            if not offset:
                return
            if offset in seen:
                raise WrongAnswerError("Airtable's listing leads back to a page that was read")
            seen.add(offset)

    def _list(self, columns: Sequence[str], formula: str | None, offset: str | None) -> Mapping[str, Any]:
        params = [("pageSize", str(wire.PAGE_SIZE)), *(("fields[]", column) for column in columns)]
        params += [("filterByFormula", formula)] if formula else []
        params += [("offset", offset)] if offset else []
        if self._is_short(params):
            return self._list_request("GET", self._table_path, params=params)
        posted: dict[str, Any] = {"pageSize": wire.PAGE_SIZE, "fields": list(columns)}
        posted |= {"filterByFormula": formula} if formula else {}
        posted |= {"offset": offset} if offset else {}
        return self._list_request("POST", f"{self._table_path}/listRecords", json=posted)

    def _is_short(self, params: Sequence[tuple[str, str]]) -> bool:
        """Whether the address of a GET has room for them; most would have even if each character took 12."""
        most = 12 * sum(len(name) + len(value) for name, value in params)
        return most < wire.MAX_URL_LENGTH // 2 or self.http.url_length(self._table_path, params) < wire.MAX_URL_LENGTH

    def _list_request(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        try:
            body: Mapping[str, Any] = self.http.request(method, path, shape=shapes.RECORDS, **content)
        except PermanentError as error:
            if error.code in wire.PLACE_GONE_CODES:
                raise ConfigurationError(
                    f"Airtable has no base or table at {self._table_path}: "
                    "correct base_id and table_id in the connection's settings"
                ) from error
            raise
        return body

    def update(self, records: Sequence[Mapping[str, Any]], *, typecast: bool) -> list[Mapping[str, Any]]:
        """PATCH records by id; the same request twice has the same effect."""
        body = {"records": list(records), "typecast": typecast}
        answer = self.http.request("PATCH", self._table_path, json=body, shape=shapes.WRITTEN)
        return _answered(answer, len(records), WrongAnswerError)

    def upsert(self, records: Sequence[Mapping[str, Any]], key: str, *, typecast: bool) -> list[Mapping[str, Any]]:
        """PATCH records found by the key column, made where there is none: repeatable creates."""
        body = {
            "performUpsert": {"fieldsToMergeOn": [key]},
            "records": list(records),
            "typecast": typecast,
        }
        answer = self.http.request("PATCH", self._table_path, json=body, shape=shapes.WRITTEN)
        return _answered(answer, len(records), WrongAnswerError)

    def create(self, records: Sequence[Mapping[str, Any]], *, typecast: bool) -> list[Mapping[str, Any]]:
        """POST records; not repeatable, so a lost answer raises `InDoubtError`."""
        body = {"records": list(records), "typecast": typecast}
        answer = self.http.request("POST", self._table_path, json=body, is_repeatable=False, shape=shapes.WRITTEN)
        return _answered(answer, len(records), InDoubtError)

    def delete(self, external_ids: Sequence[str]) -> frozenset[str]:
        """DELETE records; the ids that the answer calls deleted."""
        params = [("records[]", record_id) for record_id in external_ids]
        answer = self.http.request("DELETE", self._table_path, params=params)
        records = answer.get("records") if isinstance(answer, dict) else None
        told = [each for each in records if isinstance(each, dict)] if isinstance(records, list) else []
        return frozenset(str(each.get("id")) for each in told if each.get("deleted") is True)

    def webhooks(self) -> list[Mapping[str, Any]]:
        path = f"v0/bases/{self._base_id}/webhooks"
        return list(self.http.request("GET", path, shape=shapes.WEBHOOKS)["webhooks"])

    def create_webhook(self, specification: Mapping[str, Any]) -> str:
        """Make a webhook without notification address: its payloads are polled. Returns its id."""
        body = {"specification": specification}
        path = f"v0/bases/{self._base_id}/webhooks"
        return str(self.http.request("POST", path, json=body, is_repeatable=False, shape=shapes.WEBHOOK)["id"])

    def payloads(self, webhook_id: str, cursor: int) -> Mapping[str, Any]:
        """One page of payloads; listing them also keeps the webhook alive for another 7 days."""
        path = f"v0/bases/{self._base_id}/webhooks/{quote(webhook_id, safe='')}/payloads"
        body: Mapping[str, Any] = self.http.request(
            "GET", path, params=[("cursor", str(cursor))], shape=shapes.PAYLOADS
        )
        if body.get("mightHaveMore") and not body["payloads"]:
            raise WrongAnswerError("Airtable's webhook has more payloads and tells none")
        return body

    def close(self) -> None:
        self.http.close()


def _answered(answer: Any, count: int, error: type[RetryableError]) -> list[Mapping[str, Any]]:
    """The records of an answer to a write, which must be as many as were sent, each once."""
    records: list[Mapping[str, Any]] = answer["records"]
    if len(records) != count or len({record["id"] for record in records}) != count:
        raise error(f"Airtable did not answer with the {count} records that were sent")
    return records


def _pace_rules(api_url: str, base_id: str, account: str, scale: float) -> list[PaceRule]:
    """One rule for the base and one for all requests of the account."""
    host = httpx.URL(api_url).netloc.decode()
    penalty = wire.PENALTY_SECONDS / scale
    return [
        PaceRule(
            key=f"airtable:{host}:base:{base_id}",
            interval_seconds=wire.BASE_INTERVAL_SECONDS / scale,
            penalty_seconds=penalty,
        ),
        PaceRule(
            key=f"airtable:{host}:token:{account}",
            interval_seconds=wire.TOKEN_INTERVAL_SECONDS / scale,
            penalty_seconds=penalty,
        ),
    ]
