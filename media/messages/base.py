"""Turn messages into JSON objects and back; and those that any link carries."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType, TypeVar

from media import RemoteError

CallId = NewType("CallId", str)
"""Ours, one for the whole call; ``sip_call_id`` is the header's."""

M = TypeVar("M", bound="Message")


class MessageError(RemoteError):
    """A peer process sent a control message that cannot be understood."""


_BY_NAME: dict[str, type[Message]] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """Base of every control message; subclasses register under ``wire_name``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # dataclass(slots=True) makes the class anew, so the second registration is the one kept
        super(Message, cls).__init_subclass__(**kwargs)
        _BY_NAME[cls.__name__] = cls


def to_wire(message: Message, request_id: int | None = None) -> dict[str, Any]:
    """Serialize a message to the JSON object that travels."""
    body: dict[str, Any] = {"type": type(message).__name__, **dataclasses.asdict(message)}
    if request_id is not None:
        body["request_id"] = request_id
    return body


def from_wire(body: dict[str, Any]) -> Message:
    """Parse a received JSON object.

    Raises:
        MessageError: unknown type, missing field, or a value of the wrong type.
    """
    cls = _BY_NAME.get(str(body.get("type")))
    if cls is None:
        raise MessageError(f"unknown message type {body.get('type')!r}")
    return _parse_dataclass(cls, {k: v for k, v in body.items() if k not in ("type", "request_id")})


def _parse_dataclass(cls: type[M], values: dict[str, Any]) -> M:
    hints = typing.get_type_hints(cls)
    known: dict[str, Any] = {}
    for each in dataclasses.fields(cls):
        if each.name in values:
            known[each.name] = _convert(
                hints[each.name], values[each.name], f"{cls.__name__}.{each.name}"
            )
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise MessageError(f"{cls.__name__} has no {each.name}")
    return cls(**known)


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _convert(next(a for a in typing.get_args(hint) if a is not type(None)), value, path)
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise MessageError(f"{path} is not a list")
        items = [_convert(typing.get_args(hint)[0], item, path) for item in value]
        return tuple(items) if origin is tuple else items
    if origin is dict:
        if not isinstance(value, dict):
            raise MessageError(f"{path} is not an object")
        return {str(k): _convert(typing.get_args(hint)[1], v, path) for k, v in value.items()}
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise MessageError(f"{path} is not an object")
        return _parse_dataclass(typing.cast(Any, hint), value)
    if isinstance(hint, NewType):
        hint = hint.__supertype__
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        try:
            return hint(value)
        except ValueError as error:
            raise MessageError(f"{path}: {error}") from error
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise MessageError(f"{path} is {value!r}, not {getattr(hint, '__name__', hint)}")
    return value


# ---------------------------------------------------------------- any link


@dataclass(frozen=True, slots=True)
class Hello(Message):
    """First message on a link, both ways: who is speaking."""

    role: str
    """``edge``, ``media``, ``agent``, ``worker`` or ``client``."""
    pid: int


@dataclass(frozen=True, slots=True)
class Ping(Message):
    """Sign of life; a peer silent for 2 s is down."""


@dataclass(frozen=True, slots=True)
class Done(Message):
    """Reply to a request that has nothing else to say."""


@dataclass(frozen=True, slots=True)
class Failed(Message):
    """Reply to a request that could not be met."""

    reason: str
    sip_status: int = 500
