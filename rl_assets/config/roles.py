"""Who may do what by hand: `roles.yaml` in the project folder, reviewed like code."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from rl_assets.config.strict import StrictModel
from rl_assets.config.yaml import load_yaml

Role = Literal["promoter"]


class RolesConfig(StrictModel):
    """Names of the actors who hold each role."""

    promoter: tuple[str, ...] = Field(default=(), strict=False)
    """May promote and roll back by hand."""

    def holders(self, role: Role) -> tuple[str, ...]:
        """Names of those who hold a role."""
        return {"promoter": self.promoter}[role]


def read_roles(file: Path) -> RolesConfig | None:
    """Read the roles; None where there is no such file.

    Raises:
        InvalidConfig: the file is no list of roles.
    """
    return RolesConfig.parse(load_yaml(file), source=file.name) if file.exists() else None
