"""Lineages as a page shows them, of any size."""

from rl_assets.reports.lineage_drawing import Edge, Node
from rl_assets.reports.lineage_page import LineagePage

RECIPE = "CartPole-v1|ppo-lr=0.{:03d}-envs=4-num_steps=32-hidden=8-steps=256-{:010x}"


def box(number: int, asset: str, partition: str, *marks: str) -> Node:
    """A box with everything to show."""
    version = f"{number * 2654435761 % 2**32:08x}" * 8
    return Node(
        number=number,
        asset=asset,
        partition=partition,
        data_version=version,
        marks=marks,
        details={"event": str(number), "data version": version, "commit": "c9791e8ded (dirty)", "seeds": "0, 1, 2"},
    )


def sweep_lineage(num_policies: int) -> LineagePage:
    """Two clients' sweeps with all their policies, one promoted model and a policy that was trained from it."""
    nodes = [box(1, "datasets", "c-d1a973d7da.d1"), box(2, "datasets", "c-0123456789.d1")]
    nodes += [box(3, "sweep_configs", "tiny"), box(4, "sweep_configs", "other", "unrecorded")]
    edges = [Edge(source=1, reader=3)]
    policies = range(5, 5 + num_policies)
    board = 5 + 2 * num_policies
    for place, policy in enumerate(policies):
        evaluation = policy + num_policies
        nodes.append(box(policy, "trained_policies", RECIPE.format(place, place)))
        nodes.append(box(evaluation, "policy_evaluations", RECIPE.format(place, place)))
        edges += [Edge(source=1 + place % 2, reader=policy), Edge(source=3 + place % 2, reader=policy)]
        edges += [Edge(source=policy, reader=evaluation), Edge(source=evaluation, reader=board)]
    winner = policies[num_policies // 2]
    nodes += [
        box(board, "eval_leaderboards", "CartPole-v1"),
        box(board + 1, "gate_evaluations", "CartPole-v1"),
        box(board + 2, "promoted_models", "CartPole-v1", "subject", "promoted"),
        box(board + 3, "trained_policies", "CartPole-v1|tuned-" + "x" * 60),
    ]
    edges += [
        Edge(source=board, reader=board + 1, role="evidence"),
        Edge(source=winner, reader=board + 1),
        Edge(source=board + 1, reader=board + 2, role="evidence"),
        Edge(source=winner, reader=board + 2),
        Edge(source=board + 2, reader=board + 3),
    ]
    return page_of(nodes, edges)


def chain() -> LineagePage:
    """Three boxes, one of them missing."""
    nodes = [
        box(1, "datasets", "c-d1a973d7da.d1"),
        box(2, "trained_policies", RECIPE.format(1, 1), "missing"),
        box(3, "promoted_models", "CartPole-v1", "subject"),
    ]
    return page_of(nodes, [Edge(source=1, reader=2), Edge(source=2, reader=3)])


def page_of(nodes: list[Node], edges: list[Edge]) -> LineagePage:
    """A page with all its parts."""
    return LineagePage(
        kind="Lineage, backward",
        title="promoted_models: CartPole-v1",
        summary="The chain is complete down to 1 dataset.",
        facts={"data version": "ab12" * 16, "clients": "c-d1a973d7da"},
        nodes=nodes,
        edges=edges,
        warnings=["something <b>was</b> wiped"],
        tables={"Files of the datasets": [{"file": "000000.npz", "sha256": "ab12" * 16, "size_bytes": "1234"}]},
    )
