from __future__ import annotations

import datetime
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dialplan.coverage import common, left_over
from edge.dialplan.plan import CallFacts, DialPlan
from media.config.load import parse_config
from media.config.pattern import Word, parse_pattern

pytestmark = pytest.mark.unit

NOON = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
HEAD = """
agents:
  a: {greeting: Hello, instructions: Help.}
  b: {greeting: Hello, instructions: Help.}
trunks:
  one: {servers: one.example}
  two: {servers: two.example}
queues: {people: {}}
hours:
  day: {time_zone: UTC, open: {mon-fri: "08:00-18:00"}}
dialplan:
"""


def plan(rules: str) -> DialPlan:
    """Compile rules under HEAD."""
    loaded = parse_config((HEAD + rules).encode(), Path("/x/c.yaml"))
    assert loaded.config is not None, [str(each) for each in loaded.reading.problems]
    return DialPlan.compile(loaded.config)


def facts(called: str = "+4930123", caller: str = "+491701", **more: object) -> CallFacts:
    """Return a call at noon on a Monday."""
    return CallFacts(called, caller, more.pop("at", NOON), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("+4930123", ["+4930123"], ["+49301234", "+493012", "4930123"]),
        ("+49 (30) 12-3", ["+4930123"], ["+49 (30) 12-3"]),
        ("+4930*", ["+4930", "+49301", "+4930abc"], ["+4931", "+493"]),
        ("*", ["", "1", "anonymous"], []),
        ("+4930??", ["+493000", "+493099"], ["+49300", "+4930000", "+4930a0"]),
        ("1[2-4]5", ["125", "145"], ["115", "155"]),
        ("[*]21", ["*21"], ["21", "x21"]),
        ("*21", ["*21"], ["21", "121"]),
        ("098..103", ["098", "099", "100", "103"], ["097", "104", "1000"]),
        ("+4917..+4933", ["+4917", "+4920", "+4933"], ["+4916", "+4934", "+49170"]),
        ("{all}", ["1", "abc"], [""]),
        ("12{x:2-3}", ["1234", "12345"], ["123", "123456", "12a4"]),
        ("front-desk", ["front-desk"], ["frontdesk"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    """Each notation takes what it says and nothing else."""
    words = parse_pattern(pattern)
    assert all(any(word.match(each) for word in words) for each in yes)
    assert not any(word.match(each) for word in words for each in no)


@pytest.mark.parametrize(
    "pattern",
    ["", "1{", "1[", "[9-2]", "[a]", "{1x}", "{a}{b}", "{a:0}", "{a:1}{a:1}", "5*6*7*", "a b",
     "2..1", "1..22", "a..b", "{a:5-2}", "x" * 200, "ü"],
)  # fmt: skip
def test_wrong_patterns(pattern: str) -> None:
    """Texts that are no pattern are refused in words; a star inside is the star key."""
    if pattern == "5*6*7*":
        assert parse_pattern(pattern)[0].match("5*6*7999")
        return
    with pytest.raises(ValueError, match=r"\S+ \S+"):
        parse_pattern(pattern)


@given(st.integers(0, 9_999), st.integers(0, 9_999))
def test_a_range_is_exactly_its_numbers(first: int, second: int) -> None:
    """The words of a range take each number of it once, and no other."""
    low, high = sorted((first, second))
    words = parse_pattern(f"+{low:04}..+{high:04}")
    dice = random.Random(first)
    probes = {low, high, low - 1, high + 1, *(dice.randrange(10_000) for _ in range(50))}
    for each in probes & set(range(10_000)):
        assert sum(word.match(f"+{each:04}") for word in words) == (low <= each <= high)


def test_the_first_matching_rule_takes_the_call() -> None:
    """Order decides, and captures become variables."""
    p = plan(
        '  - match: {called: "+4930{extension:3}", trunk: one}\n    agent: a\n'
        '    variables: {ext: "x{extension} for {caller}"}\n'
        "  - agent: b\n"
    )
    decision = p.route(facts(trunk="one"))
    assert decision.action.agent == "a"
    assert decision.action.variables == {"ext": "x123 for +491701"}
    assert decision.variables["extension"] == "123"
    assert p.route(facts(trunk="two")).action.agent == "b"
    assert p.route(facts("+4930")).action.agent == "b"


def test_no_rule_is_404() -> None:
    """A number that nothing takes is not found."""
    decision = plan('  - match: {called: "1"}\n    agent: a\n').route(facts())
    assert decision.rule is None
    assert decision.action.reject == 404


def test_failure_actions_are_filled_in_order() -> None:
    """A number goes out over its trunk, and the chain of failures keeps its captures."""
    decision = plan(
        '  - match: {called: "9{rest}"}\n    number: "+{rest}"\n    trunk: one\n'
        '    on_failure: {number: "+{rest}", trunk: two, on_failure: {rule: last}}\n'
        "  - {name: last, queue: people}\n"
    ).route(facts("94930"))
    assert (decision.action.number, decision.action.trunk) == ("+4930", "one")
    second = decision.action.on_failure
    assert second is not None
    assert (second.number, second.trunk) == ("+4930", "two")
    assert second.on_failure is not None
    assert second.on_failure.queue == "people"


@pytest.mark.parametrize(
    ("match", "call", "reason"),
    [
        ('{called: "1"}', facts(), "called +4930123 is not 1"),
        ('{caller: "1*"}', facts(), "caller +491701 is not 1*"),
        ("{trunk: one}", facts(), "trunk none is not one"),
        ("{trunk: [one]}", facts(trunk="two"), "trunk two is not one"),
        ("{headers: {X-A: b}}", facts(), "header x-a is absent"),
        ("{headers: {X-A: b}}", facts(headers={"x-a": "c"}), 'header x-a "c" is not "b"'),
        ("{hours: day}", facts(at=NOON.replace(hour=7)), "hours day are closed"),
        ("{outside: day}", facts(), "hours day are open"),
        ("{load_at_least: 80}", facts(load=0.5), "load 50 % is below 80 %"),
        ("{load_below: 80}", facts(load=0.8), "load 80 % is not below 80 %"),
    ],
)
def test_explanations_name_the_first_obstacle(match: str, call: CallFacts, reason: str) -> None:
    """Each condition that does not hold is named with what was and what was wanted."""
    decision = plan(f"  - match: {match}\n    agent: a\n  - agent: b\n").explain(call)
    first, second = decision.verdicts
    assert (first.matched, first.reason) == (False, reason)
    assert second.matched
    assert decision.action.agent == "b"


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("gold", "GOLD", True),
        ("go*", "gold", True),
        ("*ld", "gold", True),
        ("g*d", "gold", True),
        ("g*o*d", "god", True),
        ("*", "", True),
        ("ab*ba", "aba", False),
        ("g*x*d", "gold", False),
        ("gold", "golden", False),
    ],
)
def test_header_values_with_stars(text: str, value: str, fits: bool) -> None:
    """A star stands for any text, and parts may not overlap."""
    p = plan(f'  - match: {{headers: {{X-A: "{text}"}}}}\n    agent: a\n')
    assert (p.route(facts(headers={"X-a": value})).rule is not None) is fits


PATTERNS = ["+4930*", "+49301*", "+4930123", "+493012?", "+4930120..+4930145", "1?", "{n:2}"]
PATTERNS += ["+49301[2-4]{rest}", "*", "+4930{a:3}", "12", "1*"]
CALLED = ["+4930", "+4930123", "+4930129", "+4930140", "+49301245", "12", "19", "1", "x", "+49"]


def as_regex(pattern: str) -> re.Pattern[str]:
    """Translate a pattern without ranges into a regular expression, independently."""
    text = re.escape(pattern)
    text = re.sub(r"\\\{\w+\\\}", ".+", re.sub(r"\\\{\w+:(\d)\\\}", r"[0-9]{\1}", text))
    text = text.replace(r"\?", "[0-9]").replace(r"\[2\-4\]", "[2-4]")
    return re.compile(re.sub(r"\\\*$", ".*", text), re.DOTALL)


def oracle_takes(pattern: str, number: str) -> bool:
    """Say whether a pattern takes a number, the slow and plain way."""
    low, dots, high = pattern.partition("..")
    if dots:
        return len(number) == len(low) and number[1:].isdigit() and low <= number <= high
    return as_regex(pattern).fullmatch(number) is not None


rules_strategy = st.lists(
    st.tuples(
        st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True),
        st.sampled_from([None, "+4917*", "+491701", "12"]),
        st.sampled_from([None, "one", "two"]),
        st.sampled_from([None, "hours", "outside"]),
        st.sampled_from([None, 50]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(rules_strategy, st.randoms(use_true_random=False))
def test_the_index_agrees_with_brute_force(rules: list[tuple], dice: random.Random) -> None:  # type: ignore[type-arg]
    """The indexed plan takes the same rule as trying each in turn, whatever the rules."""
    lines = []
    for called, caller, trunk, hours, load in rules:
        quoted = ", ".join(f'"{each}"' for each in called)
        parts = [f"called: [{quoted}]"] if called else []
        parts += [f'caller: "{caller}"'] if caller else []
        parts += [f"trunk: {trunk}"] if trunk else []
        parts += [f"{hours}: day"] if hours else []
        parts += [f"load_at_least: {load}"] if load else []
        lines.append(f"  - match: {{{', '.join(parts)}}}\n    agent: a\n")
    p = plan("".join(lines))
    for number in CALLED:
        caller_, trunk_ = dice.choice(["+491701", "12", "x"]), dice.choice([None, "one", "two"])
        hour, load_ = dice.choice([3, 12]), dice.choice([0.1, 0.9])
        call = facts(number, caller_, trunk=trunk_, at=NOON.replace(hour=hour), load=load_)
        expected = next(
            (
                index
                for index, (called, caller, trunk, hours, load) in enumerate(rules)
                if (not called or any(oracle_takes(each, number) for each in called))
                and (not caller or oracle_takes(caller, caller_))
                and (not trunk or trunk == trunk_)
                and (not hours or (hours == "hours") == (hour == 12))
                and (not load or load_ * 100 >= load)
            ),
            None,
        )
        found = p.route(call).rule
        assert (None if found is None else found.index) == expected
        explained = p.explain(call)
        assert explained.action == p.route(call).action
        assert [v.rule.index for v in explained.verdicts if v.matched] == (
            [] if expected is None else [expected]
        )


symbol_sets = st.sampled_from([frozenset("0"), frozenset("1"), frozenset("01"), frozenset("012")])
words = st.builds(Word, st.lists(symbol_sets, max_size=3).map(tuple), st.booleans())


def numbers_up_to(length: int) -> list[str]:
    """Return every text of 0, 1, 2 and 9 up to a length."""
    found = [""]
    for _ in range(length):
        found += [each + char for each in found for char in "0129" if len(each) < length]
    return sorted(set(found))


ALL = numbers_up_to(4)


@settings(max_examples=300, deadline=None)
@given(words, st.lists(words, max_size=5))
def test_coverage_agrees_with_enumeration(word: Word, covers: list[Word]) -> None:
    """What is left over of a word is exactly what enumeration finds, and is a real example."""
    found = left_over([word], covers)
    rest = [each for each in ALL if word.match(each) and not any(c.match(each) for c in covers)]
    assert (found is None) == (not rest)
    if found is not None:
        assert word.match(found)
        assert not any(each.match(found) for each in covers)


@given(words, words)
def test_common_numbers_agree_with_enumeration(one: Word, other: Word) -> None:
    """Two words share a number exactly when enumeration finds one."""
    found = common([one], [other])
    assert (found is not None) == any(one.match(each) and other.match(each) for each in ALL)
    if found is not None:
        assert one.match(found)
        assert other.match(found)
