"""What keeps a benchmark from being run."""

import importlib.util


class CannotMeasure(Exception):
    """A benchmark cannot be run here; says what is missing and what to do. It never stands for a figure."""


def require(**distributions: str) -> None:
    """Make sure that modules can be imported, without importing them.

    Args:
        distributions: module -> what pip calls it.

    Raises:
        CannotMeasure: names all that are missing.
    """
    missing = [name for module, name in distributions.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise CannotMeasure(
            f"not installed: {', '.join(missing)}. `make bench` installs them, as does "
            "`pip install -c constraints.txt -e '.[bench]'`"
        )
