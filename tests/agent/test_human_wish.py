from __future__ import annotations

import pytest

from agent.human_wish import agrees, cut_wish, declines, wants_human

pytestmark = pytest.mark.unit

WISHES = """
agent please
Agent.
operator
human
a human, please
representative
reprasentative
hello um a real person please
customer service
can I talk to a person
can i talk to a person please
Could I speak to someone, please?
I want to talk to a human being
i want to speak with a representitive
can you connect me with someone
put me through to a colleague
Put me through to sales.
please put me through
please transfer me
then please transfer me to somebody who can
could you put me through to customer service
let me talk to a real person
let me speak to someone
i need an agent
I need a human. My battery is dead.
get me a human
rubbish get me a human
give me a human
i did that too it does not help give me a human
i want to complain get me your supervisor
you do not understand me i want a person
is there a sales person
is there anybody i can talk to
I would like to speak to somebody about my doorbell
I want to speak to a manager
may i have the manager please
can i speak with support staff
talk to a college please
talk too somebody
speak to a gent
can i get an operator please
i would like to speak to a hu man
I'd rather talk to some one
No, this is urgent. A human, please!
i do not want to talk to a robot i want a human
how can i talk to a person
pass me on to your boss
i asked for the price to norway give me a person please
no i mean when i reset it nothing happens i want to talk to a human being
can i please speak to a person about the camera
would you connect me to an operater
somebody else is logged in let me talk to an agent
i need to speak to someone in sales
""".strip().splitlines()

NO_WISHES = """
which agent sells it
Which agent sells it?
does a person ring the bell
does it detect a person
human detection on my camera
i want human detection on my camera
can i get a person sensor
how do I talk to the person at the door
can i speak to someone at the door through the camera
can i talk to people through the doorbell
talk to the person who rings
can the doorbell speak to a person
are you a human
are you a real person
am i talking to a real person
am i speaking with an agent
i was talking to an agent yesterday and we got cut off
i spoke to a person yesterday
the agent told me the warranty is two years
i do not want to talk to a person
can it work without talking to a person
someone stole my doorbell
can someone help me with my wifi
can somebody look into it
connect me to the wifi
help me connect my camera
can you connect my camera to the router
how do i transfer my subscription
transfer the recordings to me
i want the operator manual
i am an agent for real estate
I need a person to install it on the wall
does a manager account cost more
how do i share with someone
can i give someone access
put someone on the list of family members
somebody else is logged in to my camera
my son is a person of few words
what does the customer service cost
do i get a personal code
who is the person in the picture
the camera sees people in the street
thank you
how long does the battery last
no
yes
goodbye
""".strip().splitlines()


@pytest.mark.parametrize("text", WISHES)
def test_a_wish_for_a_person_is_heard(text: str) -> None:
    """However it is said or misspelt, a caller who wants a person is understood."""
    assert wants_human(text)


@pytest.mark.parametrize("text", NO_WISHES)
def test_people_who_are_only_mentioned_are_no_wish(text: str) -> None:
    """Persons in questions, at doors and in the past connect nobody."""
    assert not wants_human(text)


@pytest.mark.parametrize(
    "text",
    ["Yes.", "yes please", "Sure.", "yeah okay", "that would be great", "Yes, that would be good."],
)
def test_an_offer_is_taken(text: str) -> None:
    """A yes is a yes."""
    assert agrees(text) and not declines(text)


@pytest.mark.parametrize(
    "text", ["No.", "no thanks", "No, thank you.", "nope", "please don't", "not now"]
)
def test_an_offer_is_declined(text: str) -> None:
    """A no is a no, also with a please."""
    assert declines(text) and not agrees(text)


@pytest.mark.parametrize(
    "text", ["How long is the warranty?", "what about the battery of the camera"]
)
def test_another_question_is_neither(text: str) -> None:
    """Who asks something else neither takes nor declines the offer."""
    assert not agrees(text) and not declines(text)


def test_the_wish_is_taken_out_of_what_was_said() -> None:
    """What is left is what the caller wants the person for."""
    text = "It just rained. Put me through to a colleague."
    assert cut_wish(text) == "It just rained."
    assert cut_wish("agent please") == ""
    run_on = "when i reset it nothing happens i want to talk to a human being"
    assert cut_wish(run_on) == "when i reset it nothing happens"
    assert cut_wish("How long does the battery last?") == "How long does the battery last?"
