"""Why a document was refused: one line for each wrong field, which says what was expected, what came and what to do."""

import datetime
import difflib
import reprlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rl_assets.config.expectations import expectation, is_union, union_members, unwrapped

Path = tuple[str | int, ...]

MAX_SHOWN = 120
"""Characters of a value that are repeated."""

_UNKNOWN_FIELD = {"extra_forbidden", "invalid_key"}
_OUT_OF_BOUNDS = {
    "finite_number",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "too_short",
    "too_long",
}


def explain(
    error: ValidationError,
    *,
    source: str,
    model: type[BaseModel],
    written_at: Callable[[Path], Path] = lambda path: path,
) -> list[str]:
    """Put a validation error into one line for each wrong field.

    Values of fields that are declared with `repr=False` are not repeated: these lines may end up in a log.

    Args:
        error: what pydantic says.
        source: what to call the document, such as a file name.
        model: the model that refused it.
        written_at: turns the path of a field of the model into the place where its author wrote it.
    """
    findings = [_Finding.of(problem, model) for problem in error.errors(include_url=False)]
    return [finding.line(source=source, path=written_at(finding.place.path)) for finding in _meant(findings)]


def kind_of(value: Any) -> str:
    """Name the kind of a plain value, without repeating it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return f"a text of {len(value)} characters" if value else "an empty text"
    if isinstance(value, bytes | datetime.date):
        return "a text"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, Iterable) else "something else"


def shown(value: Any) -> str:
    """Repeat a value as YAML writes it, cut where it is long: aliases can make a small file mean a very large value."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date):
        return value.isoformat()
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    short.maxlong = 40
    short.maxlevel, short.maxlist, short.maxtuple, short.maxdict = 3, 6, 6, 6
    text = short.repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where in a model a path of pydantic leads; its labels of union branches and of mapping keys are no part of it."""

    path: Path
    annotation: Any
    metadata: tuple[Any, ...] = ()
    field: FieldInfo | None = None
    union: "_Place | None" = None
    is_key: bool = False

    @property
    def model(self) -> type[BaseModel] | None:
        """The model that stands here, if one does."""
        annotation, _ = unwrapped(self.annotation)
        return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None

    def step(self, part: str | int) -> "_Place":
        annotation, _ = unwrapped(self.annotation)
        if part == "[key]":
            return replace(self, is_key=True)
        if is_union(annotation):
            member = next((one for one in union_members(annotation) if _labels(one, part)), Any)
            return replace(self, annotation=member, metadata=(), union=self.union or self)
        inner: Any = Any
        field = None
        if self.model is not None:
            field = self.model.model_fields.get(str(part))
            inner = field.annotation if field is not None else Any
        elif get_origin(annotation) in {tuple, list}:
            inner = get_args(annotation)[0]
        elif get_origin(annotation) is dict:
            inner = get_args(annotation)[1]
        return replace(
            self,
            path=(*self.path, part),
            annotation=inner,
            metadata=tuple(field.metadata) if field is not None else (),
            field=field or self.field,
        )


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """One complaint of pydantic, and where in the model it stands."""

    code: str
    message: str
    input: Any
    place: _Place
    parent: type[BaseModel] | None

    @classmethod
    def of(cls, problem: Any, model: type[BaseModel]) -> "_Finding":
        place = parent = _Place(path=(), annotation=model)
        for part in problem["loc"]:
            parent = place
            place = place.step(part)
        return cls(
            code=problem["type"],
            message=problem["msg"].removeprefix("Value error, "),
            input=problem["input"],
            place=place,
            parent=parent.model,
        )

    @property
    def is_about_the_kind(self) -> bool:
        """Whether another kind of value was expected, rather than another value of this kind."""
        return self.code.endswith("_type") or self.code == "literal_error"

    def line(self, *, source: str, path: Path) -> str:
        field = ".".join(map(str, path))
        if self.code in _UNKNOWN_FIELD:
            return f"{source}: unknown field '{field}': {self._known_fields(str(path[-1]) if path else '')}"
        if self.place.is_key:
            return f"{source}: field '{field}': expected a text as name, got {shown(self.input)}: put it in quotes"
        if self.code == "missing":
            return f"{source}: field '{field}' is missing: add {self._expected()}"
        if self.code == "value_error":
            return f"{source}: field '{field}': {self.message}" if path else f"{source}: {self.message}"
        got = kind_of(self.input) if _is_private(self.place) else shown(self.input)
        return f"{source}: field '{field}': expected {self._expected()}, got {got}{self._advice()}"

    def _expected(self) -> str:
        words = expectation(self.place.annotation, self.place.metadata)
        return words.replace("a number", "a finite number") if self.code == "finite_number" else words

    def _known_fields(self, name: str) -> str:
        if self.parent is None:
            return "remove it"
        known = sorted(self.parent.model_fields)
        elsewhere = getattr(self.parent, "WRITTEN_ELSEWHERE", {}).get(name)
        if elsewhere is not None:
            return elsewhere
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)
        return (f"did you mean '{near[0]}'? " if near else "") + f"expected one of {', '.join(known)}"

    def _advice(self) -> str:
        """What to do, where the value shows how it went wrong."""
        kinds, value = _kinds(self.place.annotation), self.input
        if value is None:
            is_optional = self.place.field is not None and not self.place.field.is_required() and not self._is_inside
            return ": leave the line out for the default, or give a value" if is_optional else ": give a value"
        if isinstance(value, str) and kinds & {int, float} and str not in kinds and _is_number(value):
            return ": remove the quotes"
        if isinstance(value, float) and int in kinds and float not in kinds and value.is_integer():
            return f": write {int(value)}" if abs(value) < 1e15 else ""
        if kinds == {list} and not isinstance(value, list | tuple):
            return ": write a list, in [brackets] or with one '- ' line for each"
        if kinds == {str} and isinstance(value, bool | int | float | datetime.date):
            return ": put it in quotes"
        if self.code == "string_unicode":
            return ": remove what is no character from it"
        if self.code == "literal_error":
            return self._only_choice()
        example = self._example() if self.code in _OUT_OF_BOUNDS else None
        return "" if example is None else f": try {shown(example)}"

    def _only_choice(self) -> str:
        """What to write where only one value is known."""
        annotation, _ = unwrapped(self.place.annotation)
        if len(get_args(annotation)) > 1:
            return ""
        only = expectation(annotation).strip("'")
        or_nothing = " or leave the line out" if self.place.field and not self.place.field.is_required() else ""
        return f": nothing else is there yet, write {only}{or_nothing}"

    def _example(self) -> Any:
        """A value within the bounds: a written example, else the default; None where there is neither."""
        field = self.place.field
        if field is None:
            return None
        if field.examples:
            return field.examples[0]
        default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        if self._is_inside and isinstance(default, list | tuple) and default:
            return default[0]
        return default

    @property
    def _is_inside(self) -> bool:
        """Whether the place is an item or entry within a field."""
        return self.place.field is not None and self.place.field.annotation is not self.place.annotation


def _meant(findings: list[_Finding]) -> list[_Finding]:
    """Drop what follows from another complaint, and the complaints of union branches that nobody meant."""
    kept: list[_Finding] = []
    groups: dict[Path, list[_Finding]] = {}
    for finding in findings:
        union = finding.place.union
        if union is not None:
            groups.setdefault(union.path, []).append(finding)
        elif not (finding.code == "too_short" and _has_wrong_items(finding, findings)):
            kept.append(finding)
    for path, group in groups.items():
        inside = [finding for finding in group if len(finding.place.path) > len(path)]
        exact = inside or [finding for finding in group if not finding.is_about_the_kind][:1]
        whole = group[0].place.union
        assert whole is not None, "groups hold complaints from inside a union"
        kept += exact or [replace(group[0], place=whole)]
    return kept


def _has_wrong_items(finding: _Finding, findings: list[_Finding]) -> bool:
    """Whether a list counts as short only because its items were refused."""
    path = finding.place.path
    return any(other.place.path[: len(path)] == path and len(other.place.path) > len(path) for other in findings)


def _labels(member: Any, label: str | int) -> bool:
    """Whether pydantic's label names this member of a union: `str`, `EnvConfig`, `tuple[int, ...]`, or a tag."""
    member, _ = unwrapped(member)
    name = getattr(get_origin(member) or member, "__name__", "")
    if isinstance(member, type) and issubclass(member, BaseModel) and "name" in member.model_fields:
        return label in {name, member.model_fields["name"].default}
    return str(label) == name or str(label).startswith(f"{name}[")


def _kinds(annotation: Any) -> set[type]:
    """The plain kinds of value that a type takes."""
    annotation, _ = unwrapped(annotation)
    if is_union(annotation):
        return set().union(*(_kinds(member) for member in union_members(annotation)))
    origin = get_origin(annotation) or annotation
    if origin is tuple:
        return {list}
    if isinstance(origin, type) and issubclass(origin, BaseModel):
        return {dict}
    return {origin} if isinstance(origin, type) else set()


def _is_private(place: _Place) -> bool:
    """Whether what stands here or below must not be repeated."""
    return (place.field is not None and not place.field.repr) or _holds_private(place.annotation)


def _holds_private(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(not field.repr or _holds_private(field.annotation) for field in annotation.model_fields.values())
    return any(_holds_private(inner) for inner in get_args(annotation))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
