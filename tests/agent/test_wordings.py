"""Do other people's words find the shipped persona's reviewed answers, and only the right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.answering import is_about
from agent.fast_lane import is_goodbye
from agent.persona import Persona
from agent.speech import Speech
from media.config.load import load_config
from tests.agent.test_answers import SilentVoice

pytestmark = pytest.mark.unit

DEPLOYED = Path(__file__).parents[2] / "deploy" / "cordboard.yaml"

RIGHT = [
    ("how long can I go before the battery needs charging", "six months"),
    ("what's the endurance of the battery", "six months"),
    ("what do I need to charge it", "USB"),
    ("how long until it is fully charged", "five hours"),
    ("what would a replacement battery set me back", "29"),
    ("could I purchase a second battery from you", "29"),
    ("the battery goes flat within days", "five hours"),
    ("my doorbell is constantly offline", "router"),
    ("Wi-Fi signal drops every evening", "router"),
    ("the live picture keeps freezing because of bad wireless", "router"),
    ("is five gigahertz okay", "2.4"),
    ("does it run on 5 GHz networks", "2.4"),
    ("I got a new router yesterday", "Wi-Fi"),
    ("how do I hook it up to my wireless network", "Wi-Fi"),
    ("how can I restore factory settings", "15 seconds"),
    ("I'd like to wipe the doorbell completely", "15 seconds"),
    ("what's the procedure for a factory reset", "15 seconds"),
    ("the camera hangs, how do I reboot it", "five seconds"),
    ("what guarantee do I get", "two years"),
    ("how many years does the warranty run", "two years"),
    ("does the guarantee pay if it gets stolen", "not cover"),
    ("I dropped the camera, is that under warranty", "not cover"),
    ("my camera arrived broken", "replace"),
    ("the doorbell is defective, what now", "replace"),
    ("can I bring it back and get my money", "30 days"),
    ("how do I get a refund", "30 days"),
    ("I'm unhappy, I want to return the camera", "30 days"),
    ("how long does it take until the money is back on my card", "five working"),
    ("when will I see the refund on my account", "five working"),
    ("What do I have to do if I want to send the camera back?", "return"),
    ("does returning it cost me anything", "free"),
    ("what time do you shut", "nine to six"),
    ("are you available on Thursday evening", "nine to six"),
    ("which days can I call you", "nine to six"),
    ("when does the support open on Monday", "nine to six"),
    ("is somebody in on Sunday", "closed on Sunday"),
    ("could I talk with one of your staff", "My colleagues"),
    ("what's the price of the plan per month", "four dollars"),
    ("I want to terminate my subscription", "account"),
    ("how do I add my husband to the app", "family"),
    ("I've forgotten my password", "forgot password"),
]
NOT_REVIEWED = [
    "is your app open to third party developers",
    "can you open a ticket for me",
    "What time do you open the support ticket?",
    "When can I call the police?",
    "Are you open to giving me a discount?",
    "the door won't open any more",
    "what are you charging for repairs",
    "Is there customer service in Spanish?",
    "who are your suppliers",
    "are you real doctors",
    "can I ask you to call me back",
    "thanks to your update nothing works",
    "Thank you, but that did not work at all.",
    "good morning alarm does not go off",
    "no more questions show up in the survey",
    "That's all well and good, but it still does not ring.",
    "the agent on the chat told me something else",
    "Can I speak to the person at my door through the app?",
    "is the operator allowed to see my videos",
    "why did you not refund me",
    "I did not receive my refund.",
    "I don't want a refund.",
    "do not cancel my subscription",
    "my battery is not dead",
    "The battery does not charge.",
    "The reset did not work.",
    "How long is the warranty on a replacement device?",
    "Which color does the doorbell have?",
    "When does my subscription end?",
    "How many cameras can I connect?",
    "how many chimes can I pair",
    "how many people work for you",
    "how much does the repair cost",
    "how long is the cable",
    "how long are the screws",
    "where is the reset button on the camera",
    "when was the doorbell built",
    "does the chime need Wi-Fi",
    "The charger is broken.",
    "is the warranty transferable",
    "how do I open the case",
    "I do not have the original box any more",
    "the refund has not arrived",
    "no alerts arrive on my phone",
    "how long does the reset take",
    "can I return it without the receipt",
    "No, I mean the doorbell, not the camera.",
    "how do I bring the camera back online",
    "why aren't you open on Sunday",
    "I don't know the password",
    "what did you say about the lens of my telescope",
    "hold on the button does nothing",
]


@pytest.fixture(scope="module")
def persona() -> Persona:
    """Return the shipped persona."""
    config = load_config(DEPLOYED)
    return Persona("support", config.agents["support"], Speech(SilentVoice()))


def _reviewed(persona: Persona, words: str) -> str:
    """Return the reviewed text that is said at once, empty where the model is asked."""
    entry = persona.fast_lane.match(words)
    if entry is not None:
        return entry.say
    sure = persona.knowledge.sure(words)
    return sure.text if sure is not None else ""


@pytest.mark.parametrize(("words", "fact"), RIGHT)
def test_other_wordings_find_the_right_text(persona: Persona, words: str, fact: str) -> None:
    """Said at once, or the first that the model is given."""
    found = [each.text for each in persona.knowledge.find(words) if is_about(each)]
    text = _reviewed(persona, words) or (found[0] if found else "")
    assert fact in text


def test_many_of_them_need_no_model(persona: Persona) -> None:
    """Half of other people's wordings are answered at once."""
    assert sum(bool(_reviewed(persona, words)) for words, _ in RIGHT) >= len(RIGHT) // 2


@pytest.mark.parametrize("words", NOT_REVIEWED)
def test_words_that_sound_alike_get_no_reviewed_text(persona: Persona, words: str) -> None:
    """A wrong reviewed answer is worse than the model's: the words only look like a known one."""
    assert _reviewed(persona, words) == ""
    assert not is_goodbye(words)


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ("Yes.", "What is your question?"),
        ("yeah", "What is your question?"),
        ("No.", "anything else"),
        ("Okay.", "What else"),
        ("got it", "What else"),
        ("that's right", "What else"),
        ("That's all right.", "What else"),
        ("That's all.", "Goodbye"),
        ("alright then thanks a lot", "You are welcome"),
        ("thank you for your help", "You are welcome"),
        ("yes I have one more question", "What is your question?"),
        ("yes I'm still here", "What is your question?"),
        ("no that was everything", "Goodbye"),
        ("have a nice day", "Goodbye"),
        ("wait a second", "take your time"),
        ("I didn't understand that", "Which part"),
        ("no that's wrong", "in other words"),
        ("hello is anybody there", "I can hear you"),
        ("who am I speaking to", "automatic assistant"),
    ],
)
def test_small_talk_is_taken_up(persona: Persona, words: str, then: str) -> None:
    """Nobody who says yes, okay or "one moment" is told that this is not known."""
    assert then in _reviewed(persona, words)
