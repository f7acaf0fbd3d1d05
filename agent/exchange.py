"""Write down each thing said as a :class:`media.messages.Turn`, all durations on the wire clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.answering import Answer
from agent.playback import Clip, ClipState
from agent.turn_taking import TurnEnded
from media.messages import CallId, Speaker, Turn

MS = 1_000_000


@dataclass(slots=True)
class Exchange:
    """A caller's turn and the way to its answer."""

    ended: TurnEnded
    recognized_ns: int
    """When the final transcript was there."""
    answer: Answer | None = None
    wasted_ms: float = 0.0
    """Provisional work thrown away in this turn."""
    cut_offs: int = 0
    """The turn before was taken for over, and was not."""
    responded: bool = False
    """Something was heard in answer: the response time belongs to the first of it."""


@dataclass(slots=True)
class Telling:
    """Why a clip is played."""

    exchange: Exchange | None = None
    then: str = "listen"
    hangup_reason: str = "agent_goodbye"
    speech_since_ns: int = 0
    """Arrival of the first packet of the speech that interrupted it."""
    silenced_ns: int = 0
    """When our last packet of it left, if it was held before it was cleared."""


def _since(end_ns: int | None, start_ns: int) -> int | None:
    return None if end_ns is None else max(0, round((end_ns - start_ns) / MS))


@dataclass(slots=True)
class TurnBook:
    """Numbers and sends the turns of one call.

    Args:
        call_id: the call.
        send: takes each turn as it is over.
    """

    call_id: CallId
    send: Callable[[Turn], None]
    written: int = 0

    def caller(self, exchange: Exchange, source: str = "speech") -> Turn:
        """Write a caller's turn."""
        ended = exchange.ended
        turn = Turn(
            self.call_id,
            self._next(),
            Speaker.CALLER,
            ended.text,
            ended.started_ns,
            ended.ended_ns,
            source=source,
            detail={
                "speech_ms": float(ended.speech_ms),
                "pauses": float(ended.pauses),
                "required_ms": float(ended.required_ms),
                "wasted_provisional_ms": round(exchange.wasted_ms, 1),
                "cut_offs": float(exchange.cut_offs),
            },
        )
        self.send(turn)
        return turn

    def agent(self, clip: Clip, telling: Telling) -> Turn | None:
        """Write an agent's turn from a clip that is over; one that nobody heard is none."""
        text = clip.heard_text()
        if not text or not clip.started_ns:
            return None
        interrupted = clip.state is ClipState.CLEARED
        silenced_ns = telling.silenced_ns or clip.finished_ns
        barge_in_ms = (
            _since(silenced_ns, telling.speech_since_ns)
            if interrupted and telling.speech_since_ns
            else None
        )
        turn = Turn(
            self.call_id,
            self._next(),
            Speaker.AGENT,
            text,
            clip.started_ns,
            silenced_ns if interrupted else clip.finished_ns,
            interrupted=interrupted,
            barge_in_ms=barge_in_ms,
            source=clip.source,
        )
        if telling.exchange is not None:
            turn = _with_timing(turn, telling.exchange)
        self.send(turn)
        return turn

    def _next(self) -> int:
        self.written += 1
        return self.written


def _with_timing(turn: Turn, exchange: Exchange) -> Turn:
    ended_ns = exchange.ended.ended_ns
    answer = exchange.answer
    since_ms = _since(turn.started_ns, ended_ns)
    first, exchange.responded = not exchange.responded, True
    return replace(
        turn,
        endpointing_ms=_since(exchange.ended.decided_ns, ended_ns),
        recognition_ms=_since(exchange.recognized_ns, ended_ns),
        first_token_ms=_since(answer.first_token_ns, ended_ns) if answer else None,
        first_audio_ms=_since(answer.first_audio_ns, ended_ns) if answer else None,
        response_ms=since_ms if first else None,
        detail={
            "since_question_ms": float(since_ms or 0),
            "required_ms": float(exchange.ended.required_ms),
            "begun_ms": float(_since(answer.begun_ns, ended_ns) or 0) if answer else 0.0,
            "tokens": float(answer.tokens if answer else 0),
            "refused": float(bool(answer and answer.refused)),
            "failed": float(bool(answer and answer.failed)),
            "wasted_provisional_ms": round(exchange.wasted_ms, 1),
        },
    )
