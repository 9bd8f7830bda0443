"""The gates' verdict, as a person reads it."""

from collections.abc import Mapping
from typing import Any

from rl_assets.cli.printing import print_lines


def print_verdict(answer: Mapping[str, Any]) -> None:
    """The verdict, what it cost, and each gate's reason."""
    print_lines(
        f"{answer['env']}: {answer['verdict']}",
        f"candidate: {answer['candidate']}, member of seed {answer['member_seed']}",
    )
    if answer["num_episodes"]:
        looks = "1 look" if answer["looks"] == 1 else f"{answer['looks']} looks"
        print_lines(
            f"{answer['num_episodes']} fresh episodes in {looks}; test {answer['test']} of reign "
            f"{answer['reign']}, which may err by {100 * answer['alpha']:.3g} %"
        )
    if answer["renewal"]:
        print_lines(f"asked again because {answer['renewal']}")
    for decision in answer["decisions"]:
        print_lines(f"  {decision['verdict']:<5} {decision['name']}: {decision['reason']}")
