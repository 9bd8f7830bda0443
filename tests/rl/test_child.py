import os
import signal
import sys
import time
from pathlib import Path

import pytest

from rl_assets.errors import EnvironmentFault
from rl_assets.rl.child import ChildProcess

ECHO = "rl_assets.rl.envs.preflight"


def test_a_killed_child_is_told_apart_from_a_slow_one():
    with ChildProcess(ECHO) as child:
        assert child.receive(timeout_s=60) == "ready"
        with pytest.raises(TimeoutError, match=rf"process {child.pid} said nothing for 0.05 s"):
            child.receive(timeout_s=0.05)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(EnvironmentFault, match=rf"process {child.pid} was killed by SIGKILL"):
            child.receive(timeout_s=60)
        with pytest.raises(EnvironmentFault, match="was killed by SIGKILL"):
            child.send("anything")


def test_what_a_child_died_of_is_told():
    with (
        ChildProcess("rl_assets.no_such_module") as child,
        pytest.raises(EnvironmentFault, match=r"status 1.*no_such_module"),
    ):
        child.receive(timeout_s=60)


def test_closing_ends_the_child_and_leaves_nothing():
    child = ChildProcess(ECHO)
    child.receive(timeout_s=60)
    folder = Path(child._folder.name)
    assert folder.exists()
    child.close()
    child.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_child_leaves_ctrl_c_to_its_parent():
    with ChildProcess(ECHO) as child:
        child.receive(timeout_s=60)
        os.kill(child.pid, signal.SIGINT)
        time.sleep(0.05)
        assert "Z" not in Path(f"/proc/{child.pid}/stat").read_text().split()[2]
