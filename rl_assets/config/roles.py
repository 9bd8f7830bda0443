"""Who may do what by hand: `roles.yaml` in the project folder, reviewed like code."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from rl_assets.config.strict import StrictModel
from rl_assets.config.yaml import load_yaml

Role = Literal["promoter", "eraser"]


class RolesConfig(StrictModel):
    """Names of the actors who hold each role, and what one alone may not do."""

    promoter: tuple[str, ...] = Field(default=(), strict=False)
    """May promote and roll back by hand."""

    eraser: tuple[str, ...] = Field(default=(), strict=False)
    """May plan and confirm erasures."""

    second_actor: bool = True
    """Whether an erasure is confirmed by another person than the one who planned it; the certificate says so."""

    retention_erases: bool = False
    """Whether datasets whose last day has passed are erased without anybody confirming it."""

    def holders(self, role: Role) -> tuple[str, ...]:
        """Names of those who hold a role."""
        return {"promoter": self.promoter, "eraser": self.eraser}[role]


def read_roles(file: Path) -> RolesConfig | None:
    """Read the roles; None where there is no such file.

    Raises:
        InvalidConfig: the file is no list of roles.
    """
    return RolesConfig.parse(load_yaml(file), source=file.name) if file.exists() else None
