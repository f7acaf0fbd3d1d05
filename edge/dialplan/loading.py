"""Load a configuration together with its dial plan, or say everything that is wrong with both."""

from __future__ import annotations

from pathlib import Path

from edge.dialplan.analysis import Analysis, analyse
from edge.dialplan.files import missing_files
from edge.dialplan.plan import DialPlan
from media import ConfigError
from media.config.collection import collection_paused
from media.config.load import Loaded, read_config
from media.config.model import Config
from media.config.read import Problem


def load_plan(path: Path) -> tuple[Config, DialPlan]:
    """Load a file for use: at start, and again at every reload.

    Raises:
        ConfigError: the file or the plan in it is wrong; what is in force should stay.
    """
    loaded = read_config(path)
    analysis = _analysis(loaded)
    errors, _, _ = _findings(loaded, analysis)
    if errors or loaded.config is None or analysis is None:
        raise ConfigError([str(each) for each in errors])
    with collection_paused():
        return loaded.config, DialPlan.compile(loaded.config, analysis.index)


def findings(path: Path) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Return errors, warnings and notes about a file, each in the file's order.

    Raises:
        ConfigError: the file cannot be opened.
    """
    loaded = read_config(path)
    return _findings(loaded, _analysis(loaded))


def _analysis(loaded: Loaded) -> Analysis | None:
    if loaded.draft is None:
        return None
    with collection_paused():
        return analyse(loaded.draft, loaded.reading)


def _findings(
    loaded: Loaded, analysis: Analysis | None
) -> tuple[list[Problem], list[Problem], list[Problem]]:
    errors = list(loaded.reading.problems)
    notes: list[Problem] = []
    if analysis is not None:
        errors += analysis.errors
        notes += analysis.notes
    warnings = list(loaded.warnings)
    if loaded.draft is not None:
        warnings += missing_files(loaded.draft, loaded.reading)
    return sorted(set(errors)), sorted(warnings), sorted(notes)
