"""Opening an installation; what a restored backup brought back of erased data is erased again first."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rl_assets.api.erasing import carry_out
from rl_assets.api.installation import Installation, open_instance
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.replaying import due_orders, entomb_again
from rl_assets.resources.home import find_home


@contextmanager
def open_installation(
    start: Path | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    on_event: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Iterator[Installation]:
    """Open the installation that a folder belongs to, the current one by default.

    Args:
        start: the folder, or one below it.
        environ: environment variables.
        on_event: is told of erasures that are carried out again because a backup was restored, or are not finished.

    Raises:
        BadInput: there is no project at or above the folder.
        ErasureError, ControlError, StoreError: erased data came back and cannot be erased again.
    """
    home = find_home(start=start or Path.cwd(), environ=environ)
    entomb_again(home)
    with open_instance(home, environ=environ) as instance:
        installation = Installation(home=home, instance=instance, definitions=build_definitions(home))
        if home.erasures_folder.is_dir():
            _honour_erasures(installation, on_event)
        yield installation


def _honour_erasures(installation: Installation, on_event: Callable[[str], None]) -> None:
    estate = Estate(home=installation.home, instance=installation.instance)
    while due := due_orders(estate, on_event=on_event):
        for order in due:
            carry_out(installation, order, on_event=on_event)
    for order in estate.ledger.unfinished():
        on_event(
            f"erasure {order.order_id} is not finished: go on with `rlctl erase --confirm {order.plan.plan_id}`; "
            "nothing of that data can be read meanwhile"
        )
