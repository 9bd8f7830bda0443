"""Promotions, rollbacks and their history, as a person asks for and reads them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.cli.live import open_console
from rl_assets.cli.printing import print_champion, print_lines


def promote_member(env: str, hparam: str | None, *, seed: int | None, reason: str, as_json: bool) -> None:
    """Promote by hand and show who reigns now."""
    _decide(
        lambda installation, tell: api.promote(installation, env, hparam, seed=seed, reason=reason, on_event=tell),
        as_json=as_json,
    )


def roll_back(env: str, *, to: int | None, reason: str, as_json: bool) -> None:
    """Roll back and show who reigns now."""
    _decide(
        lambda installation, tell: api.rollback(installation, env, to=to, reason=reason, on_event=tell),
        as_json=as_json,
    )


def print_history(answer: Mapping[str, Any]) -> None:
    """Each transition, attempt and verdict with who, when and why, oldest first, and what stands now."""
    generation = 0
    print_lines(f"{answer['env']}: what became of its models")
    declined = [verdict for verdict in answer["verdicts"] if verdict["verdict"] != "pass"]
    for entry in sorted([*declined, *answer["transitions"]], key=lambda entry: entry["at"]):
        if "decisions" in entry:
            _print_verdict(entry)
            continue
        is_change = entry["outcome"] == "done" and entry["action"] != "stage"
        generation += is_change
        model = entry["model"]
        what = f" {model['hparam']}, member of seed {model['member_seed']}" if model else ""
        what = " a model that is erased" if entry["remains"] else what
        print_lines(
            f"{entry['number']:>3}  {entry['at']}  {entry['title']}{what}"
            + (f" (generation {generation})" if is_change else "")
        )
        whose = "erased by order" if entry["remains"] else "what was said of it spoke of data erased by order"
        erased = f"{whose} {entry['erased_by']}" if entry["erased_by"] else ""
        print_lines(f"     by {_actor(entry)}: {entry['reason'] or erased or 'no reason given'}")
        if entry["note"]:
            print_lines(f"     {entry['note']}")
        if entry["evidence"].get("id"):
            print_lines(f"     verdict {entry['evidence']['id'][:12]}")
        hashes = model or entry["remains"]
        if hashes:
            print_lines(f"     weights {hashes['weights_sha256'][:12]}, model {hashes['data_version'][:12]}")
    production, staging = answer["production"], answer["staging"]
    vacancy = f"nothing, vacated at {answer['vacated']['at']}" if answer["vacated"] else "nothing"
    print_lines(
        "production: "
        + (f"generation {production['generation']}, {production['hparam']}, member of seed {production['member_seed']}"
           if production else vacancy)
    )  # fmt: skip
    if staging:
        model = staging["model"]
        waiting = f"{model['hparam']}, member of seed {model['member_seed']}"
        print_lines(f"staging: {waiting}; `rlctl promote {answer['env']}` promotes it")
    if answer["archived"]:
        print_lines("archived: " + ", ".join(f"generation {item['generation']}" for item in answer["archived"]))


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    """A verdict that changed nothing; one that passed stands beside the promotion that it led to."""
    word = {"hold": "held", "fail": "failed"}[verdict["verdict"]]
    print_lines(f"  -  {verdict['at']}  {word} {verdict['hparam']}, member of seed {verdict['member_seed']}")
    if verdict["renewal"]:
        print_lines(f"     asked again by {verdict['asked_by'] or 'somebody'}: {verdict['renewal']}")
    for decision in verdict["decisions"]:
        if decision["verdict"] != "pass":
            print_lines(f"     {decision['name']} {decision['verdict']}: {decision['reason']}")
    print_lines(f"     verdict {verdict['id'][:12]}")


def _decide(decide: Callable[[Installation, Callable[[str], None]], dict[str, Any]], *, as_json: bool) -> None:
    with open_console() as console, api.open_installation() as installation:
        champion = decide(installation, lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True))
    if as_json:
        print(json.dumps(champion, indent=2, ensure_ascii=False))
    else:
        print_champion(champion)


def _actor(entry: Mapping[str, Any]) -> str:
    if not entry["role"]:
        return entry["actor"]
    return f"{entry['actor']} ({'verified' if entry['is_verified'] else 'claimed'}, {entry['role']})"
