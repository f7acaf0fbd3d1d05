"""Load a configuration together with its dial plan, or say everything that is wrong with both."""

from __future__ import annotations

from pathlib import Path

from edge.dialplan.analysis import analyse
from edge.dialplan.plan import DialPlan
from edge.dialplan.sounds import missing_sounds
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
    errors, _, _ = _findings(loaded)
    if errors or loaded.config is None:
        raise ConfigError([str(each) for each in errors])
    return loaded.config, DialPlan.compile(loaded.config)


def findings(path: Path) -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Return errors, warnings and notes about a file, each in the file's order.

    Raises:
        ConfigError: the file cannot be opened.
    """
    loaded = read_config(path)
    errors, warnings, notes = _findings(loaded)
    if loaded.config is not None:
        warnings = sorted(warnings + missing_sounds(loaded.config, loaded.reading))
    return errors, warnings, notes


def _findings(loaded: Loaded) -> tuple[list[Problem], list[Problem], list[Problem]]:
    errors = list(loaded.reading.problems)
    notes: list[Problem] = []
    if loaded.draft is not None:
        with collection_paused():
            analysis = analyse(loaded.draft, loaded.reading)
        errors += analysis.errors
        notes += analysis.notes
    return sorted(set(errors)), sorted(loaded.warnings), sorted(notes)
