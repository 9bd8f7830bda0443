"""All that an erasure may touch: the state of one installation."""

from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from rl_assets.datasets.register import ClientRegister
from rl_assets.erasure.ledger import Ledger
from rl_assets.erasure.requests import PlanRequests
from rl_assets.lineage.index import LineageIndex
from rl_assets.resources.actors import Roles
from rl_assets.resources.event_log import EventLog
from rl_assets.resources.home import Home
from rl_assets.resources.lineage_log import DagsterLineageLog
from rl_assets.store.objects import ObjectStore


@dataclass(frozen=True, kw_only=True)
class Estate:
    """One installation's folders and its Dagster instance."""

    home: Home
    instance: dg.DagsterInstance

    @cached_property
    def log(self) -> EventLog:
        """What Dagster remembers of our assets."""
        return EventLog(self.instance)

    @cached_property
    def store(self) -> ObjectStore:
        """The artifacts."""
        return ObjectStore(self.home.store_url)

    @cached_property
    def register(self) -> ClientRegister:
        """The client register."""
        return ClientRegister(self.home.register_folder)

    @cached_property
    def ledger(self) -> Ledger:
        """The orders and certificates, outside the state and its backups."""
        return Ledger(self.home.erasures_folder)

    @cached_property
    def requests(self) -> PlanRequests:
        """Plans that were shown and wait to be confirmed."""
        return PlanRequests(self.home.erasures_folder)

    @property
    def index(self) -> LineageIndex:
        """The index of lineage."""
        return LineageIndex(self.home.lineage_folder, DagsterLineageLog(self.log))

    @property
    def roles(self) -> Roles:
        """Who may erase."""
        return Roles(file=self.home.roles_file, state=self.home.state)
