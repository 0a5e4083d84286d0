"""The report of a sync that ended before it could report anything."""

from integrations_pipeline.model import RunStatus
from integrations_pipeline.sync.report import SyncReport


def test_a_sync_that_did_nothing_tells_nothing_but_its_end() -> None:
    report = SyncReport(
        workspace="acme",
        provider="airtable",
        run_id=None,
        plan_id=None,
        results=(),
        conflicts=0,
        held=0,
        api_calls=0,
        status=RunStatus.FAILED,
    )

    told = {name: value for name, value in report.to_dict().items() if value}
    assert told == {"workspace": "acme", "provider": "airtable", "status": "failed"}
    assert report.to_dict()["refusals"] == report.to_dict()["notices"] == []
