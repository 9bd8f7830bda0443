"""A run learns that it was stopped or given up, and says what becomes of its step."""

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError
from sqlalchemy.exc import OperationalError

from rl_assets.resources.run_watch import (
    DRIVER_TAG,
    LOOK_EVERY_S,
    RunWatch,
    end_if_unwanted,
    runs_of_this_work,
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def add_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = dg.DagsterRun(job_name="job", status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.add_run(run)
    return run


ENDINGS = {
    "canceling": lambda instance, run: instance.report_run_canceling(run),
    "canceled": lambda instance, run: instance.report_run_canceled(run),
    "failure": lambda instance, run: instance.report_run_failed(run, "its worker was gone"),
    "deleted": lambda instance, run: instance.delete_run(run.run_id),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_is_not_wanted_any_more_is_interrupted_at_the_next_look(instance, ending: str) -> None:
    run, clock = add_run(instance), Clock()
    watch = RunWatch(instance, run.run_id, clock=clock)
    clock.now += LOOK_EVERY_S
    watch.look()
    ENDINGS[ending](instance, run)
    watch.look()
    clock.now += LOOK_EVERY_S
    with pytest.raises(DagsterExecutionInterruptedError, match=f"{run.run_id} is {ending}"):
        watch.look()


def test_a_storage_that_does_not_answer_ends_no_training(instance, monkeypatch: pytest.MonkeyPatch) -> None:
    run, clock = add_run(instance), Clock()
    watch = RunWatch(instance, run.run_id, clock=clock)
    asked = []

    def refuse(run_id: str) -> None:
        asked.append(run_id)
        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(instance, "get_run_by_id", refuse)
    clock.now += LOOK_EVERY_S
    watch.look()
    assert asked == [run.run_id]


def test_a_program_that_is_interrupted_cancels_the_run_that_it_executes(instance) -> None:
    run = add_run(instance, **{DRIVER_TAG: "host:1"})
    with pytest.raises(dg.Failure, match=f"rlctl resume {run.run_id[:8]}") as failure:
        end_if_unwanted(instance, run, KeyboardInterrupt())
    assert failure.value.allow_retries is False
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.CANCELING


def test_a_step_of_a_launcher_that_nobody_stopped_may_be_tried_again(instance) -> None:
    run = add_run(instance)
    end_if_unwanted(instance, run, KeyboardInterrupt())
    assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.STARTED
    instance.report_run_canceling(run)
    with pytest.raises(dg.Failure, match="was stopped"):
        end_if_unwanted(instance, run, KeyboardInterrupt())


def test_the_same_work_is_the_first_run_and_all_that_came_of_it(instance) -> None:
    first, stranger = add_run(instance), add_run(instance)
    root = {"dagster/root_run_id": first.run_id}
    second, third = add_run(instance, **root), add_run(instance, **root)
    assert runs_of_this_work(instance, third) == {first.run_id, second.run_id, third.run_id}
    assert runs_of_this_work(instance, stranger) == {stranger.run_id}
