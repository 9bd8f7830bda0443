"""A claim has one holder, whoever asks at the same moment, and dies with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rl_assets.errors import StoreUnavailable
from rl_assets.store.locks import CLAIMS_FILE, ClaimBook, place_of

HOLD = """
import subprocess, sys
from pathlib import Path
from rl_assets.store.locks import ClaimBook

folder, names = Path(sys.argv[1]), sys.argv[2].split(",")
sys.stdin.readline()
with ClaimBook(folder).open() as claims:
    got = [name for name in names if claims.take(name)]
    child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL) if "--child" in sys.argv else None
    print(child.pid if child else 0, ",".join(got), flush=True)
    sys.stdin.readline()
"""


class Holder:
    """A process that claims names when it is told to, and holds them until it is told to end."""

    def __init__(self, folder: Path, *names: str, with_child: bool = False) -> None:
        words = [sys.executable, "-c", HOLD, str(folder), ",".join(names), *(["--child"] if with_child else [])]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> tuple[int, list[str]]:
        """The child's process id and the names that were got."""
        assert self.process.stdout is not None
        child, _, got = self.process.stdout.readline().rstrip("\n").partition(" ")
        return int(child), [name for name in got.split(",") if name]

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def hold(tmp_path: Path) -> Iterator:
    holders: list[Holder] = []

    def start(*names: str, with_child: bool = False) -> Holder:
        holders.append(Holder(tmp_path, *names, with_child=with_child))
        return holders[-1]

    yield start
    for holder in holders:
        holder.end()


def test_a_name_has_one_holder_also_within_a_process(tmp_path: Path) -> None:
    book = ClaimBook(tmp_path)
    with book.open() as ours:
        assert ours.take("a")
        assert ours.take("a"), "what is held is held"
        with book.open() as theirs:
            assert not theirs.take("a")
            assert theirs.take("b")
            ours.give_back("a")
            assert theirs.take("a")
            assert not ours.take("b")
        assert ours.take("b"), "a block that ends gives back what it held"


def test_of_processes_that_start_at_once_each_name_goes_to_exactly_one(hold) -> None:
    names = [f"trained_policies[CartPole-v1|{place}]" for place in range(200)]
    holders = [hold(*(names if place % 2 else reversed(names))) for place in range(4)]
    for holder in holders:
        holder.go()
    got = [name for holder in holders for name in holder.answer()[1]]
    assert sorted(got) == sorted(names)


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_holder_that_is_killed_holds_nothing_though_its_child_lives_on(tmp_path: Path, hold, ending: int) -> None:
    holder = hold("a", with_child=True)
    holder.go()
    child, got = holder.answer()
    assert got == ["a"]
    with ClaimBook(tmp_path).open() as ours:
        assert not ours.take("a")
        holder.process.send_signal(ending)
        holder.process.wait(timeout=30)
        os.kill(child, 0)
        assert ours.take("a")
    os.kill(child, signal.SIGKILL)


def test_thousands_are_held_at_once_in_one_empty_file(tmp_path: Path) -> None:
    names = [f"trained_policies[env|{place}]" for place in range(5_000)]
    with ClaimBook(tmp_path).open() as ours, ClaimBook(tmp_path).open() as theirs:
        assert all(ours.take(name) for name in names)
        assert not any(theirs.take(name) for name in names)
        assert [path.name for path in tmp_path.iterdir()] == [CLAIMS_FILE]
        assert (tmp_path / CLAIMS_FILE).stat().st_size == 0


def test_every_name_has_a_place_that_a_lock_can_have() -> None:
    places = {place_of(f"name {number}") for number in range(10_000)}
    assert len(places) == 10_000
    assert all(0 <= place < 2**62 for place in places)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreUnavailable, match=r"claims in '.*file/claims\.lock'.*choose another"),
        ClaimBook(tmp_path / "file").open(),
    ):
        pass
