"""The events that people are told of, as alerts."""

from collections.abc import Iterator
from urllib.parse import quote

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from rl_assets.alerts.alert import Alert
from rl_assets.config.alerts import AlertKind
from rl_assets.resources.activity import ASSETS_TAG
from rl_assets.resources.event_log import TRANSITION_KEY, Event, EventLog

PROMOTED, GATES = "promoted_models", "gate_evaluations"
_VERDICTS: dict[str, AlertKind] = {"hold": "held", "fail": "failed"}
_PAGE = 500


class AlertEvents:
    """What the event log holds for people.

    Args:
        log: what Dagster remembers.
        ui_url: address of the Dagster UI; None leaves links out.
    """

    def __init__(self, log: EventLog, *, ui_url: str | None) -> None:
        self._log = log
        self._instance = log.instance
        self._ui_url = ui_url.rstrip("/") if ui_url else None

    def newest(self) -> int:
        """Id of the newest event that an alert may tell of; 0 where there is none."""
        promoted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(PROMOTED))
        pages = (
            self._instance.fetch_materializations(promoted, limit=1),
            self._instance.fetch_observations(promoted, limit=1),
            self._instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=dg.AssetKey(GATES)), limit=1),
            self._instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1),
        )
        return max((record.storage_id for page in pages for record in page.records), default=0)

    def between(self, after: int, upto: int) -> tuple[Alert, ...]:
        """Alerts of the events after one id and up to another, in order."""
        found = [
            *self._transitions(after),
            *self._verdicts(after),
            *self._failed_runs(after),
        ]
        return tuple(sorted((alert for alert in found if alert.event_id <= upto), key=lambda alert: alert.event_id))

    def _transitions(self, after: int) -> Iterator[Alert]:
        events = [*self._log.history(PROMOTED, after=after), *self._log.observed(PROMOTED, after=after)]
        for event in events:
            if TRANSITION_KEY in event.metadata and self._is_first_record(event):
                yield self._transition(event)
        for event in self._log.vacancies(PROMOTED, after=after):
            yield self._alert("vacated", event, f"by {event.metadata['actor']}: {event.metadata['reason']}", {})

    def _is_first_record(self, event: Event) -> bool:
        """Whether a transition was not recorded before; a champion that was made again is recorded again."""
        number = event.metadata[TRANSITION_KEY]
        return all(
            earlier.event_id >= event.event_id or earlier.metadata.get(TRANSITION_KEY) != number
            for earlier in self._log.versions(PROMOTED, event.partition)
        )

    def _transition(self, event: Event) -> Alert:
        facts = event.metadata
        model = f"{facts['hparam']}, member of seed {facts['member_seed']}"
        if facts["stage"] == "staging":
            kind, happened = "staged", f"{model}, passed its gates and waits for `rlctl promote {event.partition}`"
        elif facts["action"] == "roll_back":
            kind, happened = "rolled_back", f"{model}, is back in production (generation {facts['generation']})"
        else:
            kind, happened = "promoted", f"{model}, is in production (generation {facts['generation']})"
        names = ("gate_mean_return", "generation")
        return self._alert(
            kind,
            event,
            f"{happened}; by {facts['actor']}: {facts['reason']}",
            {name: facts[name] for name in names if isinstance(facts.get(name), int | float)},
        )

    def _verdicts(self, after: int) -> Iterator[Alert]:
        for event in self._log.history(GATES, after=after):
            kind = _VERDICTS.get(str(event.metadata.get("rl/verdict")))
            if kind is None or event.metadata.get("was_asked_before"):
                continue
            facts = event.metadata
            reasons = " ".join(str(facts.get("reasons", "")).replace("**", "").replace("\n- ", "; ").split())
            names = ("candidate_mean_return", "champion_mean_return", "num_episodes")
            yield self._alert(
                kind,
                event,
                f"{facts.get('candidate')}, member of seed {facts.get('member_seed')}: {reasons.removeprefix('- ')}",
                {name: facts[name] for name in names if isinstance(facts.get(name), int | float)},
            )

    def _failed_runs(self, after: int) -> Iterator[Alert]:
        failures = dg.RunStatusChangeRecordsFilter(event_type=dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
        cursor: str | None = None
        while True:
            page = self._instance.fetch_run_status_changes(failures, limit=_PAGE, cursor=cursor, ascending=True)
            for record in page.records:
                run = self._instance.get_run_by_id(record.run_id)
                if run is not None:
                    yield self._failed_run(run, event_id=record.storage_id, at=record.timestamp)
            if not page.has_more:
                return
            cursor = page.cursor

    def _failed_run(self, run: dg.DagsterRun, *, event_id: int, at: float) -> Alert:
        """Errors' texts stay in the UI: they come from anywhere, and may name what must not leave."""
        tags = run.tags
        names = sorted(key.to_user_string() for key in run.asset_selection or ())
        assets = ", ".join(names) or tags.get(ASSETS_TAG, "").replace(",", ", ") or run.job_name
        place = tags.get("rl/env") or tags.get("dagster/partition") or tags.get("rl/sweep") or ""
        again = "; Dagster will launch it again" if tags.get(WILL_RETRY_TAG) == "true" else ""
        where = f" [{place}]" if place else ""
        return Alert(
            kind="run_failed",
            env=tags.get("rl/env", ""),
            sentence=f"run {run.run_id[:8]} of {assets}{where} failed: its log in the UI says why{again}",
            numbers={},
            links=self._links(run_id=run.run_id),
            event_id=event_id,
            at=at,
        )

    def _alert(self, kind: AlertKind, event: Event, sentence: str, numbers: dict[str, float | int | str]) -> Alert:
        return Alert(
            kind=kind,
            env=event.partition,
            sentence=sentence,
            numbers=numbers,
            links=self._links(run_id=event.run_id, asset=event.asset, partition=event.partition),
            event_id=event.event_id,
            at=event.timestamp,
        )

    def _links(self, *, run_id: str, asset: str = "", partition: str = "") -> dict[str, str]:
        if self._ui_url is None:
            return {}
        links = {"run": f"{self._ui_url}/runs/{run_id}"}
        if asset:
            links[asset] = f"{self._ui_url}/assets/{asset}?view=partitions&partition={quote(partition)}"
        return links
