"""A run looks at itself: whether somebody stopped it or gave it up, and which work it goes on with."""

import time
from collections.abc import Callable

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.storage.tags import ROOT_RUN_ID_TAG
from sqlalchemy.exc import OperationalError

DRIVER_TAG = "rl/driver"
"""Run tag `host:pid` of the program that executes a run without a launcher."""

LOOK_EVERY_S = 1.0

_AT_WORK = {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED}


class RunWatch:
    """Asks the instance now and then whether a run is still wanted.

    A signal reaches only the process that it is sent to. A run that the UI terminated while another program executes
    it, or one that was given up because its worker had died while a step lived on, learns of it here.
    """

    def __init__(
        self, instance: dg.DagsterInstance, run_id: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._instance, self._run_id, self._clock = instance, run_id, clock
        self._looked_at = clock()

    def look(self) -> None:
        """Look at most once a second; what works calls this as often as it likes.

        Raises:
            DagsterExecutionInterruptedError: the run was stopped, given up or deleted; the same as comes of a signal.
        """
        if self._clock() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = self._clock()
        try:
            run = self._instance.get_run_by_id(self._run_id)
        except OperationalError:
            return  # a storage that is busy or restarts says nothing about the run
        if run is None or run.status not in _AT_WORK:
            state = "deleted" if run is None else run.status.value.lower()
            raise DagsterExecutionInterruptedError(f"run {self._run_id} is {state}: its work ends here")


def runs_of_this_work(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[str]:
    """Ids of a run and of all that it retries or resumes."""
    if ROOT_RUN_ID_TAG not in run.tags:
        return frozenset({run.run_id})
    return frozenset(instance.get_run_ids(dg.RunsFilter(tags={ROOT_RUN_ID_TAG: run.tags[ROOT_RUN_ID_TAG]}))) | {
        run.run_id,
        run.tags[ROOT_RUN_ID_TAG],
    }


def end_if_unwanted(instance: dg.DagsterInstance, run: dg.DagsterRun, interrupt: BaseException) -> None:
    """End the step for good on an interrupt, where its run is not wanted any more; otherwise return.

    A run that its own program executes was interrupted on purpose, and is canceled. One of a launcher is wanted still
    if nobody stopped it, as when its machine is shut down; Dagster retries a step on a bare interrupt.

    Raises:
        dg.Failure: the run was stopped; not to be retried.
    """
    current = instance.get_run_by_id(run.run_id)
    if current is not None and current.status in _AT_WORK:
        if DRIVER_TAG not in run.tags:
            return
        instance.report_run_canceling(current, "The program that executes this run was told to end.")
    raise dg.Failure(
        f"run {run.run_id} was stopped; what it finished is materialized, the rest is done by "
        f"`rlctl resume {run.run_id[:8]}`",
        allow_retries=False,
    ) from interrupt
