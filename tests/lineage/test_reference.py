import pytest

from rl_assets.errors import BadInput, UnknownPartition
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.reference import Reference
from tests.lineage.test_graph import made

OLD, NEW = made(3, "trained_policies", "Pong-v5|ppo-lr=0.001"), made(7, "trained_policies", "Pong-v5|ppo-lr=0.001")
GRAPH = LineageGraph.build([OLD, NEW])


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("trained_policies:Pong-v5|ppo-lr=0.001", NEW),
        ("trained_policies:Pong-v5|ppo-lr=0.001@3", OLD),
        ("3", OLD),
        (" 7 ", NEW),
    ],
)
def test_a_partition_is_its_newest_event_and_a_number_is_that_event(text: str, event: object) -> None:
    assert Reference.parse(text).resolve(GRAPH) == event


@pytest.mark.parametrize("text", ["", "CartPole-v1", "a:", ":b", "a:b@", "a:b@x", "-3", "Datasets:x", "a:b@1@2"])
def test_what_has_none_of_the_forms_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(BadInput, match="expected ASSET:PARTITION"):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets:x", "nothing was ever materialized as 'datasets', partition 'x'"),
        ("99", "event 99 is no known"),
        ("datasets:x@3", "event 3 is trained_policies:Pong-v5"),
        ("trained_policies:Pong-v5|other@3", "not trained_policies:Pong-v5|other"),
    ],
)
def test_what_is_not_in_the_log_is_refused(text: str, words: str) -> None:
    with pytest.raises(UnknownPartition) as caught:
        Reference.parse(text).resolve(GRAPH)
    assert words in str(caught.value)
