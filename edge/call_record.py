"""Write, publish and log what becomes of one call; the record is closed exactly once."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import structlog

from edge.call import Call
from edge.call_events import Termination
from edge.call_surroundings import Surroundings
from edge.client_messages import (
    CallAnsweredNews,
    CallEndedNews,
    CallOfferedNews,
    TurnEndedNews,
)
from edge.records.columns import (
    Parties,
    WallClock,
    closing,
    duration_ms,
    opening,
    stages,
    turn_columns,
)
from edge.trunks.routed import Routed
from media.messages import CallId, Turn

log = structlog.get_logger()


class CallRecord:
    """One call, for those who read about it.

    Args:
        call_id: ours.
        parties: who calls whom.
        routed: where it goes.
        call: knows when its stages were reached, and how it sounded.
        around: takes columns and news.
    """

    def __init__(
        self, call_id: CallId, parties: Parties, routed: Routed, call: Call, around: Surroundings
    ) -> None:
        self.parties = parties
        self.codec: str | None = None
        self._call_id = call_id
        self._routed = routed
        self._agent = routed.agent or ""
        self._call = call
        self._around = around
        self._clock = WallClock.read()
        self._turns: list[Turn] = []
        self._closed = False
        self._log = log.bind(call_id=call_id, trunk=parties.trunk)

    def backdate(self, age_ns: int) -> None:
        """Have the record say that all of this was so long ago."""
        self._clock = WallClock(self._clock.offset_ns - age_ns)

    def open(self, *, refused: bool) -> None:
        """Begin: the call is offered.

        Args:
            refused: nobody is to have it.
        """
        parties, times = self.parties, self._call.times
        times.offered_ns = time.monotonic_ns()
        agent = None if refused else self._routed.agent
        columns = opening(self._call_id, parties, times, self._clock, agent)
        columns |= {"rule": self._routed.rule, "direction": self._routed.direction}
        self._around.records.put(columns)
        log.info(
            "call_offered",
            sip_call_id=parties.sip_call_id,
            source=parties.source,
            agent=agent,
            rule=self._routed.rule,
            pii_caller=parties.caller,
            pii_called=parties.called,
        )
        self._around.publish(
            CallOfferedNews(self._call_id, parties.sip_call_id, parties.caller, parties.called)
        )

    def note_sip_call_id(self, sip_call_id: str) -> None:
        """Keep the Call-ID of a leg that we placed: it was not known before."""
        self.parties = replace(self.parties, sip_call_id=sip_call_id)
        self._around.records.put({"call_id": self._call_id, "sip_call_id": sip_call_id})

    def note_answer(self, at_ns: int) -> None:
        """Keep that the call was answered, monotonic ns."""
        times = self._call.times
        columns = stages(self._call_id, times, self._clock)
        self._around.records.put(columns | {"codec": self.codec})
        log.info(
            "call_answered",
            agent=self._agent,
            codec=self.codec,
            setup_ms=_between_ms(times.offered_ns, times.confirmed_ns),
        )
        self._around.publish(
            CallAnsweredNews(self._call_id, self.parties.sip_call_id, self._agent, at_ns)
        )

    def add_turn(self, turn: Turn) -> None:
        """Keep and publish one turn."""
        confirmed_ns = self._call.times.confirmed_ns
        if confirmed_ns is None or self._closed:
            self._log.warning("turn_refused", number=turn.number)
            return
        self._turns.append(turn)
        columns = turn_columns(turn, confirmed_ns)
        self._around.records.put({"call_id": self._call_id}, (columns,))
        self._around.publish(TurnEndedNews(self._call_id, self.parties.sip_call_id, turn))

    def close(self, termination: Termination) -> None:
        """End; only the first time counts."""
        if self._closed:
            return
        self._closed = True
        times, quality = self._call.times, self._call.quality
        if times.ended_ns is None:
            times.ended_ns = time.monotonic_ns()
        columns = closing(self._call_id, times, self._clock, termination, quality)
        columns["codec"] = self.codec
        confirmed_ns = times.confirmed_ns or times.ended_ns
        turns = tuple(turn_columns(each, confirmed_ns) for each in self._turns)
        self._around.records.put(columns, turns)
        self._log_end(termination)
        self._around.publish(
            CallEndedNews(
                self._call_id,
                self.parties.sip_call_id,
                str(termination.who),
                termination.sip_status,
                str(termination.reason),
                termination.cause,
                duration_ms(times),
                quality.mos if quality else None,
                quality.recording if quality else None,
                quality.loss_ratio if quality else None,
                quality.jitter_ms if quality else None,
                quality.send_lateness_p99_ms if quality else None,
            )
        )

    def _log_end(self, termination: Termination) -> None:
        times, quality = self._call.times, self._call.quality
        responses = [each.response_ms for each in self._turns if each.response_ms is not None]
        self._log.info(
            "call_ended",
            ended_by=str(termination.who),
            sip_status=termination.sip_status,
            reason=str(termination.reason),
            cause=termination.cause,
            ringing_after_ms=_between_ms(times.offered_ns, times.ringing_ns),
            answered_after_ms=_between_ms(times.offered_ns, times.answered_ns),
            confirmed_after_ms=_between_ms(times.offered_ns, times.confirmed_ns),
            duration_ms=duration_ms(times),
            turns=len(self._turns),
            response_ms_median=statistics.median(responses) if responses else None,
            response_ms_max=max(responses) if responses else None,
            mos=quality.mos if quality else None,
            loss_ratio=quality.loss_ratio if quality else None,
            jitter_ms=quality.jitter_ms if quality else None,
        )


def _between_ms(start_ns: int | None, end_ns: int | None) -> int | None:
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) // 1_000_000
