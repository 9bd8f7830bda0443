"""Where tests keep checkpoints."""

from rl_assets.rl.checkpoints import Checkpoint
from rl_assets.rl.plan import Member


class Kept:
    """All checkpoints, in memory and in order."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, Checkpoint]] = []

    def load(self, member: Member) -> Checkpoint | None:
        return next((kept for label, kept in reversed(self.saved) if label == member.label), None)

    def save(self, member: Member, checkpoint: Checkpoint) -> None:
        self.saved.append((member.label, checkpoint))
