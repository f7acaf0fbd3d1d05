from __future__ import annotations

import numpy as np
import pytest

from agent.engines.llama_sample import Sampler, SamplingOptions, TextStream

pytestmark = pytest.mark.unit


def scores(*values: float) -> np.ndarray:
    """Return logits."""
    return np.array(values, np.float32)


def test_greedy_takes_the_likeliest() -> None:
    """Without a temperature the likeliest token is taken."""
    assert Sampler(SamplingOptions()).choose(scores(0.1, 3.0, 2.9)) == 1


def test_repetition_is_penalised() -> None:
    """A token that the answer already said loses against a nearly equal one, whatever its sign."""
    sampler = Sampler(SamplingOptions(repetition_penalty=1.2))
    sampler.accept(1)
    assert sampler.choose(scores(0.1, 3.0, 2.9)) == 2
    assert sampler.choose(scores(-9.0, -1.0, -1.1)) == 2


def test_repetition_is_forgotten() -> None:
    """Only so many tokens back are penalised."""
    sampler = Sampler(SamplingOptions(repetition_penalty=1.2, repetition_tokens=2))
    for token in (1, 0, 0):
        sampler.accept(token)
    assert sampler.choose(scores(0.1, 3.0, 2.9)) == 1


def test_temperature_draws_from_the_best() -> None:
    """With a temperature only the top k are ever drawn, and more than one of them is."""
    sampler = Sampler(SamplingOptions(temperature=1.0, top_k=2, repetition_penalty=1.0))
    drawn = {sampler.choose(scores(1.0, 1.1, 0.9, -5.0)) for _ in range(200)}
    assert drawn == {0, 1}


def test_characters_are_never_torn() -> None:
    """A character of several bytes comes out when it is whole."""
    stream = TextStream()
    raw = "5 € ✓".encode()
    pieces = [stream.receive(raw[at : at + 1]) for at in range(len(raw))]
    assert "".join(pieces) == "5 € ✓"
    assert all("\ufffd" not in each for each in pieces)
    assert stream.flush() == ""


def test_a_broken_end_is_replaced() -> None:
    """Half a character at the end becomes a replacement character, not an error."""
    stream = TextStream()
    assert stream.receive("€".encode()[:2]) == ""
    assert stream.flush() == "\ufffd"
