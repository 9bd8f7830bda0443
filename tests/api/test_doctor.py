"""The examination of a whole installation."""

import json
from pathlib import Path

import dagster as dg

from rl_assets.api import examine
from rl_assets.api.doctor import Examined
from rl_assets.api.installation import Installation
from rl_assets.resources.event_log import ARTIFACT_KEY, DATA_VERSION_TAG
from rl_assets.store.artifacts import ArtifactRef, read_artifact, write_artifact
from rl_assets.store.objects import ObjectStore


def materialize(installation: Installation, partition: str) -> ArtifactRef:
    """Log a policy of 100 bytes as the assets do."""
    files = {"weights": partition.encode() * 100}
    store = ObjectStore(installation.home.store_url)
    ref = write_artifact(store, kind="policy", files=files, facts={}, owners=frozenset())
    installation.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key="trained_policies",
            partition=partition,
            metadata={ARTIFACT_KEY: dg.MetadataValue.json(ref.to_json())},
            tags={DATA_VERSION_TAG: ref.data_version},
        )
    )
    return ref


def snapshot(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_new_installation_is_healthy_and_looking_creates_nothing(installation: Installation) -> None:
    answer = examine(installation)
    assert (answer["is_healthy"], answer["num_records"], answer["num_objects"]) == (True, 0, 0)
    assert not Path(installation.home.store_url).exists()


def test_the_answer_is_plain_data_and_nothing_is_written(installation: Installation) -> None:
    ref = materialize(installation, "a")
    store = ObjectStore(installation.home.store_url)
    path = read_artifact(store, ref).path("weights")
    (store.root / path).write_bytes(b"b" * 100)
    before = snapshot(store.root)
    answer = examine(installation)
    assert snapshot(store.root) == before
    assert json.loads(json.dumps(answer)) == answer
    assert {key: answer[key] for key in ("is_healthy", "num_records", "num_objects")} == {
        "is_healthy": False, "num_records": 1, "num_objects": 2,
    }  # fmt: skip
    (finding,) = answer["findings"]
    assert set(finding) == {"kind", "path", "what", "needed_by", "is_current", "to_do"}
    assert (finding["path"], finding["needed_by"]) == (path, ["trained_policies[a]"])


def test_progress_tells_records_and_then_all_bytes(installation: Installation) -> None:
    for partition in ("a", "b"):
        materialize(installation, partition)
    told: list[Examined] = []
    answer = examine(installation, on_progress=told.append)
    assert [(now.phase, now.done) for now in told[:2]] == [("records", 1), ("records", 2)]
    assert told[-1] == Examined(phase="objects", done=answer["size_bytes"], total=answer["size_bytes"])


def test_what_stands_now_comes_before_the_past(installation: Installation) -> None:
    store = ObjectStore(installation.home.store_url)
    refs = [materialize(installation, partition) for partition in ("a", "b")]
    for ref in refs:
        (store.root / read_artifact(store, ref).path("weights")).unlink()
    newer = write_artifact(store, kind="policy", files={}, facts={"n": 1}, owners=frozenset())
    installation.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key="trained_policies",
            partition="a",
            metadata={ARTIFACT_KEY: dg.MetadataValue.json(newer.to_json())},
            tags={DATA_VERSION_TAG: newer.data_version},
        )
    )
    findings = examine(installation)["findings"]
    assert [(finding["is_current"], finding["needed_by"][0].split(" ")[0]) for finding in findings] == [
        (True, "trained_policies[b]"),
        (False, "trained_policies[a]"),
    ]


def test_harmless_files_are_notes_with_their_meaning(installation: Installation) -> None:
    materialize(installation, "a")
    store = ObjectStore(installation.home.store_url)
    (store.root / "objects" / "public" / "incoming" / "left").write_bytes(b"xy")
    (store.root / "objects" / "notes.txt").write_bytes(b"z")
    answer = examine(installation)
    assert answer["is_healthy"]
    notes = {note["kind"]: (note["count"], note["size_bytes"], note["paths"]) for note in answer["notes"]}
    assert notes == {
        "leftovers": (1, 2, ["objects/public/incoming/left"]),
        "strangers": (1, 1, ["objects/notes.txt"]),
    }
    assert all(note["meaning"] for note in answer["notes"])


def test_a_lost_manifest_makes_its_files_perhaps_unnamed(installation: Installation, monkeypatch) -> None:
    ref = materialize(installation, "a")
    (Path(installation.home.store_url) / ref.manifest.path).unlink()
    monkeypatch.setattr("rl_assets.api.doctor.time.time", lambda: 4e9)
    (note,) = examine(installation)["notes"]
    assert (note["kind"], note["count"]) == ("perhaps unnamed", 1)
    assert "keep them" in note["meaning"]
