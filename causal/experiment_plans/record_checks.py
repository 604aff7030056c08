"""Frozen records that check what they are given and say in one sentence what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from pydantic_core import CoreSchema, core_schema

from physlearn.checks import InputError

__all__ = ["WrittenAs", "checked_record", "sentence_of"]

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
"""Neither '99' nor True nor NaN is a number, and no field is ignored."""

Record = TypeVar("Record")


@dataclass_transform(frozen_default=True)
def checked_record(cls: type[Record]) -> type[Record]:
    """Make a class a frozen pydantic dataclass whose errors are `InputError` sentences.

    Examples
    --------
    >>> @checked_record
    ... class Shot:
    ...     bias_V: float
    >>> Shot("99")
    Traceback (most recent call last):
    ...
    physlearn.checks.InputError: Shot.bias_V should be a valid number; got '99'.
    """
    made: Any = checked_dataclass(frozen=True, config=STRICT)(cls)
    names = [field.name for field in fields(made)]
    checked_init: Callable[..., None] = made.__init__

    def __init__(self: Record, *args: Any, **options: Any) -> None:  # noqa: N807
        try:
            checked_init(self, *args, **options)
        except ValidationError as error:
            raise InputError(sentence_of(error, cls.__name__, names)) from None

    made.__init__ = __init__
    return cast("type[Record]", made)


def sentence_of(error: ValidationError, name: str, fields_in_order: Sequence[str] = ()) -> str:
    """Return the first problem in one sentence: what, what it should be, what came."""
    problems = error.errors(include_url=False)
    first = problems[0]
    place = list(first["loc"])
    if place and isinstance(place[0], int) and fields_in_order:
        place[0] = fields_in_order[place[0]]  # a positional argument
    if place and place[-1] in ("float", "int", "str"):  # a member of a union
        place.pop()
    where = ".".join([name, *map(str, place)])
    message = first["msg"]
    if first["type"] == "value_error":
        return f"{where}: {message.removeprefix('Value error, ')}"
    came = repr(first["input"])
    more = f" ({len(problems)} problems)" if len(problems) > 1 else ""
    said = message[0].lower() + message[1:]
    said = said.removeprefix("input ")
    return f"{where} {said}; got {came if len(came) <= 80 else came[:77] + '...'}{more}."


@dataclass(frozen=True, slots=True)
class WrittenAs:
    """How a record that pydantic does not make is written in a file: as another, checked one.

    Attributes
    ----------
    model
        The checked record of the file.
    read
        From that record to the one wanted.
    write
        From the one wanted to plain numbers, texts and lists.
    """

    model: type[Any]
    read: Callable[[Any], Any]
    write: Callable[[Any], Mapping[str, Any]]

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        def read(value: Any, check: Callable[[Any], Any]) -> Any:
            return value if isinstance(value, source) else self.read(check(value))

        return core_schema.no_info_wrap_validator_function(
            read,
            handler.generate_schema(self.model),
            serialization=core_schema.plain_serializer_function_ser_schema(self.write),
        )
