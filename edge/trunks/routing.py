"""Turn an INVITE into a decision of the dial plan (sans-IO).

A :class:`Routing` is one loaded configuration, ready for use and never changed: a reload makes a
new one and puts it in the place of the old. Calls in progress keep the one they began with.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edge.dialplan.plan import Action, CallFacts, Decision, DialPlan
from edge.numbers import Numbers
from edge.trunks import identity
from edge.trunks.gate import GateRules
from edge.trunks.recognition import Recognised, Recognition, policy_of
from edge.ua.messages import UaInvite
from media import ConfigError
from media.config.model import Config, Front, UnknownSource
from media.config.routing import ActionConfig
from media.config.trunks import NumbersConfig, TrunkConfig

HOPS_HEADER = "X-Cordboard-Hops"
"""On calls that we send out: how often the call has been through a Cordboard already."""
MOST_HOPS = 4
MOST_ROUNDS = 8
"""Numbers that the plan routes to itself, one after the other; the check refuses loops already."""
SOURCE_HEADER = "x-cordboard-source"
"""Put on by the front: the address and port that the INVITE really came from."""

_NO_TRUNK = TrunkConfig()


@dataclass(frozen=True, slots=True)
class Offered:
    """What is known of an inbound call before the plan is asked."""

    trunk: str | None
    called: str
    caller: str
    caller_uri: str
    diverted: str
    headers: Mapping[str, str]
    hops: int
    variables: dict[str, str]
    """From the trunk's header map."""


@dataclass(frozen=True, slots=True)
class Routing:
    """One configuration in force."""

    config: Config
    plan: DialPlan
    recognition: Recognition
    numbers: Mapping[str, Numbers]
    passwords: Mapping[str, str]
    """By trunk: of ``register``."""
    digest_passwords: Mapping[str, str]
    """By trunk: of ``digest``."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """By trunk: the token in our registrations' contact."""

    @classmethod
    def compile(
        cls, config: Config, plan: DialPlan | None = None, old: Routing | None = None
    ) -> Routing:
        """Make a loaded configuration ready for use.

        Args:
            config: loaded, its paths absolute.
            plan: compiled already.
            old: whose tokens and learnt addresses are kept.

        Raises:
            ConfigError: a password cannot be read.
        """
        trunks = config.trunks
        problems: list[str] = []
        passwords = _passwords(trunks, "register", problems)
        digests = _passwords(trunks, "digest", problems)
        if problems:
            raise ConfigError(problems)
        kept = dict(old.tokens) if old else {}
        wanted = [n for n, t in trunks.items() if t.register and t.register.recognise]
        tokens = {name: kept.get(name) or secrets.token_hex(6) for name in wanted}
        recognition = Recognition(trunks, policy_of(config), {v: k for k, v in tokens.items()})
        if old is not None:
            learnt = old.recognition.servers.items()
            recognition.servers.update({k: v for k, v in learnt if v in tokens})
        return cls(
            config,
            plan or DialPlan.compile(config),
            recognition,
            {name: Numbers(each.numbers) for name, each in trunks.items()},
            passwords,
            digests,
            tokens,
        )

    @property
    def gate_rules(self) -> GateRules:
        """What the workers' gates go by; behind a front everything has passed its gate already."""
        found = self.recognition
        if self.config.sip.front is not Front.NONE:
            return GateRules(UnknownSource.ACCEPT)
        return GateRules(
            found.policy, found.networks, tuple(found.tokens), found.digest_trunk is not None
        )

    @property
    def needs_agent(self) -> bool:
        """Whether no call can be served without the agent process."""
        return all(_needs_agent(each) for each in self.config.dialplan)

    def trunk(self, name: str | None) -> TrunkConfig:
        """Return a trunk's configuration; the defaults for a call from no trunk."""
        return self.config.trunks.get(name or "", _NO_TRUNK)

    def recognise(self, invite: UaInvite) -> Recognised:
        """Say which trunk an INVITE belongs to."""
        return self.recognition.recognise(invite.source, invite.request_uri)

    def admits_unknown(self) -> bool:
        """Say whether a source of no trunk reaches the dial plan."""
        return self.recognition.policy is UnknownSource.ACCEPT

    def offered(self, invite: UaInvite, trunk: str | None) -> Offered:
        """Read an INVITE as its trunk writes them."""
        config = self.trunk(trunk)
        numbers = self.numbers.get(trunk or "") or Numbers(NumbersConfig())
        headers = invite.headers
        caller_uri = identity.caller_of(invite.from_uri, headers, config.identity)
        diverted = identity.diverted_of(headers, config.identity)
        hops = headers.get(HOPS_HEADER.lower(), "0").strip()
        mapped = {
            variable: identity.header_value(headers[name.lower()])
            for name, variable in config.headers.to_variables.items()
            if name.lower() in headers
        }
        if diverted:
            mapped.setdefault("diverted", numbers.receive(diverted))
        return Offered(
            trunk,
            numbers.receive(invite.request_uri or invite.to_uri),
            numbers.receive(caller_uri),
            caller_uri,
            diverted,
            headers,
            int(hops) if hops.isascii() and hops.isdigit() and len(hops) < 4 else 0,
            mapped,
        )

    def decide(self, offered: Offered, at: datetime.datetime, load: float) -> Decision:
        """Ask the plan.

        Args:
            offered: the call.
            at: when, with a time zone.
            load: calls in progress divided by the limit.
        """
        facts = CallFacts(offered.called, offered.caller, at, offered.trunk, offered.headers, load)
        return self.plan.route(facts)

    def actions(
        self, decision: Decision, offered: Offered, at: datetime.datetime, load: float
    ) -> tuple[Action, ...]:
        """Return the decision's actions, one to be tried after the other.

        A number without a trunk is asked of the plan again, as if it had been dialled.
        """
        chain: list[Action] = []
        action: Action | None = decision.action
        for _ in range(MOST_ROUNDS):
            if action is None:
                return tuple(chain)
            if action.number is None or action.trunk is not None:
                chain.append(action)
                action = action.on_failure
                continue
            again = self.decide(replace(offered, called=action.number), at, load).action
            action = again if action.on_failure is None else _followed(again, action.on_failure)
        return (*chain, Action(reject=483, reason="the dial plan goes round in circles"))


def _followed(action: Action, last: Action) -> Action:
    """Return an action whose chain of failures ends in another."""
    if action.on_failure is None:
        return replace(action, on_failure=last)
    return replace(action, on_failure=_followed(action.on_failure, last))


def _needs_agent(action: ActionConfig) -> bool:
    return action.agent is not None and action.on_failure is None


def _passwords(
    trunks: Mapping[str, TrunkConfig], section: str, problems: list[str]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, trunk in trunks.items():
        credentials = trunk.register if section == "register" else trunk.digest
        if credentials is None:
            continue
        try:
            found[name] = credentials.read_password()
        except ConfigError as error:
            problems += [f"trunks.{name}.{section}: {each}" for each in error.problems]
    return found
