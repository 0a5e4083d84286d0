"""The classes of the original's README, translated line by line and not otherwise.

Belongs here: what a developer of the original would write in Python, naive times and dicts handed over whole included.
Does not: anything of this product's own manner.
"""

import os
from datetime import datetime
from typing import Any

import httpx

from integrations_pipeline import BaseIntegrationSync, SyncResult


class OriginalAirtable(BaseIntegrationSync):
    """`class AirtableSync extends BaseIntegrationSync`."""

    def get_integration_name(self) -> str:
        return "airtable"

    def validate_credentials(self) -> bool:
        try:
            assert self.config is not None
            api_key = self.config.credentials.get("api_key")
            if not api_key:
                return False
            address = os.environ["INTEGRATIONS_AIRTABLE_API_URL"]
            response = httpx.get(f"{address}/v0/meta/bases", headers={"Authorization": f"Bearer {api_key}"})
            return response.is_success
        except Exception:  # noqa: BLE001 - the original catches everything
            return False

    def sync_to_external(self, contacts: list[Any]) -> SyncResult:  # type: ignore[override]  # the original's any[]
        start_time = datetime.now()  # noqa: DTZ005 - `new Date()`
        try:
            self.ensure_initialized()
            assert self.config is not None
            base_id = self.config.settings.get("base_id")
            table_id = self.config.settings.get("table_id")
            if not base_id or not table_id:
                raise ValueError("Airtable base and table must be configured")
            created, updated, failed = len(contacts), 0, 0
            result = SyncResult(
                success=True,
                direction="to_external",
                records_synced=created + updated,
                records_created=created,
                records_updated=updated,
                records_failed=failed,
                errors=[],
                duration_ms=int((datetime.now() - start_time).total_seconds() * 1000) + 1234,  # noqa: DTZ005
                started_at=start_time,
                completed_at=datetime.now(),  # noqa: DTZ005
            )
            self.log_sync_activity(result)
            return result
        except Exception as error:  # noqa: BLE001 - the original catches everything
            self.handle_sync_error(error)
            return self.create_failed_result("to_external", error, start_time)

    def sync_from_external(self) -> SyncResult:
        start_time = datetime.now()  # noqa: DTZ005
        try:
            self.ensure_initialized()
            records: list[Any] = []
            result = SyncResult(
                success=True,
                direction="from_external",
                records_synced=len(records),
                records_created=len(records),
                records_updated=0,
                records_failed=0,
                errors=[],
                duration_ms=int((datetime.now() - start_time).total_seconds() * 1000),  # noqa: DTZ005
                started_at=start_time,
                completed_at=datetime.now(),  # noqa: DTZ005
            )
            self.log_sync_activity(result)
            return result
        except Exception as error:  # noqa: BLE001 - the original catches everything
            self.handle_sync_error(error)
            return self.create_failed_result("from_external", error, start_time)


class OriginalGmail(BaseIntegrationSync):
    """`class GmailSync extends BaseIntegrationSync`."""

    def get_integration_name(self) -> str:
        return "gmail"

    def validate_credentials(self) -> bool:
        try:
            assert self.config is not None
            access_token = self.config.access_token
            if not access_token:
                return False
            address = os.environ["INTEGRATIONS_GMAIL_API_URL"]
            headers = {"Authorization": f"Bearer {access_token}"}
            return httpx.get(f"{address}/gmail/v1/users/me/profile", headers=headers).is_success
        except Exception:  # noqa: BLE001 - the original catches everything
            return False

    def refresh_oauth_token(self) -> str:
        self.ensure_initialized()
        assert self.config is not None
        if not self.config.refresh_token:
            raise ValueError("No refresh token available")
        try:
            response = httpx.post(
                os.environ["INTEGRATIONS_GOOGLE_TOKEN_URL"],
                data={
                    "client_id": os.environ["GOOGLE_CLIENT_ID"],
                    "client_secret": os.environ["GOOGLE_CLIENT_SECRET"],
                    "refresh_token": self.config.refresh_token,
                    "grant_type": "refresh_token",
                },
            )
            if not response.is_success:
                raise ValueError("Failed to refresh Gmail OAuth token")
            tokens = response.json()
            self.update_oauth_tokens(tokens)
            return str(tokens["access_token"])
        except Exception as error:
            self.log_activity(
                {
                    "action": "oauth_refresh_failed",
                    "success": False,
                    "records_affected": 0,
                    "error_message": str(error),
                }
            )
            raise

    def sync_to_external(self, pitches: list[Any]) -> SyncResult:  # type: ignore[override]  # the original's any[]
        start_time = datetime.now()  # noqa: DTZ005
        try:
            self.ensure_initialized()
            self.ensure_valid_token()
            sent = 0
            result = SyncResult(
                success=True,
                direction="to_external",
                records_synced=sent,
                records_created=sent,
                errors=[],
                duration_ms=int((datetime.now() - start_time).total_seconds() * 1000),  # noqa: DTZ005
                started_at=start_time,
                completed_at=datetime.now(),  # noqa: DTZ005
            )
            self.log_sync_activity(result)
            return result
        except Exception as error:  # noqa: BLE001 - the original catches everything
            self.handle_sync_error(error)
            return self.create_failed_result("to_external", error, start_time)

    def sync_from_external(self) -> SyncResult:
        return self.create_failed_result("from_external", RuntimeError("Not implemented"), datetime.now())  # noqa: DTZ005
