from __future__ import annotations

import pytest

from agent.endpointing import (
    PRESETS,
    Completeness,
    Expectation,
    Grasp,
    completion_score,
    expected_answer,
    is_fragment,
    is_question,
    judge_words,
    required_silence_ms,
    resolve_timing,
    words_decide,
)
from media.config.model import TurnConfig

pytestmark = pytest.mark.unit
BALANCED = PRESETS["balanced"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("What is the warranty?", Completeness.COMPLETE),
        ("How long does the battery last", Completeness.COMPLETE),
        ("My doorbell does not work.", Completeness.COMPLETE),
        ("Yes.", Completeness.COMPLETE),
        ("no thanks", Completeness.COMPLETE),
        ("My doorbell.", Completeness.UNSURE),
        ("How long?", Completeness.UNSURE),
        ("", Completeness.UNSURE),
        ("I would like to know if the", Completeness.INCOMPLETE),
        ("It works but", Completeness.INCOMPLETE),
        ("My camera is, um", Completeness.INCOMPLETE),
        ("The battery...", Completeness.INCOMPLETE),
        ("because of", Completeness.INCOMPLETE),
    ],
)
def test_words_say_whether_they_are_finished(text: str, verdict: Completeness) -> None:
    """Endings that go on, whole sentences and short answers are told apart."""
    assert judge_words(text) is verdict


@pytest.mark.parametrize("preset", PRESETS.values())
def test_more_evidence_never_asks_for_more_silence(preset: object) -> None:
    """The silence falls with the probability and stays between the two limits."""
    timing = next(each for each in PRESETS.values() if each is preset)
    for text in ("What is the warranty?", "My doorbell.", "and the"):
        waits = [required_silence_ms(timing, text, step / 10) for step in range(11)]
        assert waits == sorted(waits, reverse=True)
        assert timing.complete_ms <= waits[-1] <= waits[0] <= timing.incomplete_ms


def test_the_balanced_preset_asks_for_the_silences_it_promises() -> None:
    """380 ms when surely answered, 540 to 600 with facts about it, beyond 700 without."""
    question = "What is the warranty?"
    assert required_silence_ms(BALANCED, question, None, grasp=Grasp.SURE) == 380
    assert 530 <= required_silence_ms(BALANCED, question, 1.0, grasp=Grasp.ABOUT) <= 550
    assert 590 <= required_silence_ms(BALANCED, question, 0.0, grasp=Grasp.ABOUT) <= 610
    assert required_silence_ms(BALANCED, question, 0.97) > 700
    assert required_silence_ms(BALANCED, "My doorbell.", 0.97, grasp=Grasp.SURE) > 700
    assert required_silence_ms(BALANCED, "I want to ask about the", 0.9) >= 950


@pytest.mark.parametrize(
    "text",
    [
        "Can you tell me?",
        "Could you please tell me.",
        "I would like to know.",
        "Well, I have a question about",
        "Is it possible?",
        "When I press the button.",
        "If I send it back.",
        "After the last update.",
        "Hello, I am calling.",
        "Because my doorbell.",
    ],
)
def test_words_that_lead_up_to_something_are_waited_out(text: str) -> None:
    """Recognisers end such words with a full stop or a question mark; the caller goes on."""
    assert judge_words(text) is Completeness.INCOMPLETE
    assert required_silence_ms(BALANCED, text, 0.97, grasp=Grasp.ABOUT) > 900


@pytest.mark.parametrize(
    "text",
    [
        "When do you open?",
        "When I press the button, the chime does not ring.",
        "If I send it back, do I get a refund?",
        "Which transformer do I need for that?",
        "Is there a discount?",
    ],
)
def test_sentences_that_begin_alike_are_whole(text: str) -> None:
    """A question word or a main clause makes the difference."""
    assert judge_words(text) is Completeness.COMPLETE


@pytest.mark.parametrize("text", ["The red light on the door.", "How can I share?", "It keeps."])
def test_fragments_are_not_taken_for_questions(text: str) -> None:
    """A thing without a verb, or a verb without its object, is answered by nothing yet."""
    assert is_fragment(text)
    assert required_silence_ms(BALANCED, text, 0.97, grasp=Grasp.SURE) > 700


