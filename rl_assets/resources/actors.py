"""Who asks: a person whose identity somebody vouched for, or who a person claims to be, and which roles they hold."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from rl_assets.config.roles import Role, read_roles
from rl_assets.errors import RoleMissing


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Someone who asks for something."""

    name: str
    verified_by: str | None = None
    """Who vouched for the name, such as the header of a proxy or Kubernetes; None where it is only claimed."""

    @property
    def is_verified(self) -> bool:
        """Whether somebody vouched for the name."""
        return self.verified_by is not None

    def __str__(self) -> str:
        return f"'{self.name}' ({'verified by ' + self.verified_by if self.verified_by else 'claimed'})"


_acting: ContextVar[Actor | None] = ContextVar("rl_assets_actor", default=None)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Let the runs that this thread executes in the block act for an actor.

    A run's configuration and tags can be written by anyone; a verified identity therefore travels beside them.
    """
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def acting() -> Actor | None:
    """Who the run that this thread executes acts for; None where it was launched by other means."""
    return _acting.get()


def os_user() -> Actor:
    """The operating system's user of this process; nobody vouches for it."""
    return Actor(name=_name_of(os.getuid()))


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Who holds which role in one installation."""

    file: Path
    """`roles.yaml` of the project."""
    state: Path
    """The state folder, whose owner holds every role where there is no file."""

    def require(self, actor: Actor, role: Role, *, to: str) -> None:
        """Refuse an actor who does not hold a role.

        Args:
            actor: who asks.
            role: what it needs.
            to: what is asked for, such as `promote in 'CartPole-v1'`.

        Raises:
            RoleMissing: the actor does not hold it.
            InvalidConfig: the file is no list of roles.
        """
        roles = read_roles(self.file)
        if roles is not None:
            if actor.name not in roles.holders(role):
                raise RoleMissing(
                    f"{actor} may not {to}: expected one of those who hold the role '{role}' in {self.file}, "
                    f"which are {', '.join(roles.holders(role)) or 'nobody'}: ask one of them, or have the name added "
                    "there"
                )
            return
        owner = _owner(self.state)
        if actor.name != owner:
            raise RoleMissing(
                f"{actor} may not {to}: there is no {self.file}, so every role is held by '{owner}', who owns "
                f"{self.state}: ask them, or have them name those who hold the role '{role}' in that file"
            )

    def needs_second_actor(self) -> bool:
        """Whether an erasure is confirmed by another person than the one who planned it.

        Raises:
            InvalidConfig: the file is no list of roles.
        """
        roles = read_roles(self.file)
        return roles is None or roles.second_actor

    def lets_retention_erase(self) -> bool:
        """Whether datasets whose last day has passed are erased without anybody confirming it.

        Raises:
            InvalidConfig: the file is no list of roles.
        """
        roles = read_roles(self.file)
        return roles is not None and roles.retention_erases

    def require_second(self, actor: Actor, *, first: str, to: str) -> bool:
        """Refuse one person alone, unless the roles say that one is enough.

        Args:
            actor: who confirms.
            first: name of who asked for it.
            to: what is asked for.

        Returns:
            Whether a second person confirms.

        Raises:
            RoleMissing: it is the same person, and two are needed.
            InvalidConfig: the file is no list of roles.
        """
        roles = read_roles(self.file)
        if actor.name != first:
            return True
        if not self.needs_second_actor():
            return False
        mend = (
            f"write 'second_actor: false' into {self.file}"
            if roles is not None
            else f"write {self.file} with the lines 'promoter: [{actor.name}]', 'eraser: [{actor.name}]' and "
            "'second_actor: false'"
        )
        raise RoleMissing(
            f"{actor} may not {to} alone: expected somebody else who holds the role 'eraser' to confirm what {first} "
            f"planned; ask one of them, or, where one person is to be enough, {mend}: the certificate will say so"
        )


def _owner(folder: Path) -> str:
    """Name of the owner of a folder, or of the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return _name_of(folder.stat().st_uid)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
