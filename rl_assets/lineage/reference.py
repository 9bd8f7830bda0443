"""How a person names a materialization: `ASSET:PARTITION`, the same with `@EVENT`, or the event's number alone."""

import re
from dataclasses import dataclass

from rl_assets.errors import BadInput, UnknownPartition
from rl_assets.lineage.graph import LineageGraph
from rl_assets.lineage.records import Materialization

_FORM = re.compile(r"(?P<asset>[a-z_]+):(?P<partition>[^@]+)(?:@(?P<event>[0-9]{1,18}))?|(?P<alone>[0-9]{1,18})")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A partition, one event of it, or an event wherever it is."""

    asset: str | None
    partition: str | None
    event_id: int | None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read what a person wrote.

        Raises:
            BadInput: it has none of the forms.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise BadInput(
                f"'{text}' names no materialization: expected ASSET:PARTITION such as promoted_models:CartPole-v1, the "
                "same with @EVENT for one that is not the newest, or the number of an event"
            )
        number = found["event"] or found["alone"]
        return cls(asset=found["asset"], partition=found["partition"], event_id=int(number) if number else None)

    def resolve(self, graph: LineageGraph) -> Materialization:
        """The event that is meant; of a partition without a number the newest.

        Raises:
            UnknownPartition: the log has no such event.
        """
        if self.event_id is not None:
            event = graph.event(self.event_id)
            if self.asset not in (None, event.asset) or self.partition not in (None, event.partition):
                raise UnknownPartition(
                    f"event {self.event_id} is {event.asset}:{event.partition}, not {self.asset}:{self.partition}: "
                    "correct one of them"
                )
            return event
        newest = graph.latest(str(self.asset), self.partition)
        if newest is None:
            raise UnknownPartition(
                f"nothing was ever materialized as '{self.asset}', partition '{self.partition}': correct the name"
            )
        return newest