def test_the_turn_model_is_asked_only_where_it_decides() -> None:
    """Whole questions about known things and open ends need no second opinion."""
    open_ = Expectation.OPEN
    assert words_decide(BALANCED, "How long is the warranty?", open_, Grasp.SURE)
    assert words_decide(BALANCED, "How long is the warranty?", open_, Grasp.ABOUT)
    assert words_decide(BALANCED, "Yes.", open_, Grasp.NOTHING)
    assert not words_decide(BALANCED, "My doorbell.", open_, Grasp.NOTHING)


def test_yes_alone_does_not_wait_for_the_turn_model() -> None:
    """A one-word answer is over after the shortest silence, whatever the voice sounds like."""
    assert required_silence_ms(BALANCED, "Yes.", 0.1) == BALANCED.complete_ms


@pytest.mark.parametrize(
    "text", ["four seven one", "4 7 1 2", "A B C", "My order number is 417.", "It is 0151."]
)
def test_digits_get_patience(text: str) -> None:
    """Digits and letters wait, asked for or not."""
    assert required_silence_ms(BALANCED, text, 1.0) == BALANCED.digits_ms


def test_what_was_asked_decides_the_patience() -> None:
    """A number that was asked for is waited for even when one word was said."""
    assert required_silence_ms(BALANCED, "it is", 1.0, Expectation.DIGITS) == BALANCED.digits_ms


@pytest.mark.parametrize(
    ("said", "expectation"),
    [
        ("What is your serial number?", Expectation.DIGITS),
        ("Please spell your name.", Expectation.SPELLING),
        ("All right. Is the light red?", Expectation.YES_NO),
        ("How can I help you?", Expectation.OPEN),
        ("What is your serial number? It is on the back.", Expectation.DIGITS),
        ("Thank you. Now please enter your order number.", Expectation.DIGITS),
        ("Is the light red? Then it is charging. It takes five hours.", Expectation.OPEN),
        ("The warranty is two years.", Expectation.OPEN),
        ("", Expectation.OPEN),
    ],
)
def test_the_agents_words_say_what_is_expected(said: str, expectation: Expectation) -> None:
    """The last question decides, and a hint may follow it."""
    assert expected_answer(said) is expectation


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ("Hello. What is your name?", True),
        ("What is your serial number? It is on the back.", True),
        ("Please spell your name.", True),
        ("The warranty is two years.", False),
        ("", False),
    ],
)
def test_the_agents_words_say_whether_it_asks(said: str, asks: bool) -> None:
    """Any question or request does, whatever kind of answer it wants."""
    assert is_question(said) is asks


def test_a_personas_own_value_beats_its_preset() -> None:
    """Only what is given is replaced."""
    timing = resolve_timing(TurnConfig(preset="patient", complete_ms=500))
    assert timing.complete_ms == 500
    assert timing.incomplete_ms == PRESETS["patient"].incomplete_ms


@pytest.mark.parametrize(
    ("knob", "words", "grasp"),
    [
        ("words_weight", Completeness.COMPLETE, Grasp.NOTHING),
        ("melody_weight", Completeness.UNSURE, Grasp.NOTHING),
        ("grasp_weight", Completeness.UNSURE, Grasp.ABOUT),
    ],
)
def test_each_weight_counts_its_evidence(knob: str, words: Completeness, grasp: Grasp) -> None:
    """With more weight the same evidence scores more, never beyond what is certain."""
    timings = [resolve_timing(TurnConfig(**{knob: weight})) for weight in (0.0, 1.0, 3.0)]
    scores = [completion_score(words, 0.9, grasp, timing) for timing in timings]
    assert scores[0] < scores[1] < scores[2] <= 1.0
    assert scores[1] == completion_score(words, 0.9, grasp)


def test_without_weight_the_turn_model_is_not_asked() -> None:
    """Its verdict could change nothing."""
    deaf = resolve_timing(TurnConfig(melody_weight=0.0))
    assert words_decide(deaf, "My doorbell", Expectation.OPEN, Grasp.NOTHING)
    assert not words_decide(BALANCED, "My doorbell", Expectation.OPEN, Grasp.NOTHING)


@pytest.mark.parametrize(
    "whole",
    [
        "My camera is offline, and I do not know what to do.",
        "I do not know where the button is.",
        "Is there somebody I can talk to?",
        "Does it cost anything or not?",
        "What options do I have?",
        "How do I log in?",
    ],
)
def test_words_that_mostly_go_on_may_end_a_sentence(whole: str) -> None:
    """Who has finished does not wait for the silence of an unfinished sentence."""
    assert judge_words(whole) is Completeness.COMPLETE


