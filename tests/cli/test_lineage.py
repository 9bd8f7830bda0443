"""`rlctl lineage`: words, exit codes, notes on standard error, and pages."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_app import write_sweep
from tests.defs.tiny_sweeps import ACME

ADD = ("dataset", "add", "--client", "Acme", "--project", "p", "--data-source", "s", "--domain", "d", "--json")


def test_every_word_answers_in_tables_and_in_json_and_draws_its_page(rlctl: Any, tmp_path: Path) -> None:
    assert rlctl("sweep", "-f", write_sweep(tmp_path))[0] == 0
    key = json.loads(rlctl("dataset", "list", "--json")[1])[0]["dataset"]
    model = "promoted_models:CartPole-v1"
    page = tmp_path / "page.html"
    for words in (
        ["--client", ACME["client_id"]],
        ["--champion", "CartPole-v1"],
        ["forward", f"datasets:{key}"],
        ["backward", model],
        ["diff", model, f"datasets:{key}"],
    ):
        code, out, err = rlctl("lineage", *words, "--html", page)
        assert (code, bool(out.strip())) == (0, True), err
        assert "page written to" in err
        assert b"<svg" in page.read_bytes()
        page.unlink()
        code, out, err = rlctl("lineage", *words, "--json")
        assert (code, bool(json.loads(out)), err) == (0, True, "")
    code, out, _ = rlctl("lineage", "backward", model)
    assert "complete down to its sources" in out
    code, out, _ = rlctl("lineage", "export", tmp_path / "events.jsonl")
    assert (code, len((tmp_path / "events.jsonl").read_text().splitlines())) == (0, 20)
    assert "20 OpenLineage events" in out


def test_the_index_is_rebuilt_by_one_command_and_a_foreign_one_is_told(rlctl: Any, tmp_path: Path) -> None:
    key = json.loads(rlctl(*ADD)[1])["dataset"]
    code, out, _ = rlctl("lineage", "index", "--json")
    assert (code, json.loads(out)["num_events"]) == (0, 1)
    file = Path(json.loads(out)["file"])
    code, out, _ = rlctl("lineage", "index", "--rebuild", "--check")
    assert code == 0
    assert "it was asked for" in out
    assert "all equal" in out
    file.write_bytes(b"something else entirely")
    code, out, err = rlctl("lineage", "forward", f"datasets:{key}", "--json")
    assert (code, len(json.loads(out)["materializations"])) == (0, 1)
    assert "note: the lineage index was built again from the event log" in err
    assert rlctl("lineage", "forward", f"datasets:{key}")[2] == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--client"),
        (["--client", "x", "--champion", "y"], "exactly one"),
        (["--client", "x", "forward", "datasets:y"], "options stand after 'forward'"),
        (["--json", "index"], "options stand after 'index'"),
        (["forward", "x"], "expected ASSET:PARTITION"),
        (["forward", "datasets:x"], "'datasets', partition 'x'"),
        (["backward", "7"], "event 7"),
        (["diff", "1", "2"], "event 1"),
        (["--champion", "Nowhere-v1"], "Nowhere-v1"),
    ],
)
def test_questions_without_an_answer_exit_with_2(rlctl: Any, words: list[str], said: str) -> None:
    code, out, err = rlctl("lineage", *words)
    assert (code, out) == (2, "")
    assert said in err


def test_a_page_that_cannot_be_written_fails_after_the_answer(rlctl: Any, tmp_path: Path) -> None:
    key = json.loads(rlctl(*ADD)[1])["dataset"]
    code, out, err = rlctl("lineage", "forward", f"datasets:{key}", "--html", tmp_path / "no" / "page.html")
    assert code == 1
    assert key in out
    assert "no/page.html" in err
