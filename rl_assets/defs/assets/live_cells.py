"""The cells that a run trains, let go of when data that they stand on is erased."""

import time
from collections.abc import Callable, Collection

from rl_assets.defs.assets.cell_claims import CellClaims
from rl_assets.errors import ErasedData, StoreUnavailable
from rl_assets.resources.cells import CellTraining

LOOK_EVERY_S = 1.0
"""How often a training asks whether data that one of its cells stands on was erased."""


class LiveCells:
    """The cells that one run holds the claims of.

    Args:
        claims: of the run; a cell's claim is given back as soon as it is let go of.
        on_erased: is told of a cell that is let go of, and why.
        on_trouble: is told in a sentence what could not be cleared away; whoever erases removes it too.
    """

    def __init__(
        self, claims: CellClaims, *, on_erased: Callable[[str, ErasedData], None], on_trouble: Callable[[str], None]
    ) -> None:
        self._claims, self._on_erased, self._on_trouble = claims, on_erased, on_trouble
        self._cells: dict[str, CellTraining] = {}
        self._looked_at = 0.0

    def add(self, key: str, cell: CellTraining) -> None:
        """Take in a cell whose claim the run holds."""
        self._cells[key] = cell

    def let_go(self, key: str, error: ErasedData) -> None:
        """Give a cell up for good: no worker trains it any more.

        Whoever erases takes the claim to know that nobody works on the cell, so it is given back last.
        """
        self._on_erased(key, error)
        cell = self._cells.pop(key, None)
        try:
            if cell is not None:
                cell.forget_checkpoints()
        except StoreUnavailable as trouble:
            self._on_trouble(str(trouble))
        self._claims.give_back(key)

    def let_go_of_erased(self) -> set[str]:
        """Give up every cell that stands on erased data, finished ones too; none of them may be in training.

        Returns:
            Their keys.
        """
        erased = set()
        for key, cell in list(self._cells.items()):
            try:
                cell.refuse_if_erased()
            except ErasedData as error:
                self.let_go(key, error)
                erased.add(key)
        return erased

    def look(self, in_training: Collection[str]) -> None:
        """Look about once a second what was erased; finished cells are given up, one in training is refused.

        Args:
            in_training: keys of the cells that workers train right now.

        Raises:
            ErasedData: a cell in training stands on erased data.
        """
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        for key in in_training:
            if key in self._cells:
                self._cells[key].refuse_if_erased()
        self.let_go_of_erased()