@pytest.mark.parametrize(
    "begun", ["Does the subscription?", "I forgot.", "Is the warranty", "I have changed"]
)
def test_a_thing_without_its_verb_is_waited_for(begun: str) -> None:
    """A fact about the thing does not make a question of it."""
    timing = PRESETS["balanced"]
    waits = required_silence_ms(timing, begun, 1.0, Expectation.OPEN, Grasp.ABOUT)
    assert waits > 700


@pytest.mark.parametrize(
    "begun",
    ["Is it possible to?", "I changed the router and now", "I change router end now.", "I have"],
)
def test_a_recognisers_full_stop_finishes_nothing(begun: str) -> None:
    """What leads up to more is waited out, however it is written."""
    assert judge_words(begun) is Completeness.INCOMPLETE


@pytest.mark.parametrize(
    "whole",
    [
        "what is it for?",
        "who can I talk to?",
        "where does it come from?",
        "what time are you open to?",
        "Which screws should I fix it with?",
        "What is it that you ask for?",
        "which Wi-Fi does it work with?",
        "What is the button for?",
        "What is the second battery for?",
        "What does it come with?",
        "Which transformer do I need for that?",
        "what can I use it for?",
        "What should I look for?",
        "who is it made for?",
        "How many cameras does it work with?",
        "How long do I hold it for?",
        "how late are you open for?",
        "Where do I send it to?",
        "What do I connect it to?",
        "Is there somebody I can talk to?",
        "Is there anyone I could speak with?",
        "Is there a number that I can call you at?",
        "Why is the red light on?",
        "Is the light always on?",
        "Should the ring be on?",
        "How do I turn it on?",
        "How do I log in?",
        "How do I do that?",
        "Can I do that?",
        "What is this about?",
        "Can you tell me what it is for?",
        "Do you know who I can speak to?",
        "How many do you have?",
        "What options do I have?",
        "What is it made from?",
        "Which app do I set it up in?",
        "What devices is it compatible with?",
        "which room should I put it in?",
        "What is the doorbell compatible with?",
        "How long is the doorbell covered for?",
        "is it possible to do that?",
        "What kind of screws does it come with?",
        "how much does it sell for?",
    ],
)
def test_a_preposition_ends_a_question_that_left_it_open(whole: str) -> None:
    """What, which, who and where it belongs to was said before; so does "somebody I can ..."."""
    assert judge_words(whole) is Completeness.COMPLETE


@pytest.mark.parametrize(
    "begun",
    [
        "Does the camera work with",
        "What do I have to",
        "Which cameras work with",
        "Which devices are compatible with",
        "And who will pay for",
        "Who is responsible for",
        "What do I do with",
        "What happens with",
        "How much is it for",
        "How many cameras work with",
        "Can I get a refund for",
        "How can I share the camera with",
        "Where is the reset button on",
        "How do I connect the doorbell to",
        "Can I use the doorbell with",
        "How do I install the camera on",
        "Is the doorbell covered in",
        "How long is the battery in",
        "Do the cameras work in",
        "Do I need a subscription to",
        "Can I return the camera that",
        "Could you tell me if you have",
        "Is it possible to",
        "When can I bring it to",
        "Why does the doorbell ring at",
        "Is the warranty valid for",
        "Can you help me with",
        "Does the subscription pay for",
        "Do you deliver to",
        "How far is the camera visible from",
        "What is the range of the camera in",
        "What happens if I connect it to",
        "How do I send the camera to",
        "Should I point the lens at",
        "Can I ask you about",
        "Do I have a problem with",
        "How do I mount the chime on",
        "Where can I find the number on",
        "What is the warranty on",
        "Is the camera protected from",
        "How much is the battery for",
        "Will the doorbell chime in",
        "Does it make a difference that",
        "When are you open on",
    ],
)
def test_a_preposition_ends_no_other_question(begun: str) -> None:
    """Also where a reviewed answer seems to fit, the caller is about to say what it is about."""
    assert judge_words(begun) is Completeness.INCOMPLETE
    assert judge_words(f"{begun}?") is Completeness.INCOMPLETE
    for melody in (0.0, 1.0):
        assert required_silence_ms(BALANCED, begun, melody, grasp=Grasp.SURE) > 900
