"""The base of every configuration model; what it refuses is explained in plain words."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from rl_assets.config.explanation import explain, kind_of
from rl_assets.errors import InvalidConfig


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys, wrong types, NaN and infinity."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    @classmethod
    def parse(cls, data: Any, *, source: str) -> Self:
        """Validate plain data.

        Args:
            data: what a YAML document or a caller gave.
            source: what to call it in an error, such as a file name.

        Raises:
            InvalidConfig: names every wrong field, what was expected and what came.
        """
        if data is None:
            raise InvalidConfig(f"{source}: the document is empty: `rlctl schema` lists its fields")
        if not isinstance(data, dict):
            raise InvalidConfig(
                f"{source}: expected a mapping of fields, got {kind_of(data)}: `rlctl schema` lists the fields"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InvalidConfig("\n".join(explain(error, source=source, model=cls))) from error
