"""Decide where a person may send a caller by the phone's own transfer key (sans-IO).

The phone's REFER is answered by us and never dialled as it stands: its target is looked up in the
dial plan as if the person had dialled it, and only a queue, a number or the AI that a rule leads to
is taken.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from edge.dialplan.plan import CallFacts, DialPlan
from edge.transfer.fallback import AGENT, Fallback, Kind, to_number

Onward = Callable[[str, str], Fallback | None]
"""Takes the URI that the phone pointed to and the caller's number."""


def onward_by_plan(plan: DialPlan) -> Onward:
    """Return a look-up in a dial plan."""

    def look_up(refer_to: str, caller: str) -> Fallback | None:
        called = refer_to.partition(":")[2].partition("@")[0].partition(";")[0]
        now = datetime.datetime.now(datetime.UTC)
        action = plan.route(CallFacts(called=called, caller=caller, at=now)).action
        if action.queue is not None:
            return Fallback(Kind.QUEUE, action.queue)
        if action.number is not None:
            return to_number(action.number, action.trunk)
        return AGENT if action.agent is not None else None

    return look_up
