"""`rlctl erase` and what belongs to it: plans, certificates and training again, as a person asks for and reads them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_assets import api
from rl_assets.api.drive import has_daemon
from rl_assets.api.installation import Installation
from rl_assets.cli.live import live_progress, open_console
from rl_assets.cli.printing import print_lines, print_table
from rl_assets.errors import BadInput
from rl_assets.reports.numbers import count_of

MAX_ROWS = 200


def erase(
    *,
    client: str | None,
    datasets: Sequence[str],
    subject: str | None,
    include_possibly_affected: bool | None,
    confirm: str | None,
    as_json: bool,
) -> None:
    """Print a plan, or carry out the plan that is confirmed."""
    if confirm is None:
        with api.open_installation() as installation:
            plan = api.plan_erasure(
                installation,
                client=client,
                datasets=datasets,
                subject=subject,
                include_possibly_affected=include_possibly_affected,
            )
        _show(plan, print_plan, as_json=as_json)
        return
    if client or datasets or subject:
        raise BadInput(
            "rlctl erase --confirm carries out a plan as it was printed: expected the plan's id alone; leave --client, "
            "--dataset and --subject out"
        )
    answer = _with_events(lambda installation, tell: api.confirm_erasure(installation, confirm, on_event=tell))
    _show(answer, print_outcome, as_json=as_json)


def verify(file: Path, *, public_key: Path | None, as_json: bool) -> None:
    """Check a certificate; with the ledger of this folder's installation, its place in the chain too."""
    ledger = None if public_key is not None else api.ledger_folder()
    certificate = api.verify_certificate(file, public_key=public_key, ledger=ledger)
    answer = {"is_genuine": True, "chain_was_checked": ledger is not None} | dict(certificate.body)
    _show(answer, print_certificate, as_json=as_json)


def list_erasures(*, as_json: bool) -> None:
    """Show every order and how far it is."""
    with api.open_installation() as installation:
        orders = api.list_erasures(installation)
    _show(orders, print_orders, as_json=as_json)


def retrain(order: str, *, launch: bool, as_json: bool) -> None:
    """Show what can be trained again without the data, or launch it."""
    if launch:
        done = _with_events(lambda installation, tell: api.retrain(installation, order, on_event=tell))
        _show(done, print_retrained, as_json=as_json)
        return
    with api.open_installation() as installation:
        plan = api.retraining_plan(installation, order)
    _show(plan | {"order": order}, print_retraining, as_json=as_json)


def print_plan(plan: Mapping[str, Any]) -> None:
    """What would go, whose champions, what stays, and what to do next."""
    print_lines(f"plan {plan['plan_id']}: erase {plan['describes']}. Nothing was changed.")
    counts = [(asset, str(number)) for asset, number in plan["counts"].items()]
    print_table("what would go", ("asset", "materializations"), counts)
    rows = [(item["asset"], str(item["partition"]), str(item["event_id"])) for item in plan["erased"][:MAX_ROWS]]
    print_table("one by one", ("asset", "partition", "event"), rows)
    if len(plan["erased"]) > MAX_ROWS:
        print_lines(f"and {len(plan['erased']) - MAX_ROWS} more; --json lists all")
    print_lines(f"in the store: {count_of(plan['num_objects'], 'object')}, {plan['size_bytes']:,} bytes")
    for change in plan["champions"]:
        print_lines(_champion_line(change))
    keys = [_keys_line(name, found) for name, found in plan["keys"].items() if found]
    print_lines(f"partition keys that go: {'; '.join(keys) or 'none'}")
    for place in plan["source_places"]:
        print_lines(f"not ours, and left as it is: {place}")
    _print_doubts(plan)
    for hold in plan["holds"]:
        print_lines(
            f"LEGAL HOLD {hold['number']} since {hold['placed_at']}, by {hold['placed_by']}: it cannot be confirmed "
            f"before `rlctl client release CLIENT {hold['number']} --reason TEXT`"
        )
    if not plan["holds"]:
        who = (
            f", by somebody else than {plan['requested_by']} who holds the role 'eraser'"
            if plan["has_second_actor_rule"]
            else ""
        )
        print_lines(f"to carry it out{who}: rlctl erase --confirm {plan['plan_id']}")


def print_outcome(answer: Mapping[str, Any]) -> None:
    """What was done, and what to do with it."""
    again = " (it was finished before)" if answer["was_finished"] else ""
    print_lines(f"order {answer['order']} is carried out{again}; certificate {answer['certificate']}: {answer['file']}")
    for change in answer["champions"]:
        print_lines(_champion_line(change))
    rows = [
        (scan["what"].replace("_", " "), f"{scan['num_scanned']:,}", f"{scan['size_bytes']:,}", str(scan["hits"]))
        for scan in answer["verification"]
    ]
    print_table("searched for what was erased", ("where", "files or objects", "bytes", "found"), rows)
    if answer["retraining"]["items"]:
        print_lines(
            f"policies were lost by it; rlctl retrain {answer['order']} shows what trains them without the data"
        )


