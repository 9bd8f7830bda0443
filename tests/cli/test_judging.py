"""`rlctl gates`: what the gates said, and asking again."""

import json
from pathlib import Path
from typing import Any

from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"


def test_a_person_reads_the_verdict_and_asks_again_for_a_reason(rlctl: Any, tmp_path: Path) -> None:
    file = tmp_path / "high.yaml"
    sweep = tiny_sweep(seeds=1, gates={"floor": 1e6, "num_episodes": 4}).model_dump(mode="json", exclude_none=True)
    file.write_text(json.dumps(sweep))
    assert rlctl("sweep", "-f", file, "--json")[0] == 0
    code, out, err = rlctl("gates", ENV)
    assert code == 0, err
    assert out.startswith(f"{ENV}: fail\ncandidate: ppo-")
    assert "4 fresh episodes in 1 look; test 1 of reign 0, which may err by 2.5 %" in out
    assert "  fail  meets_floor: 4 episodes have a mean of " in out
    again = json.loads(rlctl("gates", ENV, "--again", "the pole was mended", "--json")[1])
    assert (again["test"], again["renewal"], again["verdict"]) == (2, "the pole was mended", "fail")
    assert rlctl("gates", ENV, "--again", "the pole was mended", "--json")[1] == json.dumps(again, indent=2) + "\n"


def test_what_cannot_be_asked_is_refused(rlctl: Any, tmp_path: Path) -> None:
    code, out, err = rlctl("gates", ENV)
    assert (code, out) == (2, "")
    assert "no gate has judged a candidate of env 'CartPole-v1' yet: expected one of (none yet)" in err
    code, _, err = rlctl("gates", ENV, "--again", " ")
    assert code == 2
    assert "needs a reason" in err
