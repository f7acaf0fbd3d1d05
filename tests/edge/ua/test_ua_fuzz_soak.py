from __future__ import annotations

import pytest
from fuzzing import Fuzzer
from test_ua_fuzz import _assert_healthy

pytestmark = pytest.mark.soak


@pytest.mark.timeout(900)
def test_ten_thousand_mutated_messages_do_no_harm() -> None:
    """10,000 mutated messages: no crash, no leak, OPTIONS answered throughout."""
    _assert_healthy(Fuzzer(31_892).run(seed=11, count=10_000))
