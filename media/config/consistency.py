"""Check what single values cannot tell: references between sections and fields that go together."""

from __future__ import annotations

import re
from collections.abc import Iterable

from media.config.agent_checks import check_agents
from media.config.model import Config, Front
from media.config.pattern import parse_pattern
from media.config.queue_checks import check_people, check_queue
from media.config.read import Problem, Reading, did_you_mean
from media.config.routing import ActionConfig, MatchConfig, RuleConfig
from media.config.secrets import Credentials
from media.config.trunks import Transport, TrunkConfig

BUILT_IN_VARIABLES = ("called", "caller", "trunk")
ACTIONS = ("agent", "queue", "number", "announce", "reject", "rule")
_PLACE_HOLDER = re.compile(r"\{([^{}]*)\}")
_REFUSALS = (480, 486, 503)
_WORKER_TLS = ("tls_port", "tls_certificate", "tls_key", "tls_ca")


def check_consistency(config: Config, reading: Reading) -> list[Problem]:
    """Note every problem between values of a configuration, which may be a flawed draft.

    Args:
        config: the configuration before its paths are made absolute.
        reading: takes problems; knows positions and the names of flawed entries.

    Returns:
        warnings: what works and should still be looked at.
    """
    warnings: list[Problem] = []
    _check_sections(config, reading)
    for name, trunk in config.trunks.items():
        _check_trunk(f"trunks.{name}", trunk, config.sip.front, reading, warnings)
    for name, phone in config.phones.items():
        _check_secret(f"phones.{name}", phone, reading, warnings)
    rules = [each for each in config.dialplan if each.name]
    seen: set[str] = set()
    for path, rule in rules_with_paths(config, reading):
        _check_match(f"{path}.match", rule.match, reading)
        _check_action(path, rule, _variables(rule), rules, reading)
        if rule.name in seen:
            reading.note_at(f"{path}.name", f'another rule is already named "{rule.name}"')
        seen.add(rule.name or "")
    for name, queue in config.queues.items():
        path = f"queues.{name}"
        _check_reference(f"{path}.hours", "hours", queue.hours, _names(reading, "hours"), reading)
        check_queue(path, queue, config, reading, _check_reference, warnings)
        if queue.on_failure is not None:
            _check_action(f"{path}.on_failure", queue.on_failure, None, rules, reading)
    check_people(config, reading, _check_reference)
    check_agents(config, reading, _check_reference)
    _warn_of_apologies(config, reading, warnings)
    return warnings


def _warn_of_apologies(config: Config, reading: Reading, warnings: list[Problem]) -> None:
    """Say which personas would apologise in English, the only apology that ships."""
    if config.media.apology_file is not None:
        return
    for name, agent in config.agents.items():
        if agent.language.partition("-")[0].lower() != "en":
            line, column = reading.position(f"agents.{name}.language")
            message = (
                f"no apology in {agent.language} ships: a caller whose conversation breaks hears "
                "the English one; media.apology_file names another WAV"
            )
            path = f"agents.{name}.language"
            warnings.append(Problem(reading.file, line, column, path, message))


