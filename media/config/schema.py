"""Generate the JSON Schema (draft 2020-12) of the configuration from its dataclasses.

Descriptions are the attribute docstrings. Text fields also admit bare numbers and words such as
``no``: the reader takes their text as it stands, and an editor should not complain.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import textwrap
import types
import typing
from enum import StrEnum
from typing import Any

from media.config.checks import Check, EachKey, OnePlain
from media.config.model import Config
from media.config.read import fields_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = ["string", "number", "boolean"]


def build_schema() -> dict[str, Any]:
    """Return the schema of the whole file."""
    definitions: dict[str, Any] = {}
    _reference(Config, definitions)
    root = definitions.pop("Config")
    return {
        "$schema": DIALECT,
        "title": "Cordboard configuration",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _reference(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    name = cls.__name__
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(cls, definitions)
    return {"$ref": f"#/$defs/{name}"}


def _object(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    texts = attribute_docstrings(cls)
    properties = {}
    for each in dataclasses.fields(cls):
        hint, _ = fields_of(cls)[each.name]
        schema = _schema(hint, definitions)
        if each.name in texts:
            schema = {"description": texts[each.name], **schema}
        default = _default(each)
        if default is not None:
            schema["default"] = default
        properties[each.name] = schema
    required = [name for name, (_, needed) in fields_of(cls).items() if needed]
    body: dict[str, Any] = {"type": "object", "description": _first_line(cls)}
    body |= {"properties": properties, "additionalProperties": False}
    if required:
        body["required"] = required
    return body


def _default(field: dataclasses.Field[Any]) -> Any:
    value = field.default
    if value is dataclasses.MISSING or value is None:
        return None
    return list(value) if isinstance(value, tuple) else value


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    extras: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        extras = tuple(rest)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(each for each in args if each is not type(None))
        return {"anyOf": [_schema(inner, definitions), {"type": "null"}]}
    if origin is tuple:
        item = _schema(args[0], definitions)
        schema: dict[str, Any] = {"type": "array", "items": item}
        if any(isinstance(each, OnePlain) for each in extras):
            schema = {"anyOf": [item, schema]}
    elif origin is dict:
        schema = {"type": "object", "additionalProperties": _schema(args[1], definitions)}
        for each in extras:
            if isinstance(each, EachKey) and each.check.schema():
                schema["propertyNames"] = each.check.schema()
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _reference(hint, definitions)
    else:
        schema = _scalar(hint)
    for each in extras:
        if isinstance(each, Check):
            schema |= each.schema()
    return schema


def _scalar(hint: Any) -> dict[str, Any]:
    if issubclass(hint, StrEnum):
        # YAML 1.1 editors read a bare off as false
        values: list[Any] = [each.value for each in hint]
        return {"enum": values + ([False] if "off" in values else [])}
    if hint is bool:
        return {"type": "boolean"}
    if hint is int:
        return {"type": "integer"}
    return {"type": "number"} if hint is float else {"type": list(_TEXT)}


def _first_line(cls: type) -> str:
    return (cls.__doc__ or cls.__name__).strip().split("\n\n")[0]


@functools.cache
def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the text that stands below each field, those of base classes included."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        body = typing.cast(ast.ClassDef, tree.body[0]).body
        for field, text in zip(body, body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                texts[field.target.id] = " ".join(text.value.value.split())
    return texts