def print_certificate(answer: Mapping[str, Any]) -> None:
    """A certificate in words."""
    print_lines(
        f"genuine: certificate {answer['number']} of instance {answer['instance_id']}, order {answer['order_id']}",
        f"ordered {answer['ordered_at']}, issued {answer['issued_at']}, "
        + ("confirmed by a second person" if answer["has_second_actor"] else "by one person alone"),
        "its place in the chain was checked" if answer["chain_was_checked"] else "checked by itself, not in its chain",
    )
    print_table(
        f"erased ({answer['scope']['kind']})",
        ("asset", "materializations"),
        [(asset, str(number)) for asset, number in answer["erased"].items()],
    )
    for change in answer["champions"]:
        print_lines(_champion_line(change))
    if answer["replays"]:
        print_lines(f"it carried out order {answer['replays']} once more, over a backup that was restored")
    found = sum(scan["hits"] for scan in answer["verification"])
    print_lines(f"found afterwards in {count_of(len(answer['verification']), 'kind')} of places: {found}")


def print_orders(orders: Sequence[Mapping[str, Any]]) -> None:
    """Orders, the earliest first."""
    rows = [
        (
            order["order"],
            order["ordered_at"],
            order["scope"],
            str(order["num_materializations"]),
            f"certificate {order['certificate']}" + (f", replays {order['replays']}" if order["replays"] else "")
            if order["certificate"]
            else f"NOT FINISHED after {(order['steps_done'] or ['its confirmation'])[-1]}",
        )
        for order in orders
    ]
    print_table("erasures", ("order", "when", "scope", "materializations", "state"), rows)
    for order in orders:
        if not order["certificate"]:
            print_lines(f"go on: rlctl erase --confirm {order['plan']}")


def print_retraining(plan: Mapping[str, Any]) -> None:
    """What can be trained again, and what it costs."""
    if not plan["items"]:
        print_lines("nobody else lost a policy: there is nothing to train again")
        return
    rows = [
        (
            item["sweep"],
            {"again": "the same sweep", "without": "without the data", "by hand": "by hand"}[item["how"]],
            str(len(item["cells"])),
            f"{item['env_steps']:,}",
            "–" if item["seconds"] is None else f"{item['seconds']:,.0f} s",
            "launched" if item["is_launched"] else "to do",
        )
        for item in plan["items"]
    ]
    print_table("train again", ("sweep", "how", "policies lost", "env steps", "about", "state"), rows)
    print_lines(f"to launch it: rlctl retrain {plan['order']} --launch")


def print_retrained(done: Sequence[Mapping[str, Any]]) -> None:
    """What was launched, and what of it failed."""
    for item in done:
        if item["launched_as"] is None:
            print_lines(f"{item['sweep']}: not launched: {item['refused']}")
            continue
        failed = f", failed: {', '.join(item['failed'])}" if item["failed"] else ""
        print_lines(f"{item['sweep']}: trained again as {item['launched_as']}{failed}")


def _print_doubts(plan: Mapping[str, Any]) -> None:
    doubtful = plan["possibly_affected"]
    if not doubtful:
        return
    said = {
        None: "say --include-possibly-affected or --leave-possibly-affected: without, the plan cannot be confirmed",
        True: "they go too",
        False: "they stay, and the certificate says how many",
    }[plan["include_possibly_affected"]]
    rows = [(item["asset"], str(item["partition"]), str(item["event_id"])) for item in doubtful[:MAX_ROWS]]
    print_table("possibly affected: nobody recorded what they read", ("asset", "partition", "event"), rows)
    print_lines(f"{count_of(len(doubtful), 'materialization')} of unknown origin: {said}")


def _keys_line(name: str, keys: Sequence[str]) -> str:
    return f"{count_of(len(keys), name)} ({', '.join(keys[:5])}{' …' if len(keys) > 5 else ''})"


def _champion_line(change: Mapping[str, Any]) -> str:
    erased = change["erased_generations"]
    action = change.get("action") or _action(change)
    what = {
        "keep": "its champion stays; earlier ones go",
        "roll_back": f"its champion goes; generation {change['replacement']} takes over",
        "vacate": "its champion goes and NOBODY takes over: no version is left that did not stand on the data",
    }[action]
    return f"{change['env']}: {what} (erased: {', '.join(f'generation {number}' for number in erased)})"


def _action(change: Mapping[str, Any]) -> str:
    if change["production"] not in change["erased_generations"]:
        return "keep"
    return "vacate" if change["replacement"] is None else "roll_back"


def _with_events(do: Callable[[Installation, Callable[[str], None]], Any]) -> Any:
    with (
        open_console() as console,
        api.open_installation() as installation,
        live_progress(installation.progress, console, is_watching=lambda: has_daemon(installation.instance)),
    ):
        return do(installation, lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True))


def _show(answer: Any, print_pretty: Callable[[Any], None], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print_pretty(answer)
