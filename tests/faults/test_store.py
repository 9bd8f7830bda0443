"""The store under fire: real processes are killed and raced, real disks are full, read-only and gone."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rl_assets.errors import CorruptObject, ObjectNotFound, StoreError, StoreUnavailable
from rl_assets.store.artifacts import ArtifactRef, read_artifact, write_artifact
from rl_assets.store.claims import Claim, Finding, Holder, champion_claims
from rl_assets.store.history import ChampionHistory
from rl_assets.store.inspection import Inspection
from rl_assets.store.objects import ObjectStore
from tests.store.conftest import REPOSITORY, StartChild

ALICE = frozenset({"c-00000000aa"})
ENV = "CartPole-v1"
KILLS = 6
SOAK_KILLS = 60

WRITE_UNTIL_KILLED = """
import json, sys
from rl_assets.errors import PromotionConflict
from rl_assets.store.artifacts import write_artifact
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore
from tests.store.model_entries import entry, version
store, first, name = ObjectStore(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
history = ChampionHistory(store, "CartPole-v1")
owners = frozenset({"c-00000000aa"})
print("ready", flush=True)
for number in range(first, 10**9):
    files = {"weights": bytes([number % 251]) * (300_000 + number), "history": b"%d" % number * 1_000}
    ref = write_artifact(store, kind="policy", files=files, facts={"number": number}, owners=owners)
    generation = history.reign()
    model = version(member_seed=number, policy=ref.to_json(), data_version=ref.data_version)
    try:
        history.append(entry(model=model, actor=name), expected_generation=generation)
        won = generation + 1
    except PromotionConflict:
        won = None
    print(json.dumps([number, ref.to_json(), won]), flush=True)
"""

FILL_UP = """
import os, sys
from rl_assets.errors import StoreUnavailable
from rl_assets.store.objects import ObjectStore
store = ObjectStore(sys.argv[1])
if len(sys.argv) > 2:
    left, real_fsync = [600_000], os.fsync
    def fsync(descriptor):
        left[0] -= os.fstat(descriptor).st_size
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real_fsync(descriptor)
    os.fsync = fsync
refs = []
try:
    for number in range(1_000):
        refs.append(store.put(bytes([number % 256]) * (50_000 + number), owners=frozenset()))
except StoreUnavailable as error:
    print(error)
for number, ref in enumerate(refs):
    assert store.get(ref) == bytes([number % 256]) * (50_000 + number)
files = [path.name for path in store.root.rglob("*") if path.is_file() and path.name != ".lock"]
assert sorted(files) == sorted(ref.sha256 for ref in refs), "nothing half-written is left"
for ref in refs[:2]:
    (store.root / ref.path).unlink()
if len(sys.argv) > 2:
    left[0] = 10**9
late = store.put(b"now there is room", owners=frozenset())
assert store.get(late) == b"now there is room"
print(len(refs))
"""


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "store")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def may_mount() -> bool:
    """Whether this user may mount something in a namespace of its own."""
    try:
        return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def run_mounted(command: str, folder: Path, script: str, *args: object) -> tuple[str, str]:
    """Run a shell command where only it sees its mounts; in it `$0` is Python, `$1` the folder and `$2` the script."""
    words = ["unshare", "-rm", "sh", "-c", command, sys.executable, folder, script, *args]
    result = subprocess.run(list(map(str, words)), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return result.stdout, result.stderr


def examine(store: ObjectStore, *acknowledged: ArtifactRef) -> list[Finding]:
    """What the inspection finds where these artifacts and all champions are needed."""
    holder = Holder(name="acknowledged", is_current=True)
    inspection = Inspection(store, started_at=time.time())
    inspection.claim(Claim(ref=ref.manifest, holder=holder, is_artifact=True) for ref in acknowledged)
    inspection.claim(champion_claims(store))
    inspection.check_objects()
    return inspection.findings


def kill_writers(store: ObjectStore, start_child: StartChild, chance: random.Random, *, rounds: int) -> None:
    """Two writers of the same bytes and one of others, killed at random moments, again and again."""
    acknowledged: dict[int, ArtifactRef] = {}
    won: dict[int, str] = {}
    for round_number in range(rounds):
        starts = {"left": 1_000 * round_number, "right": 1_000 * round_number, "other": 1_000 * round_number + 500}
        children = {name: start_child(WRITE_UNTIL_KILLED, store.root, first, name) for name, first in starts.items()}
        for child in children.values():
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children.values():
            time.sleep(chance.uniform(0, 0.1))
            child.kill()
        for name, child in children.items():
            output, errors = child.communicate()
            assert errors == ""
            for line in output.splitlines(keepends=True):
                if line.endswith("\n"):
                    number, ref, generation = json.loads(line)
                    acknowledged[number] = ArtifactRef.from_json(ref)
                    if generation is not None:
                        assert won.setdefault(generation, name) == name, "a generation was won twice"
        for number, ref in acknowledged.items():
            artifact = read_artifact(store, ref)
            assert artifact.read("weights") == bytes([number % 251]) * (300_000 + number)
        assert examine(store, *acknowledged.values()) == []
        reigns = ChampionHistory(store, ENV).standing().reigns
        assert {reign.generation: reign.actor for reign in reigns}.items() >= won.items()
    assert acknowledged, "no writer ever came to an end"
    store.put(b"after the crashes", owners=ALICE)
    staged = [path for path in (store.root / "objects").rglob("incoming/*") if path.name != ".lock"]
    assert staged == [], "the next write removes what the killed ones left"


def test_writers_killed_at_random_moments_lose_nothing_that_was_acknowledged(
    store: ObjectStore, start_child: StartChild, chance: random.Random
) -> None:
    kill_writers(store, start_child, chance, rounds=KILLS)


@pytest.mark.soak
def test_many_killed_writers_lose_nothing_that_was_acknowledged(
    store: ObjectStore, start_child: StartChild, chance: random.Random
) -> None:
    kill_writers(store, start_child, chance, rounds=SOAK_KILLS)


@pytest.mark.parametrize("is_real", [True, False], ids=["a small disk where one may be mounted", "said by the system"])
def test_a_full_disk_refuses_clearly_keeps_what_it_has_and_goes_on_when_there_is_room(
    tmp_path: Path, start_child: StartChild, is_real: bool
) -> None:
    (tmp_path / "disk").mkdir()
    if is_real and may_mount():
        mount = 'mount -t tmpfs -o size=600k none "$1" && exec "$0" -c "$2" "$1/store"'
        output, errors = run_mounted(mount, tmp_path / "disk", FILL_UP)
    else:
        output, errors = start_child(FILL_UP, tmp_path / "disk" / "store", "simulated").communicate()
    assert errors == ""
    told, number = output.splitlines()
    assert "cannot write object 'objects/public/" in told
    assert "No space left on device: free some space or move the store to a larger disk" in told
    assert 5 <= int(number) < 12


READ_ONLY = """
import os, sys
from rl_assets.errors import StoreUnavailable
from rl_assets.store.artifacts import ArtifactRef
from rl_assets.store.objects import ObjectRef, ObjectStore
if len(sys.argv) > 4 and os.getuid() == 0:
    os.setuid(65534)
store = ObjectStore(sys.argv[1])
ref = ObjectRef(namespace="public", sha256=sys.argv[2], size_bytes=int(sys.argv[3]))
assert store.get(ref) == b"abc"
store.verify(ref)
try:
    store.put(b"abd", owners=frozenset())
except StoreUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize("is_mounted", [True, False], ids=["mounted so where one may mount", "by its permissions"])
def test_a_read_only_root_is_read_and_refuses_to_be_written(
    open_folder: Path, start_child: StartChild, is_mounted: bool
) -> None:
    store = ObjectStore(open_folder / "store")
    ref = store.put(b"abc", owners=frozenset())
    arguments = [store.root, ref.sha256, ref.size_bytes]
    if is_mounted and may_mount():
        mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$0" -c "$2" "$1" "$3" "$4"'
        output, errors = run_mounted(mount, store.root, READ_ONLY, *arguments[1:])
        words = "Read-only file system: mount the disk writable"
    else:
        for folder in [path for path in store.root.rglob("*") if path.is_dir()]:
            folder.chmod(0o555)
        output, errors = start_child(READ_ONLY, *arguments, "unprivileged").communicate()
        words = "Permission denied: let this user read and write there"
    assert errors == ""
    assert words in output
    assert examine(store) == []


FORBIDDEN = """
import os, sys, time
from rl_assets.errors import StoreUnavailable
from rl_assets.store.inspection import Inspection
from rl_assets.store.objects import ObjectRef, ObjectStore
if os.getuid() == 0:
    os.setuid(65534)
store = ObjectStore(sys.argv[1])
ref = ObjectRef(namespace="public", sha256=sys.argv[2], size_bytes=3)
for ask in (store.get, store.verify):
    try:
        ask(ref)
    except StoreUnavailable as error:
        print(error)
inspection = Inspection(store, started_at=time.time())
inspection.check_objects()
print(inspection.objects.count, [(finding.kind, finding.path) for finding in inspection.findings])
"""


def test_a_forbidden_file_is_refused_by_name_and_the_others_are_checked(
    open_folder: Path, start_child: StartChild
) -> None:
    store = ObjectStore(open_folder / "store")
    secret = store.put(b"abc", owners=frozenset())
    store.put(b"abd", owners=frozenset())
    (store.root / secret.path).chmod(0)
    output, errors = start_child(FORBIDDEN, store.root, secret.sha256).communicate()
    assert errors == ""
    first, second, inspected = output.splitlines()
    assert first == second
    assert f"cannot read object '{secret.path}'" in first
    assert "Permission denied: let this user read and write there" in first
    assert inspected == f"2 [('unreadable', '{secret.path}')]"


@pytest.mark.parametrize("place", ["store", "store/objects", "store/objects/c-00000000aa", "store/champions"])
def test_a_file_where_a_folder_is_needed_is_refused_for_every_user(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    store = ObjectStore(tmp_path / "store")
    history = ChampionHistory(store, ENV)
    ask = history.current if place.endswith("champions") else lambda: store.put(b"abc", owners=ALICE)
    with pytest.raises(StoreUnavailable, match="a file stands where a folder is needed: move it away"):
        ask()
    assert path.read_text() == "in the way"


def test_a_folder_where_an_object_is_needed_is_refused(store: ObjectStore) -> None:
    ref = store.put(b"abc", owners=ALICE)
    (store.root / ref.path).unlink()
    (store.root / ref.path).mkdir()
    for ask in (lambda: store.get(ref), lambda: store.verify(ref), lambda: store.put(b"abc", owners=ALICE)):
        with pytest.raises(StoreUnavailable, match="a folder stands where a file is needed: move it away"):
            ask()


def test_no_damage_of_any_file_is_ever_read_as_something_else(store: ObjectStore, chance: random.Random) -> None:
    files = {name: chance.randbytes(size) for name, size in (("weights", 5_000), ("history", 700), ("empty", 0))}
    ref = write_artifact(store, kind="policy", files=files, facts={"a": 1}, owners=ALICE)
    refused = 0
    for path in sorted(path for path in (store.root / "objects").rglob("*") if path.is_file() and path.name != ".lock"):
        whole = path.read_bytes()
        for damage in damages(whole, chance):
            path.write_bytes(damage)
            told = [read_or_refuse(store, ref, name, data) for name, data in files.items()]
            refused += sum(path.name in text for text in told)
            assert all(path.name in text for text in told if text)
            (finding,) = examine(store, ref)
            assert finding.path == str(path.relative_to(store.root))
        path.write_bytes(whole)
        assert examine(store, ref) == []
    damaged_files, damaged_manifest = 8 + 8 + 3, 8
    assert refused == damaged_files + damaged_manifest * len(files), "each damage was noticed by all that it concerns"


def read_or_refuse(store: ObjectStore, ref: ArtifactRef, name: str, expected: bytes) -> str:
    """The words of the refusal to read a file; empty where it was read, and then it is what was written."""
    try:
        artifact = read_artifact(store, ref)
        assert (artifact.facts, artifact.read(name)) == ({"a": 1}, expected)
    except CorruptObject as error:
        return str(error)
    return ""


def damages(whole: bytes, chance: random.Random) -> Iterator[bytes]:
    """Flipped bits, cuts, growth and an exchange; what does not change the bytes is left out."""
    for _ in range(3 if whole else 0):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        yield bytes(flipped)
    for size in (0, len(whole) // 2) if whole else ():
        yield whole[:size]
    yield whole + b"\0"
    yield bytes(len(whole) + 3)
    yield hashlib.sha256(whole).digest()


def test_a_store_whose_root_is_deleted_between_two_reads_says_so(store: ObjectStore) -> None:
    ref = store.put(b"abc", owners=ALICE)
    shutil.rmtree(store.root)
    with pytest.raises(ObjectNotFound, match="it was deleted, or the store root is another one"):
        store.get(ref)
    with pytest.raises(StoreUnavailable, match="vanished while it was in use"):
        store.put(b"abd", owners=ALICE)
    with pytest.raises(StoreError):
        store.verify(ref)
