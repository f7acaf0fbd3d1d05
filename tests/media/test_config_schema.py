from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from media.config.schema import attribute_docstrings, build_schema
from media.config.trunks import TrunkConfig

pytestmark = pytest.mark.unit

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = [DEPLOY / "cordboard.yaml", *sorted((DEPLOY / "examples").glob("*.yaml"))]


def test_the_committed_schema_is_current() -> None:
    """deploy/cordboard.schema.json is what 'cordboard schema' prints."""
    committed = json.loads((DEPLOY / "cordboard.schema.json").read_text())
    assert committed == json.loads(json.dumps(build_schema())), (
        "run: cordboard schema > deploy/cordboard.schema.json"
    )


def test_descriptions_come_from_attribute_docstrings() -> None:
    """The text below a field is its description, inherited fields included."""
    assert "transfer" not in attribute_docstrings(TrunkConfig)
    schema = build_schema()["$defs"]
    assert schema["TrunkConfig"]["properties"]["rel100"]["description"].startswith("Reliable")
    assert schema["RuleConfig"]["properties"]["agent"]["description"].endswith("that answers.")
    assert (
        "environment"
        in schema["RegisterConfig"]["properties"]["password_env"]["description"].lower()
    )


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_shipped_files_carry_a_modeline_that_leads_to_the_schema(path: Path) -> None:
    """Editors find the schema beside the file."""
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert found is not None
    assert (path.parent / found[1]).resolve() == DEPLOY / "cordboard.schema.json"


def complaints(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    """Check a value against the parts of JSON Schema that the generator uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        tries = [complaints(value, each, root, at) for each in schema["anyOf"]]
        return [] if any(not each for each in tries) else tries[0]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
    kinds |= {"boolean": bool, "number": (int, float)}
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if wanted and not any(isinstance(value, kinds[each]) for each in wanted):
        return [f"{at}: {value!r} is not {wanted}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is none of {schema['enum']}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} does not fit {schema['pattern']}")
    if isinstance(value, dict):
        rest = schema.get("additionalProperties")
        known = schema.get("properties", {})
        found += [
            f"{at}: {each} is missing" for each in schema.get("required", []) if each not in value
        ]
        for key, item in value.items():
            inner = known.get(str(key), rest)
            if inner is False or inner is None:
                found.append(f"{at}.{key}: unknown")
            else:
                found += complaints(item, inner, root, f"{at}.{key}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += complaints(item, schema["items"], root, f"{at}[{index}]")
    return found


class _EditorLoader(yaml.SafeLoader):
    """Reads dates as text, as YAML 1.2 editors do."""


_EditorLoader.yaml_implicit_resolvers = {
    char: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for char, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.stem)
def test_shipped_files_satisfy_the_schema(path: Path) -> None:
    """What an editor checks finds nothing in the shipped files."""
    schema = build_schema()
    assert complaints(yaml.load(path.read_text(), _EditorLoader), schema, schema, "") == []


def test_the_schema_refuses_a_wrong_key() -> None:
    """A misspelt key is refused by the schema as by the reader."""
    schema = build_schema()
    assert complaints({"agents": {}, "dialplan": [], "meida": {}}, schema, schema, "") == [
        ".meida: unknown"
    ]
