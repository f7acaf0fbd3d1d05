import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parent.parent
FORBIDDEN = {"media": {"edge", "agent"}, "edge": {"agent"}, "agent": {"edge"}}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_imports_point_down(package: str) -> None:
    """Edge and agent may import media's common layer, never each other; media imports neither."""
    wrong = {
        str(path.relative_to(ROOT)): imported(path) & FORBIDDEN[package]
        for path in (ROOT / package).rglob("*.py")
        if imported(path) & FORBIDDEN[package]
    }
    assert wrong == {}


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_every_module_says_what_it_is_for(package: str) -> None:
    """Every module opens with a docstring."""
    paths = list((ROOT / package).rglob("*.py"))
    assert paths
    assert [p for p in paths if not ast.get_docstring(ast.parse(p.read_text()))] == []


def test_the_top_level_is_what_was_agreed() -> None:
    """Nothing but the agreed names (and dot-files) stands at the top level."""
    allowed = {
        *("pyproject.toml", "README.md", "edge", "media", "agent", "tests", "deploy"),
        *("sip-configs", "Makefile", "LICENSE", "CHANGELOG.md", "var", "build"),
    }
    here = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert {name for name in here if not name.endswith(".egg-info")} <= allowed


def test_every_test_module_has_one_marker() -> None:
    """Each test module says which kind it is, once."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        marks = [
            node
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign)
            and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets)
        ]
        assert len(marks) == 1, path
