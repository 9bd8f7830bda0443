import inspect
import math
import pickle
import re

import pytest

from rl_assets import errors
from rl_assets.errors import GuardrailTripped, MemberDiverged, RlAssetsError, TrainingError

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, RlAssetsError)]
GUARDRAILS = [cls for cls in CLASSES if issubclass(cls, GuardrailTripped) and cls is not GuardrailTripped]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    above: list[str] = []
    parents = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"^((?:[│ ] {3})*(?:[├└]── )?)(\w+)(?:$|  )", line):
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            parents[match[2]] = above[depth - 1] if depth else "Exception"
    assert parents == {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES}


@pytest.mark.parametrize("error", GUARDRAILS)
def test_a_guardrails_error_crosses_processes_whole(error):
    sent = error("ppo-1 seed 3", 12, "a number", 4.5, "at most 3")
    got = pickle.loads(pickle.dumps(sent))
    assert type(got) is error
    assert str(got) == str(sent)
    assert vars(got) == vars(sent)


@pytest.mark.parametrize("error", GUARDRAILS)
def test_a_guardrails_error_says_who_when_what_and_what_to_do(error):
    text = str(error("ppo-1 seed 3", 12, "a number", 4.5, "at most 3"))
    assert text.startswith("member 'ppo-1 seed 3' ")
    assert "in update 12: a number is 4.5, expected at most 3" in text
    assert text.endswith(f"; {error.advice}")
    assert len(error.advice) > 20
    assert error is MemberDiverged or f"(guardrail {error.guardrail})" in text


def test_the_share_of_numbers_that_are_not_finite_is_kept():
    error = MemberDiverged("m", 0, "a reward", math.nan, share=0.25)
    assert issubclass(MemberDiverged, TrainingError)
    assert pickle.loads(pickle.dumps(error)).share == 0.25
    assert "a reward is nan, expected finite numbers" in str(error)
