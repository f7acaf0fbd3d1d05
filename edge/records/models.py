"""Say what a call record holds (SQLAlchemy tables).

Times are UTC, ISO 8601 with milliseconds and ``Z``, as text: they sort as they stand and read the
same in every database. Durations are milliseconds.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SCHEMA_VERSION = 1


class RecordState(StrEnum):
    """Whether a record is still being written."""

    OPEN = "open"
    CLOSED = "closed"


class Base(DeclarativeBase):
    """Base of the tables."""


class SchemaVersion(Base):
    """Which layout the database has; one row."""

    __tablename__ = "schema_version"

    version: Mapped[int] = mapped_column(primary_key=True)


class CallRow(Base):
    """One call, refused ones too."""

    __tablename__ = "calls"

    call_id: Mapped[str] = mapped_column(primary_key=True)
    """Sorts by time of the INVITE."""
    state: Mapped[str] = mapped_column(index=True)
    sip_call_id: Mapped[str] = mapped_column(Text, index=True)
    direction: Mapped[str]
    """``inbound`` or ``outbound``."""
    trunk: Mapped[str]
    source: Mapped[str]
    """``address:port`` that the INVITE came from."""
    caller: Mapped[str] = mapped_column(Text)
    caller_name: Mapped[str] = mapped_column(Text)
    called: Mapped[str] = mapped_column(Text)
    agent: Mapped[str | None]
    """Persona that answered."""
    rule: Mapped[str | None]
    """Dial rule that took the call."""
    codec: Mapped[str | None]
    srtp_suite: Mapped[str | None]
    """SDES suite of the caller's audio, none for plain RTP."""
    offered_at: Mapped[str] = mapped_column(index=True)
    ringing_at: Mapped[str | None]
    answered_at: Mapped[str | None]
    ended_at: Mapped[str | None]
    duration_ms: Mapped[int | None]
    """ACK to end; 0 for a call that was never answered."""
    ended_by: Mapped[str | None]
    """``caller``, ``agent``, ``operator`` or ``system``."""
    sip_status: Mapped[int | None]
    reason: Mapped[str | None]
    cause: Mapped[str | None] = mapped_column(Text)
    packets_received: Mapped[int | None]
    packets_sent: Mapped[int | None]
    packets_lost: Mapped[int | None]
    loss_ratio: Mapped[float | None]
    packets_late: Mapped[int | None]
    packets_foreign: Mapped[int | None]
    packets_malformed: Mapped[int | None]
    packets_unauthentic: Mapped[int | None]
    """Not from the holder of the SRTP key: a wrong key is silence, and counted here."""
    jitter_ms: Mapped[float | None]
    jitter_max_ms: Mapped[float | None]
    concealed_ms: Mapped[int | None]
    remote_loss_ratio: Mapped[float | None]
    round_trip_ms: Mapped[float | None]
    mos: Mapped[float | None]
    send_lateness_p99_ms: Mapped[float | None]
    recording: Mapped[str | None] = mapped_column(Text)


class AttemptRow(Base):
    """One attempt to reach a human in a call; times are ms from the decision to transfer."""

    __tablename__ = "attempts"

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """From 1 within the call."""
    queue: Mapped[str]
    member: Mapped[str]
    """Empty where the caller waited and nobody was rung."""
    outcome: Mapped[str]
    sip_status: Mapped[int]
    music_ms: Mapped[int | None]
    dialed_ms: Mapped[int | None]
    ringing_ms: Mapped[int | None]
    answered_ms: Mapped[int | None]
    whisper_ended_ms: Mapped[int | None]
    accepted_ms: Mapped[int | None]
    connected_ms: Mapped[int | None]
    """Media has joined the legs, or the carrier has both."""
    ended_ms: Mapped[int | None]
    summary_ms: Mapped[int | None]
    """The summary of the conversation was there."""
    caller_hears_ms: Mapped[int | None]
    """The first packet with the person's voice left for the caller; none after a REFER."""
    person_hears_ms: Mapped[int | None]
    """The first packet with the caller's voice left for the person."""


class TurnRow(Base):
    """One thing said in a call."""

    __tablename__ = "turns"

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    speaker: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    offset_ms: Mapped[int]
    """From the ACK to the turn's first packet."""
    duration_ms: Mapped[int]
    interrupted: Mapped[bool]
    endpointing_ms: Mapped[int | None]
    recognition_ms: Mapped[int | None]
    first_token_ms: Mapped[int | None]
    first_audio_ms: Mapped[int | None]
    response_ms: Mapped[int | None]
    barge_in_ms: Mapped[int | None]
    source: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    """Further figures as a JSON object."""
