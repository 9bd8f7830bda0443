import json

import pytest

from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused

CLIENT = "c-0123456789"
ONE, TWO = f"{CLIENT}.d1", f"{CLIENT}.d2"


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"datasets": (TWO, ONE), "is_whole_client": True}, "client", f"all of client {CLIENT} (2 datasets)"),
        ({"datasets": (), "is_whole_client": True}, "client", f"all of client {CLIENT} (0 datasets)"),
        ({"datasets": (ONE,)}, "datasets", f"dataset {ONE}"),
        ({"datasets": (ONE, TWO, ONE)}, "datasets", f"2 datasets of client {CLIENT}"),
        ({"datasets": (ONE,), "subject_digest": "ab" * 16}, "subject", f"one data subject in dataset {ONE}"),
    ],
)
def test_a_scope_says_what_it_is_and_survives_json(fields: dict, kind: str, words: str):
    scope = ErasureScope(pseudonym=CLIENT, **fields)
    assert (scope.kind, scope.describe()) == (kind, words)
    assert ErasureScope.from_json(json.loads(json.dumps(scope.to_json()))) == scope


def test_the_order_of_datasets_does_not_matter():
    assert ErasureScope(pseudonym=CLIENT, datasets=(TWO, ONE)) == ErasureScope(pseudonym=CLIENT, datasets=(ONE, TWO))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pseudonym": "ACME Corp", "datasets": (ONE,)}, "not given as a pseudonym"),
        ({"pseudonym": CLIENT, "datasets": ("c-00000000ff.d1",)}, "one is none of them"),
        ({"pseudonym": CLIENT, "datasets": ("the ACME data",)}, "one is none of them"),
        ({"pseudonym": CLIENT, "datasets": ()}, "no dataset is named"),
        ({"pseudonym": CLIENT, "datasets": (ONE,), "subject_digest": "Jane Doe"}, "not given as a digest"),
        ({"pseudonym": CLIENT, "datasets": (ONE,), "subject_digest": "0" * 32, "is_whole_client": True}, "got both"),
    ],
)
def test_what_contradicts_itself_is_refused_without_repeating_a_name(fields: dict, reason: str):
    with pytest.raises(ErasureRefused, match=reason) as caught:
        ErasureScope(**fields)
    assert not any(name in str(caught.value) for name in ("ACME", "Jane"))


def test_what_is_no_scope_is_refused():
    with pytest.raises(ErasureRefused, match="expected the fields"):
        ErasureScope.from_json({"pseudonym": CLIENT})
