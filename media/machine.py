"""Tell an answering machine from a person by what comes after the pick-up (sans-IO).

Audio is looked at in blocks of 20 ms. A block is *quiet*, a *tone* (nearly all its energy at one
frequency, and that between 400 and 2000 Hz), *other* (the same at any other frequency: a dial tone,
a fax) or *talk*.

=======  =========================================================================================
sign     rule
=======  =========================================================================================
speech   talk that begins within 3 s of the pick-up and goes on for 5 s, pauses shorter than 0.7 s
         counted in. Who says "hello?" or a company's name waits for an answer after two seconds
beep     the same tone for 200 ms to 1.5 s, then 300 ms of quiet. A longer tone is a fault or a
         ring-back, a shorter one a key or a vowel
=======  =========================================================================================

Speech alone is a suspicion: a person may be talking to somebody else with the phone in the hand.
A beep is a verdict: after it the machine records. RFC 4733 keys are no tones in the audio.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np

from media.g711 import RATE_HZ, Samples
from media.messages import MachineSign

BLOCK_SAMPLES = 160
BLOCK_MS = 20
TALK_MS = 5_000
TALK_BEGINS_MS = 3_000
PAUSE_MS = 700
BEEP_MS = (200, 1_500)
SILENCE_MS = 300
TONE_HZ = (400, 2_000)
_QUIET_RMS = 200.0
"""-44 dBFS: louder than a room, softer than anybody who speaks into the receiver."""
_PURITY = 0.9
"""Share of a block's energy that a tone has within 75 Hz of its peak."""
_WINDOW = np.hanning(BLOCK_SAMPLES + 2)[1:-1]
"""Nowhere zero: a block that is not quiet has energy, wherever in it the sound is."""
_BIN_HZ = RATE_HZ / BLOCK_SAMPLES


class _Block(StrEnum):
    QUIET = "quiet"
    TONE = "tone"
    OTHER = "other"
    TALK = "talk"


class MachineEar:
    """Listens to one leg from its answer on.

    Args:
        tell: called with each sign, once.
    """

    def __init__(self, tell: Callable[[MachineSign], None]) -> None:
        self._tell = tell
        self._told: set[MachineSign] = set()
        self._rest: Samples = np.zeros(0, dtype=np.int16)
        self._at_ms = 0
        self._talk_since_ms: int | None = None
        self._quiet_ms = 0
        self._tone_bin = 0
        self._tone_ms = 0
        self._since_tone_ms = 0

    def receive(self, samples: Samples) -> None:
        """Take audio, in order, ``int16[n]`` at 8 kHz."""
        if MachineSign.BEEP in self._told:
            return
        self._rest = np.concatenate([self._rest, samples])
        while len(self._rest) >= BLOCK_SAMPLES:
            block, self._rest = self._rest[:BLOCK_SAMPLES], self._rest[BLOCK_SAMPLES:]
            self._at_ms += BLOCK_MS
            kind, peak_bin = _classify(block)
            self._quiet_ms = self._quiet_ms + BLOCK_MS if kind is _Block.QUIET else 0
            self._follow_talk(kind)
            self._follow_tone(kind, peak_bin)

    def _follow_talk(self, kind: _Block) -> None:
        if self._quiet_ms >= PAUSE_MS:
            self._talk_since_ms = None
        elif kind is _Block.TALK:
            if self._talk_since_ms is None and self._at_ms <= TALK_BEGINS_MS:
                self._talk_since_ms = self._at_ms
            began_ms = self._talk_since_ms
            if began_ms is not None and self._at_ms - began_ms >= TALK_MS:
                self._say(MachineSign.SPEECH)

    def _follow_tone(self, kind: _Block, peak_bin: int) -> None:
        if kind is _Block.TONE:
            steady = self._since_tone_ms == 0 and abs(peak_bin - self._tone_bin) <= 1
            self._tone_ms = self._tone_ms + BLOCK_MS if steady else BLOCK_MS
            self._tone_bin, self._since_tone_ms = peak_bin, 0
            return
        self._since_tone_ms += BLOCK_MS
        shortest_ms, longest_ms = BEEP_MS
        # the block in which a tone ends is half a tone: it is no talk yet
        if kind is not _Block.QUIET and self._since_tone_ms > BLOCK_MS:
            self._tone_ms = 0
        elif shortest_ms <= self._tone_ms <= longest_ms and self._quiet_ms >= SILENCE_MS:
            self._say(MachineSign.BEEP)

    def _say(self, sign: MachineSign) -> None:
        if sign not in self._told:
            self._told.add(sign)
            self._tell(sign)


def _classify(block: Samples) -> tuple[_Block, int]:
    samples = block.astype(np.float64)
    if float(np.sqrt(np.mean(samples**2))) < _QUIET_RMS:
        return _Block.QUIET, 0
    energy = np.abs(np.fft.rfft(samples * _WINDOW)) ** 2
    peak = int(np.argmax(energy))
    near = float(energy[max(peak - 2, 0) : peak + 3].sum())
    if near / float(energy.sum()) < _PURITY:
        return _Block.TALK, peak
    low, high = TONE_HZ
    return (_Block.TONE if low <= peak * _BIN_HZ <= high else _Block.OTHER), peak
