import pytest

from edge.admission import OVERLOADED, Admission, reaches_agent
from edge.call_events import EndReason
from media.config.model import Config
from media.config.queues import QueueConfig
from media.config.routing import ActionConfig, RuleConfig

pytestmark = pytest.mark.unit


def opened() -> Admission:
    admission = Admission()
    admission.media_up = admission.agent_up = admission.agent_ready = True
    return admission


def test_a_call_is_taken_when_all_is_there() -> None:
    """With media, agent, a worker and a free line a call would be answered."""
    assert opened().why_not(workers_ready=True, calls=2, limit=3) is None
    assert opened().refusal() is None


def test_every_missing_part_is_named() -> None:
    """The reason names what is missing, the models' progress in the agent's own words."""
    admission = Admission()
    assert admission.why_closed() == "the media process is not up"
    admission.media_up = True
    assert admission.why_closed() == "the agent process is not up"
    admission.agent_up = True
    assert admission.why_closed() == "the agent process is loading"
    admission.agent_detail = "still loading models: piper"
    assert admission.why_closed() == "still loading models: piper"
    admission.agent_ready = True
    assert admission.why_not(workers_ready=False, calls=0, limit=0) == (
        "no UA worker listens for SIP"
    )
    assert admission.why_not(workers_ready=True, calls=3, limit=3) == "all 3 lines are taken"
    admission.stopping = True
    assert admission.why_closed() == "shutting down"


def test_a_refusal_is_503_and_says_why() -> None:
    """An INVITE that crossed the closing is refused as not ready."""
    refusal = Admission().refusal()
    assert refusal is not None
    assert (refusal.sip_status, refusal.reason) == (503, EndReason.NOT_READY)
    assert refusal.cause == "the media process is not up"


def test_a_plan_that_can_do_without_the_agent_process_is_open_without_it() -> None:
    """Where some rule plays an announcement or calls a number, only media must be up."""
    admission = Admission(needs_agent=False, reaches_agent=False)
    assert admission.why_closed() == "the media process is not up"
    admission.media_up = True
    assert admission.why_closed() is None
    assert admission.why_not(workers_ready=True, calls=0, limit=3) is None


def test_a_plan_with_a_persona_beside_others_is_ready_when_the_agent_process_is() -> None:
    """Calls of the other rules are taken before, but a call to the persona would get 503."""
    admission = Admission(needs_agent=False)
    admission.media_up = True
    assert admission.why_closed() is None
    assert admission.why_not(workers_ready=True, calls=0, limit=3) == (
        "the agent process is not up"
    )
    admission.agent_up = admission.agent_ready = True
    assert admission.why_not(workers_ready=True, calls=0, limit=3) is None
    admission.agent_refusing = True
    assert admission.why_not(workers_ready=True, calls=0, limit=3) == OVERLOADED


DESK = ActionConfig(agent="desk")


@pytest.mark.parametrize(
    ("rules", "queues", "reached"),
    [
        ((RuleConfig(queue="q"), RuleConfig(agent="desk")), {}, True),
        ((RuleConfig(number="7", trunk="t", on_failure=DESK),), {}, True),
        ((RuleConfig(queue="q"),), {"q": QueueConfig(on_failure=DESK)}, True),
        ((RuleConfig(queue="q"), RuleConfig(reject=404)), {"q": QueueConfig()}, False),
    ],
)
def test_which_plans_reach_a_persona(
    rules: tuple[RuleConfig, ...], queues: dict[str, QueueConfig], reached: bool
) -> None:
    """A rule, its substitute and what a queue falls back on count."""
    assert reaches_agent(Config(agents={}, dialplan=rules, queues=queues)) is reached


def test_too_much_load_refuses_new_calls_as_full() -> None:
    """While the agent process refuses, new calls get 503 as when all lines are taken."""
    admission = opened()
    admission.agent_refusing = True
    assert admission.overloaded
    refusal = admission.refusal()
    assert refusal is not None
    assert (refusal.sip_status, refusal.reason) == (503, EndReason.FULL)
    assert "load" in refusal.cause
    admission.media_up = False
    assert not admission.overloaded
    assert admission.why_closed() == "the media process is not up"
