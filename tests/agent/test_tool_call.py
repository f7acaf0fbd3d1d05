from __future__ import annotations

import pytest

from agent.knowledge import Knowledge
from agent.tool_call import REASON_LETTERS, MarkerFilter, ToolCall, TransferTool

pytestmark = pytest.mark.unit

TOOL = TransferTool(
    {
        "billing": "a wrong charge on the card, an invoice, a payment",
        "sales": "an offer for many devices, a business or an apartment building",
    }
)


KNOWN = Knowledge(["To charge the battery, plug in the cable.", "The chime costs 25 dollars."])


@pytest.mark.parametrize(
    ("words", "queues"),
    [
        ("I was charged twice on my card", ["billing"]),
        ("I need a copy of my invoice", ["billing"]),
        ("we want an offer for our apartment building", ["sales"]),
        ("How long does the battery last?", []),
        ("how do I charge the battery", []),
        ("the doorbell does not ring", []),
        ("", []),
    ],
)
def test_only_words_that_are_about_a_queue_lead_to_the_question(
    words: str, queues: list[str]
) -> None:
    """The model is not asked about queues that the caller did not come near."""
    assert TOOL.candidates(words, KNOWN) == queues


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (
            '<transfer queue="billing" reason="charged twice"/>',
            ToolCall("billing", "charged twice"),
        ),
        (
            "Sure. <transfer reason='charged twice' queue='billing'>",
            ToolCall("billing", "charged twice"),
        ),
        (
            '<transfer queue="billing" reason="stolen passport"/>',
            ToolCall("billing", "I was charged twice"),
        ),
        (
            '<transfer queue="billing" reason="charged 40 times"/>',
            ToolCall("billing", "I was charged twice"),
        ),
        ('<transfer queue="billing"/>', ToolCall("billing", "I was charged twice")),
        ('<transfer queue="director" reason="charged twice"/>', None),
        ('<transfer queue="" reason="charged twice"/>', None),
        ("<transfer/>", None),
        ("none", None),
        ("I will transfer you to billing.", None),
        ("", None),
    ],
)
def test_a_marker_is_taken_only_as_it_is_allowed(text: str, call: ToolCall | None) -> None:
    """Unknown queues are refused, and a reason that the caller did not give is not passed on."""
    assert TOOL.parse(text, "I was charged twice") == call


def test_a_reason_is_short() -> None:
    """A caller's long sentence is cut at a word."""
    words = "I was charged " + "again and " * 30
    call = TOOL.parse('<transfer queue="billing" reason="gold"/>', words)
    assert call is not None and len(call.reason) <= REASON_LETTERS and not call.reason.endswith(" ")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ('Yes. <transfer queue="billing" reason="x"/> Bye.', "Yes.  Bye."),
        ('< transfer queue="a">Hello', "Hello"),
        ('Hello <transfer queue="bil', "Hello "),
        ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
        ("a <b>bold</b> word", "a <b>bold</b> word"),
        ("it ends with <", "it ends with <"),
    ],
)
def test_a_marker_is_never_spoken(text: str, spoken: str, size: int) -> None:
    """However the tokens fall, the marker is cut out and everything else is let through."""
    stream = MarkerFilter()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert "".join(stream.receive(each) for each in pieces) + stream.flush() == spoken
    assert bool(stream.removed) is ("transfer" in text)


def test_the_grammar_names_the_queues() -> None:
    """Nothing but the markers of these queues and none can be written."""
    grammar = TOOL.grammar(["billing", "sales"])
    assert 'queue ::= "billing" | "sales"' in grammar and '"none"' in grammar


def test_the_question_shows_both_answers() -> None:
    """One example of each, and the caller's words last."""
    messages = TOOL.dialogue("I was charged twice", ["billing"])
    answers = [each.text for each in messages if each.role == "assistant"]
    assert answers[0] == "none" and answers[1].startswith('<transfer queue="billing"')
    assert messages[-1].text == "Caller: I was charged twice"
