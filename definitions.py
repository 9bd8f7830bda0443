"""What `dagster dev`, `dg` and a code server load."""

from pathlib import Path

from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import find_home

defs = build_definitions(find_home(start=Path(__file__).parent))
