"""The base of every configuration model, and the translation of its complaints."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

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
        if not isinstance(data, dict):
            raise InvalidConfig(
                f"{source}: expected a mapping of fields, got {type(data).__name__}: see `rlctl schema`"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InvalidConfig(explain(error, source=source, model=cls)) from error


def explain(error: ValidationError, *, source: str, model: type[BaseModel]) -> str:
    """Put a validation error into one line per wrong field."""
    lines = []
    for problem in _without_other_branches(error.errors()):
        field = ".".join(str(part) for part in problem["loc"] if not _is_branch(part)) or "(whole document)"
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, problem["loc"][:-1])
            hint = f"expected one of {', '.join(sorted(known))}" if known else "remove it"
            lines.append(f"{source}: unknown field '{field}': {hint}")
        elif problem["type"] == "missing":
            lines.append(f"{source}: field '{field}' is missing: add it")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{source}: field '{field}': {message[0].lower()}{message[1:]}, got {problem['input']!r}")
    return "\n".join(lines)


def _without_other_branches(problems: Iterable[Any]) -> list[Any]:
    """Drop the complaints of union branches that nobody meant: those of `str` where a mapping came, and so on."""
    meant: dict[tuple[int | str, ...], list[Any]] = {}
    for problem in problems:
        path = problem["loc"]
        cut = next((i for i, part in enumerate(path) if _is_branch(part)), len(path))
        meant.setdefault(path[:cut], []).append(problem)
    kept: list[Any] = []
    for prefix, group in meant.items():
        inside = [problem for problem in group if not _is_branch(problem["loc"][-1] if problem["loc"] else "")]
        kept += inside if inside or not prefix else group[:1]
    return kept


def _is_branch(part: int | str) -> bool:
    """Whether a step of an error's path names a union's branch rather than a field or an index."""
    return isinstance(part, str) and (part in {"str", "int", "float", "bool"} or part[:1].isupper() or "[" in part)


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> set[str]:
    """Names of the fields of the model that a path of field names leads to, empty if it leads elsewhere."""
    current: Any = model
    for part in path:
        if (
            isinstance(part, int)
            or _is_branch(part)
            or not (isinstance(current, type) and issubclass(current, BaseModel))
        ):
            continue
        if part not in current.model_fields:
            continue
        current = _model_in(current.model_fields[part].annotation)
    return set(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else set()


def _model_in(annotation: Any) -> Any:
    """The first model inside an annotation such as `tuple[EnvConfig, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
