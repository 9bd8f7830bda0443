"""An erasure that is killed at any step ends, when it is started again, where it would have ended."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.erasure.orders import Order, OrderActor
from rl_assets.errors import ErasedData
from rl_assets.resources.erasing.census import make_plan, wish_client
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.execution import Execution
from rl_assets.resources.inputs import Inputs
from rl_assets.resources.lineage_log import ASSETS
from tests.defs.two_clients import CARTPOLE

STEPS = (
    "_quarantine", "_stop_work", "_plan_again", "_plan_retraining", "_succeed", "_note_traces", "_delete_bytes",
    "_delete_records", "_announce", "_verify", "_forget", "_certify",
)  # fmt: skip
OFTEN = {"_quarantine", "_succeed", "_delete_bytes", "_delete_records", "_certify"}
"""Steps after which it is killed whenever tests are run; after the others where there is time."""

CALLS = (
    "rl_assets.resources.erasing.execution.delete_renderings",
    "rl_assets.store.removal._remove_folders",
    "rl_assets.resources.redaction.redact.delete_orphaned_tags",
    "rl_assets.resources.redaction.redact._clean",
    "rl_assets.resources.erasing.champions.Champions._record",
    "rl_assets.store.history.ChampionHistory.redact",
)


class Killed(BaseException):
    """Stands for a signal that ends the process."""


def estate_of(installation: Installation) -> Estate:
    return Estate(home=installation.home, instance=installation.instance)


def order_acme(installation: Installation, keys: dict[str, str]) -> Order:
    estate = estate_of(installation)
    plan = make_plan(estate, wish_client(estate, keys["acme.d1"].split(".")[0]), include_possibly_affected=False)
    return estate.ledger.open_order(
        plan,
        requested_by=OrderActor(name="alice", is_verified=False),
        confirmed_by=OrderActor(name="bob", is_verified=False),
        ordered_at=datetime.now(UTC).isoformat(),
    )


def end_state(installation: Installation) -> dict[str, Any]:
    """All that stands afterwards, the order's own id and times aside."""
    state = installation.home.state
    files = {
        str(path.relative_to(state))
        for path in state.rglob("*")
        if path.is_file() and not {"tombstones", "lineage", "register"} & set(path.relative_to(state).parts)
    }
    history = api.history(installation, CARTPOLE)
    instance = installation.instance
    return {
        "files": {path for path in files if not path.endswith(".lock")},
        "events": {asset: {event.event_id for event in installation.log.history(asset)} for asset in ASSETS},
        "keys": {name: set(instance.get_dynamic_partitions(name)) for name in ("dataset", "sweep", "hparam", "env")},
        "runs": {run.run_id for run in instance.get_runs()},
        "champions": [(entry["number"], entry["title"], bool(entry["erased_by"])) for entry in history["transitions"]],
        "clients": installation.register.names(),
        "certificates": len(estate_of(installation).ledger.certificates()),
    }


@pytest.fixture(scope="module")
def undisturbed(used_template: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The end state of an erasure that nobody interrupts."""
    import shutil

    from tests.defs.two_clients import opened

    folder, keys = used_template
    copy = Path(shutil.copytree(folder, tmp_path_factory.mktemp("undisturbed") / "used", symlinks=True))
    with opened(copy) as installation:
        Execution(estate_of(installation), order_acme(installation, keys)).run()
        return end_state(installation)


def finish(used: Installation, order: Order, undisturbed: dict[str, Any]) -> None:
    estate = estate_of(used)
    certificate = Execution(estate, order).run()
    assert end_state(used) == undisturbed
    assert estate.ledger.verify_chain(certificate_key(estate))[0].order_id == certificate.order_id
    assert estate.ledger.unfinished() == ()


def certificate_key(estate: Estate) -> Any:
    key = estate.ledger.public_key()
    assert key is not None
    return key


@pytest.mark.parametrize(
    "step", [step if step in OFTEN else pytest.param(step, marks=pytest.mark.slow) for step in STEPS]
)
def test_killed_between_a_step_and_its_entry(
    used: Installation, keys: dict[str, str], undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    order = order_acme(used, keys)
    real = getattr(Execution, step)

    def do_and_die(self: Execution) -> None:
        real(self)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Execution, step, do_and_die)
        with pytest.raises(Killed):
            Execution(estate_of(used), order).run()
    with Inputs(log=used.log, store=estate_of(used).store).for_output("test", "x") as scope:
        event = used.log.latest("trained_policies", f"{CARTPOLE}|{keys['acme']}")
        if event is not None:
            with pytest.raises(ErasedData, match=order.order_id):
                scope.open(event)
    finish(used, order, undisturbed)


@pytest.mark.parametrize("call", CALLS)
def test_killed_within_a_step(
    used: Installation, keys: dict[str, str], undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    order = order_acme(used, keys)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(call, die)
        with pytest.raises(Killed):
            Execution(estate_of(used), order).run()
    finish(used, order, undisturbed)


_PROGRAM = """
import sys
from pathlib import Path
from tests.defs.test_erasure_interrupted import estate_of
from tests.defs.two_clients import opened
from rl_assets.resources.erasing.execution import Execution
with opened(Path(sys.argv[1])) as installation:
    estate = estate_of(installation)
    (order,) = estate.ledger.unfinished()
    print("ready", flush=True)
    Execution(estate, order, on_event=lambda text: print(text, flush=True)).run()
"""


@pytest.mark.parametrize(
    "after_s", [pytest.param(0.05, marks=pytest.mark.slow), 0.4, pytest.param(1.2, marks=pytest.mark.slow)]
)
def test_a_process_that_is_killed_for_good_leaves_an_order_that_goes_on(
    used_folder: Path, keys: dict[str, str], undisturbed: dict[str, Any], after_s: float
) -> None:
    from tests.defs.two_clients import opened

    with opened(used_folder) as used:
        order = order_acme(used, keys)
    command = [sys.executable, "-c", _PROGRAM, str(used_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        time.sleep(after_s)
        program.send_signal(signal.SIGKILL)
    with opened(used_folder) as used:
        finish(used, order, undisturbed)
