"""What a field expects, in words: the same ones in error texts and in the documentation's tables."""

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Wording(str):
    """Words for a type, as in `Annotated[str, Wording("the key of a registered dataset")]`."""


def expectation(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """Say what values a type takes, with their bounds: `a number above 0 and at most 1`.

    Args:
        annotation: a type as it stands in a model.
        metadata: bounds that belong to it, as in `FieldInfo.metadata`.
    """
    annotation, metadata = unwrapped(annotation, metadata)
    worded = next((item for item in metadata if isinstance(item, Wording)), None)
    if worded is not None:
        return str(worded)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if is_union(annotation):
        members = [expectation(member) for member in union_members(annotation)]
        return ", or ".join(members) if any("," in member for member in members) else _either(members)
    if origin is Literal:
        return _either([_spell(value) for value in arguments])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return getattr(annotation, "WRITTEN_AS", f"a mapping of {', '.join(annotation.model_fields)}")
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return f"a whole number{_range(metadata, is_whole=True)}"
    if annotation is float:
        return f"a number{_range(metadata, is_whole=False)}"
    if annotation is str:
        return f"a text{_length(metadata, 'character')}"
    if origin in {tuple, list}:
        return f"a list{_length(metadata, 'item')}{_each(arguments[0])}"
    if origin is dict:
        return f"a mapping of name to {expectation(arguments[1])}"
    return "a value"


def field_expectation(field: FieldInfo) -> str:
    """Say what a field of a model expects."""
    return expectation(field.annotation, tuple(field.metadata))


def unwrapped(annotation: Any, metadata: tuple[Any, ...] = ()) -> tuple[Any, tuple[Any, ...]]:
    """Take `Annotated` and `| None` off a type, and gather the bounds that stood there."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *further = get_args(annotation)
            for item in further:
                metadata += tuple(item.metadata) if isinstance(item, FieldInfo) else (item,)
        elif is_union(annotation) and len(members := union_members(annotation)) == 1:
            annotation = members[0]
        else:
            return annotation, metadata


def is_union(annotation: Any) -> bool:
    """Whether a type is a choice among several."""
    return get_origin(annotation) in {Union, types.UnionType}


def union_members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union other than None."""
    return tuple(member for member in get_args(annotation) if member is not type(None))


def _range(metadata: tuple[Any, ...], *, is_whole: bool) -> str:
    low, high = _bound(metadata, "ge"), _bound(metadata, "le")
    above, below = _bound(metadata, "gt"), _bound(metadata, "lt")
    if is_whole and above is not None:
        low, above = above + 1, None
    if is_whole and below is not None:
        high, below = below - 1, None
    if low is not None and high is not None:
        return f" from {_count(low)} to {_count(high)}"
    words = [
        f"{word} {_count(bound)}"
        for word, bound in (("of at least", low), ("above", above), ("at most", high), ("below", below))
        if bound is not None
    ]
    return f" {' and '.join(words)}" if words else ""


def _length(metadata: tuple[Any, ...], what: str) -> str:
    least = _bound(metadata, "min_length") or 0
    most = _bound(metadata, "max_length")
    if most is not None:
        return f" of {least} to {_count(most)} {what}s"
    if least:
        return f" of at least {least} {what if least == 1 else f'{what}s'}"
    return ""


def _each(item: Any) -> str:
    return "" if item is Any else f", each {expectation(item)}"


def _bound(metadata: tuple[Any, ...], name: str) -> Any:
    return next((getattr(item, name) for item in metadata if getattr(item, name, None) is not None), None)


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else f"{value}"


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