def rules_with_paths(config: Config, reading: Reading) -> list[tuple[str, RuleConfig]]:
    """Return each rule with its path in the file, which differs when flawed rules were left out."""
    indices = [each for each in reading.kept.get("dialplan", range(len(config.dialplan)))]
    return [
        (f"dialplan[{index}]", rule) for index, rule in zip(indices, config.dialplan, strict=True)
    ]


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not defined, and which are."""
    names = list(known)
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    hint = did_you_mean(name, names) or f"; known: {shown or 'none'}"
    return f'unknown {kind} "{name}"{hint}'


def _names(reading: Reading, section: str) -> list[str]:
    return reading.names.get(section, [])


def _check_reference(
    path: str, kind: str, name: str | None, known: Iterable[str], reading: Reading
) -> None:
    section = {"person": "people", "hours": "hours"}.get(kind, f"{kind}s")
    if name is not None and name not in known and not reading.is_flawed(section):
        reading.note_at(path, unknown(kind, name, known))


def _check_sections(config: Config, reading: Reading) -> None:
    if config.media.port_max <= config.media.port_min + config.media.port_min % 2:
        reading.note_at(
            "media.port_max",
            f"{config.media.port_max} leaves no port pair above port_min {config.media.port_min}; "
            "expected a larger number: RTP takes an even port and the next one",
        )
    _check_front(config, reading)
    _check_tls(config, reading)
    no_agent = "agents" in reading.positions and not _names(reading, "agents")
    if no_agent and not reading.is_flawed("agents"):
        reading.note_at("agents", "no agent is defined; expected a name with greeting and more")
    if "dialplan" in reading.positions and "dialplan[0]" not in reading.positions:
        reading.note_at("dialplan", "no rule is given; expected at least '- agent: NAME'")


def _check_tls(config: Config, reading: Reading) -> None:
    """TLS of the UA workers, where no front speaks it for them."""
    sip = config.sip
    given = [each for each in _WORKER_TLS if getattr(sip, each) is not None]
    if sip.front is Front.KAMAILIO:
        for each in given:
            message = f"Kamailio speaks TLS for the workers; expected front.{each}"
            reading.note_at(f"sip.{each}", message)
        return
    if given and not {"tls_certificate", "tls_key"} <= {*given}:
        missing = " and ".join(e for e in ("tls_certificate", "tls_key") if e not in given)
        reading.note_at(f"sip.{given[0]}", f"{given[0]} needs {missing} beside it")
    if sip.tls_port is not None and sip.tls_port == sip.tcp_port:
        reading.note_at("sip.tls_port", f"{sip.tls_port} is sip.tcp_port already; expected another")
    for name, trunk in config.trunks.items():
        speaks = trunk.transport is Transport.TLS and trunk.servers
        if speaks and not {"tls_certificate", "tls_ca"} <= {*given}:
            message = "tls needs sip.tls_certificate, tls_key and tls_ca, or sip.front: kamailio"
            reading.note_at(f"trunks.{name}.transport", message)


def _check_front(config: Config, reading: Reading) -> None:
    front, sip = config.front, config.sip
    if (front.tls_certificate is None) is not (front.tls_key is None):
        given, missing = (
            ("tls_key", "tls_certificate")
            if front.tls_certificate is None
            else ("tls_certificate", "tls_key")
        )
        reading.note_at(f"front.{given}", f"{given} needs {missing} beside it")
    if sip.front is not Front.KAMAILIO:
        if config.phones:
            reading.note_at("phones", "phones register at Kamailio; expected sip.front: kamailio")
        return
    if config.limits.calls is None:
        reading.note_at("sip.front", "kamailio needs to know how many callers; give limits.calls")
    if front.worker_port in (sip.udp_port, sip.tcp_port, front.tls_port):
        reading.note_at("front.worker_port", f"{front.worker_port} is a port for callers already")


def _check_trunk(
    path: str, trunk: TrunkConfig, front: Front, reading: Reading, warnings: list[Problem]
) -> None:
    for name in ("digest", "register"):
        credentials = getattr(trunk, name)
        if credentials is not None:
            _check_secret(f"{path}.{name}", credentials, reading, warnings)
    if trunk.register is not None and not trunk.servers:
        reading.note_at(
            f"{path}.register", "there is no server to register at; add servers: [host]"
        )
    if trunk.registers_here and front is not Front.KAMAILIO:
        reading.note_at(
            f"{path}.digest.accept_register",
            "only the front is a registrar; add sip.front: kamailio",
        )
    if trunk.full.status not in _REFUSALS:
        reading.note_at(
            f"{path}.full.status", f"{trunk.full.status} is no refusal; expected 503, 480 or 486"
        )
    if not trunk.codecs:
        reading.note_at(f"{path}.codecs", "no codec is left; expected PCMA, PCMU or both")
    timers = trunk.session_timers
    if timers.expires_s < timers.min_s:
        reading.note_at(
            f"{path}.session_timers.expires_s",
            f"{timers.expires_s} is less than min_s {timers.min_s}; expected at least that",
        )
    for index, server in enumerate(trunk.servers):
        port = re.search(r":([0-9]+)$", server) if server.count(":") == 1 or "]" in server else None
        if port and not 1 <= int(port[1]) <= 65_535:
            reading.note_at(f"{path}.servers[{index}]", f"port {port[1]} is not 1 to 65535")
    ways = ("sources", "digest", "register", "servers")
    meant = any(reading.is_flawed(f"{path}.{each}", below=True) for each in ways)
    if not meant and not any(getattr(trunk, each) for each in ways):
        reading.note_at(
            path, "nothing can use this trunk; give sources, digest, register or servers"
        )


def _check_secret(
    path: str, credentials: Credentials, reading: Reading, warnings: list[Problem]
) -> None:
    given = [
        each
        for each in ("password_file", "password_env", "password")
        if getattr(credentials, each) is not None
    ]
    if not given and path in reading.positions:
        reading.note_at(path, "no password; expected password_file or password_env")
    elif len(given) > 1:
        reading.note_at(f"{path}.{given[1]}", f"{' and '.join(given)} are given; keep one of them")
    elif given == ["password"]:
        line, column = reading.position(f"{path}.password")
        message = "the password stands in the file; password_file or password_env keep it out"
        warnings.append(Problem(reading.file, line, column, f"{path}.password", message))


def _check_match(path: str, match: MatchConfig, reading: Reading) -> None:
    for index, trunk in enumerate(match.trunk):
        item = f"{path}.trunk[{index}]"
        at = item if item in reading.positions else f"{path}.trunk"
        _check_reference(at, "trunk", trunk, _names(reading, "trunks"), reading)
    for field in ("hours", "outside"):
        name = getattr(match, field)
        _check_reference(f"{path}.{field}", "hours", name, _names(reading, "hours"), reading)
    if match.hours is not None and match.hours == match.outside:
        reading.note_at(f"{path}.outside", f'"{match.outside}" cannot be open and closed at once')
    low, high = match.load_at_least, match.load_below
    if low is not None and high is not None and high <= low:
        reading.note_at(f"{path}.load_below", f"{high} leaves no load at or above {low}")


def _variables(rule: RuleConfig) -> set[str]:
    """Return the variables that every way of matching this rule sets."""
    names = set(BUILT_IN_VARIABLES)
    for patterns in (rule.match.called, rule.match.caller):
        if patterns and all("{" in each for each in patterns):
            captured = [
                {each.name for each in part.captures}
                for pattern in patterns
                for part in parse_pattern(pattern)
            ]
            names |= set.intersection(*captured)
    return names


def _check_action(
    path: str,
    action: ActionConfig,
    variables: set[str] | None,
    rules: list[RuleConfig],
    reading: Reading,
) -> None:
    given = [each for each in ACTIONS if getattr(action, each) is not None]
    if not given and not _is_mistyped(path, reading):
        reading.note_at(path, f"no action; expected one of {', '.join(ACTIONS)}")
    if len(given) > 1:
        reading.note_at(f"{path}.{given[1]}", f"{' and '.join(given)} are given; keep one of them")
    _check_reference(f"{path}.agent", "agent", action.agent, _names(reading, "agents"), reading)
    _check_reference(f"{path}.queue", "queue", action.queue, _names(reading, "queues"), reading)
    _check_reference(f"{path}.trunk", "trunk", action.trunk, _names(reading, "trunks"), reading)
    if action.rule is not None:
        names = [str(each.name) for each in rules]
        _check_reference(f"{path}.rule", "rule", action.rule, names, reading)
    for field, needs in (("trunk", "number"), ("reason", "reject")):
        if getattr(action, field) is not None and getattr(action, needs) is None:
            reading.note_at(f"{path}.{field}", f"{field} only goes with {needs}")
    _check_variables(path, action, variables, reading)
    if action.on_failure is not None:
        if given in (["reject"], ["rule"]):
            reading.note_at(f"{path}.on_failure", f"{given[0]} cannot fail; take on_failure out")
        _check_action(f"{path}.on_failure", action.on_failure, variables, rules, reading)


def _is_mistyped(path: str, reading: Reading) -> bool:
    """Say whether an action is there but flawed, or its key was mistyped."""
    rest = {"match", "name", "variables", "on_failure"}
    keys = (each.path.removeprefix(f"{path}.") for each in reading.problems)
    return any(re.fullmatch(r"\w+", key) and key not in rest for key in keys)


def _check_variables(
    path: str, action: ActionConfig, variables: set[str] | None, reading: Reading
) -> None:
    if variables is None:  # a queue is reached from many rules with different captures
        return
    texts = {f"{path}.variables.{name}": text for name, text in action.variables.items()}
    if action.number is not None:
        texts[f"{path}.number"] = action.number
    for at, text in texts.items():
        for name in _PLACE_HOLDER.findall(text):
            if name not in variables:
                reading.note_at(at, unknown("variable", name, sorted(variables)))
