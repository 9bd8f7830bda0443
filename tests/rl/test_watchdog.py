import threading
import time

import pytest

from rl_assets.errors import EnvironmentFault
from rl_assets.rl.watchdog import watched


def test_what_the_work_returns_comes_back():
    assert watched(lambda beat: 7, what="work") == 7


def test_what_the_work_raises_comes_back():
    with pytest.raises(ZeroDivisionError):
        watched(lambda beat: 1 // 0, what="work")


def test_work_that_lives_may_take_longer_than_the_silence():
    def work(beat):
        for _ in range(10):
            time.sleep(0.05)
            beat()
        return "done"

    assert watched(work, what="work", silence_s=0.3) == "done"


def test_work_that_hangs_is_given_up_by_name():
    released = threading.Event()
    with pytest.raises(EnvironmentFault, match="evaluating 'X-v0' hangs: no environment has answered for"):
        watched(lambda beat: released.wait(), what="evaluating 'X-v0'", silence_s=0.1)
    released.set()


def test_work_that_nobody_waits_for_ends_with_its_next_sign_of_life():
    ended, released = threading.Event(), threading.Event()

    def work(beat):
        released.wait()
        try:
            beat()
        finally:
            ended.set()

    with pytest.raises(EnvironmentFault):
        watched(work, what="work", silence_s=0.1)
    released.set()
    assert ended.wait(5)
