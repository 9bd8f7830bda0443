"""Everything that Dagster loads: the assets and sensors of this folder, bound to one installation."""

import dagster as dg

from rl_assets.resources.configured import build_resources
from rl_assets.resources.erasing.replaying import entomb_again
from rl_assets.resources.home import Home


def build_definitions(home: Home) -> dg.Definitions:
    """Collect the asset graph for one installation, whose root holds the project's `pyproject.toml`.

    Where a restored backup has lost tombstones, they are set again before anything is loaded.
    """
    entomb_again(home)
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=home.root), dg.Definitions(resources=build_resources(home))
    )
