from hypothesis import given
from hypothesis import strategies as st

from rl_assets.reports.lineage_layout import lay_out


def order(nodes: list[int], edges: list[tuple[int, int]], **settings) -> list[list[int]]:
    """Numbers of the nodes, column by column; where lines pass through is left out."""
    layout = lay_out(nodes, edges, **settings)
    return [[node for node, column in stops if layout.column_of[node] == column] for stops in layout.columns]


def test_a_chain_goes_from_left_to_right() -> None:
    assert order([3, 1, 2], [(1, 2), (2, 3), (1, 3)]) == [[1], [2], [3]]


def test_readers_stand_beside_what_they_read() -> None:
    edges = [(1, 6), (2, 5), (3, 4)]
    assert order([1, 2, 3, 4, 5, 6], edges) in ([[1, 2, 3], [6, 5, 4]], [[3, 2, 1], [4, 5, 6]])


def test_what_comes_first_comes_first() -> None:
    edges = [(1, reader) for reader in range(2, 9)]
    assert order(list(range(1, 9)), edges, on_top={7})[1][0] == 7


def test_lines_of_one_source_pass_a_column_together() -> None:
    layout = lay_out([1, 2, 3, 4], [(1, 2), (2, 3), (2, 4), (1, 3), (1, 4)])
    assert layout.lines[(1, 0), (1, 1)] == (3, 4)
    assert layout.columns[1] in (((1, 1), (2, 1)), ((2, 1), (1, 1)))


def test_lines_that_go_back_are_left_out_and_nothing_is_no_error() -> None:
    assert order([1, 2], [(2, 1), (1, 1)]) == [[1, 2]]
    assert lay_out([], []).columns == ()


GRAPHS = st.integers(1, 30).flatmap(
    lambda size: st.tuples(
        st.just(list(range(size))),
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=60, unique=True),
    )
)


@given(graph=GRAPHS)
def test_every_source_is_left_of_its_readers_and_every_line_arrives(
    graph: tuple[list[int], list[tuple[int, int]]],
) -> None:
    nodes, edges = graph
    layout = lay_out(nodes, edges)
    places = [stop for column in layout.columns for stop in column]
    assert len(places) == len(set(places))
    assert {(node, layout.column_of[node]) for node in nodes} <= set(places)
    arrived = set()
    for ((source, column), (end, after)), readers in layout.lines.items():
        assert after == column + 1
        if layout.column_of[end] == after and end != source:
            assert readers == (end,)
            arrived.add((source, end))
    assert arrived == {(source, reader) for source, reader in edges if source < reader}
