"""`rlctl client`: what the client register knows, and its key."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from rl_assets.cli.options import JsonOption

client_app = typer.Typer(
    help="Clients, their contacts and legal holds, and the key of the register that holds their names.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

ClientArgument = Annotated[str, typer.Argument(help="The client's name as it was registered, or its pseudonym.")]
NumberArgument = Annotated[int, typer.Argument(help="Its number, as `rlctl client show` lists it.")]


@client_app.command("list")
def client_list(as_json: JsonOption = False) -> None:
    """List all clients with their pseudonyms."""
    from rl_assets import api

    _answer(
        api.list_clients,
        lambda clients: (
            [
                f"{item['pseudonym']}  {item['client_id']}: {item['num_datasets']} datasets"
                + (f", {item['num_holds']} legal holds in force" if item["num_holds"] else "")
                for item in clients
            ]
            or ["no client is registered"]
        ),
        as_json=as_json,
    )


@client_app.command("show")
def client_show(client: ClientArgument, as_json: JsonOption = False) -> None:
    """Show a client's contacts, legal holds and datasets with their terms."""
    from rl_assets import api

    _answer(lambda installation: api.show_client(installation, client), _spell_client, as_json=as_json)


@client_app.command("hold")
def client_hold(
    client: ClientArgument,
    reason: Annotated[str, typer.Option(help="Why, such as the number of a case; stays in the register.")],
    dataset: Annotated[str | None, typer.Option(help="Key of one dataset; leave out to hold all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Place a legal hold: nothing of the client, or of one dataset, is erased until it is released."""
    from rl_assets import api

    _answer(
        lambda installation: asdict(api.place_hold(installation, client, reason=reason, dataset=dataset)),
        lambda hold: [f"legal hold {hold['number']} on {hold['dataset'] or 'all data'} of the client is in force"],
        as_json=as_json,
    )


@client_app.command("release")
def client_release(
    client: ClientArgument,
    number: NumberArgument,
    reason: Annotated[str, typer.Option(help="Why; stays in the register.")],
    as_json: JsonOption = False,
) -> None:
    """Release a legal hold; it stays on record."""
    from rl_assets import api

    _answer(
        lambda installation: asdict(api.release_hold(installation, client, number, reason=reason)),
        lambda hold: [f"legal hold {hold['number']} is released"],
        as_json=as_json,
    )


@client_app.command("contact")
def client_contact(
    client: ClientArgument,
    name: Annotated[str, typer.Option(help="Whom to ask.")],
    address: Annotated[str, typer.Option(help="An e-mail address, a telephone number.")],
    role: Annotated[str | None, typer.Option(help="Such as data protection officer.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Note whom to ask about a client's data; only the register keeps it."""
    from rl_assets import api

    _answer(
        lambda installation: asdict(api.add_contact(installation, client, name=name, address=address, role=role)),
        lambda contact: [f"contact {contact['number']} is noted"],
        as_json=as_json,
    )


@client_app.command("remove-contact")
def client_remove_contact(client: ClientArgument, number: NumberArgument, as_json: JsonOption = False) -> None:
    """Forget a contact."""
    from rl_assets import api

    def remove(installation: api.Installation) -> dict[str, int]:
        api.remove_contact(installation, client, number)
        return {"removed": number}

    _answer(remove, lambda _: [f"contact {number} is forgotten"], as_json=as_json)


@client_app.command("key")
def client_key(as_json: JsonOption = False) -> None:
    """Say where the register's keys are looked for and whether the one that it needs is there; exit code 1 if not."""
    from rl_assets import api

    answer = _answer(api.register_key, _spell_key, as_json=as_json)
    if not answer["opens"]:
        raise typer.Exit(1)


@client_app.command("rotate-key")
def client_rotate_key(as_json: JsonOption = False) -> None:
    """Encrypt the register with a new key; the earlier ones are kept for backups that need them."""
    from rl_assets import api

    _answer(api.rotate_register_key, _spell_key, as_json=as_json)


@client_app.command("new-key")
def client_new_key() -> None:
    """Draw a key for the variable RL_ASSETS_REGISTER_KEY and print it; it is kept nowhere."""
    from rl_assets.datasets.keyring import draw_key

    print(draw_key())


def _answer(ask: Callable[[Any], Any], spell: Callable[[Any], list[str]], *, as_json: bool) -> Any:
    from rl_assets import api
    from rl_assets.cli.printing import print_lines

    with api.open_installation() as installation:
        answer = ask(installation)
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print_lines(*spell(answer))
    return answer


def _spell_client(answer: Mapping[str, Any]) -> list[str]:
    lines = [f"{answer['client_id']}, {answer['pseudonym']} everywhere else"]
    for contact in answer["contacts"]:
        role = f", {contact['role']}" if contact["role"] else ""
        lines.append(f"  contact {contact['number']}: {contact['name']}{role}, {contact['address']}")
    for hold in answer["holds"]:
        lines.append(
            f"  legal hold {hold['number']} on {hold['dataset'] or 'all data'}: placed {hold['placed_at']} by "
            f"{hold['placed_by']}: {hold['reason']}"
        )
        if not hold["is_in_force"]:
            lines.append(f"    released {hold['released_at']} by {hold['released_by']}: {hold['release_reason']}")
    for item in answer["datasets"]:
        lines.append(f"  {item['dataset']}: {item['project']}, {item['data_source']}, {item['domain']}")
        terms = {
            "lawful basis": item["lawful_basis"],
            "purpose": item["purpose"],
            "retain until": item["retain_until"],
            "licence": item["licence"],
        }
        lines.append("    " + "; ".join(f"{name}: {value or 'not said'}" for name, value in terms.items()))
    return lines


def _spell_key(answer: Mapping[str, Any]) -> list[str]:
    lines = [f"keys come from {answer['place']}: {', '.join(answer['keys']) or 'none yet'}"]
    if answer["needed"] is None:
        return [*lines, "nothing is registered yet"]
    there = "which is there; keep a copy of it apart from the backups of the register" if answer["opens"] else "MISSING"
    return [*lines, f"the register is encrypted with key {answer['needed']}, {there}"]
