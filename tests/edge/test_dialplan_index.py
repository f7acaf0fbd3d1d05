from __future__ import annotations

import datetime
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dialplan.bits import ascending, bits_of
from edge.dialplan.condition_index import ConditionIndex
from edge.dialplan.number_index import NumberIndex
from edge.dialplan.plan import CallFacts, DialPlan
from edge.dialplan.reach import Reach
from edge.dialplan.rule import Rule
from edge.dialplan.rule_index import RuleIndex
from edge.hours import Hours
from media.config.pattern import Part, Span, Word
from media.config.routing import HoursConfig, MatchConfig, RuleConfig

pytestmark = pytest.mark.unit

PATTERNS = ["0", "1", "01", "0?", "?1", "??", "[01]2", "?", "[12]?", "0*", "?0*", "*", "{a:1-2}"]
PATTERNS += ["00..12", "{a:1-2}1", "1{rest}", "02..21", "?[01]*", "9", "x", "0..2", "002..201"]
PATTERNS += ["10..22", "020..120", "121..229", "+0..+2", "+1", "+*", "+?"]
NUMBERS = [
    "".join(each) for length in range(4) for each in itertools.product("0129x+", repeat=length)
]
DIALLED = [
    plus + "".join(each)
    for length in range(5)
    for each in itertools.product("0129", repeat=length)
    for plus in (["", "+"] if length < 4 else [""])
]
"""Longer by one than any word, so that closed and open ones differ."""
TRUNKS = ("one", "two")
HOURS = ("day", "night")
patterns = st.lists(st.sampled_from(PATTERNS), max_size=4, unique=True).map(tuple)
symbol_sets = st.sampled_from([frozenset("0"), frozenset("1"), frozenset("01"), frozenset("012")])
words = st.builds(Word, st.lists(symbol_sets, max_size=3).map(tuple), st.booleans())
lengths = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.text("0129", min_size=n, max_size=n), min_size=2, max_size=2)
)
spans = st.builds(
    lambda ends, plus: Span(plus + min(ends), plus + max(ends)),
    lengths,
    st.sampled_from(["", "", "+"]),
)
part_lists = st.lists(st.one_of(words, spans), max_size=4)
texts = st.sampled_from(["a", "b", "ab", "a*", "*b", "*a*", "*"])
headers = st.dictionaries(st.sampled_from(["x-a", "x-b"]), texts, max_size=2)
loads = st.sampled_from([None, 0, 30, 60])
matches = st.builds(
    MatchConfig,
    called=patterns,
    trunk=st.sampled_from([(), ("one",), ("two",), ("one", "two")]),
    hours=st.sampled_from([None, None, *HOURS]),
    outside=st.sampled_from([None, None, *HOURS]),
    load_at_least=loads,
    load_below=st.sampled_from([None, None, 30, 60]),
)
asking_more = st.builds(
    MatchConfig,
    called=patterns,
    caller=patterns,
    trunk=st.sampled_from([(), ("one",)]),
    headers=headers,
    hours=st.sampled_from([None, "day"]),
)
few_words = st.sampled_from([0, 2, 8])


def compiled(asked: list[MatchConfig]) -> list[Rule]:
    """Compile rules but those that contradict themselves, which the reader refuses."""
    fine = [
        each
        for each in asked
        if (each.hours is None or each.hours != each.outside)
        and (each.load_at_least or 0) < (101 if each.load_below is None else each.load_below)
    ]
    return [Rule.compile(at, RuleConfig(agent="a", match=each)) for at, each in enumerate(fine)]


def takes(rule: Rule, number: str, caller: str) -> bool:
    """Say whether a rule takes the numbers of a call."""
    return (not rule.called or any(each.match(number) for each in rule.called)) and (
        not rule.caller or any(each.match(caller) for each in rule.caller)
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(part_lists, max_size=14), part_lists, few_words, st.integers(1, 3))
def test_numbers_are_found_as_by_trying_every_rule(
    rules: list[list[Part]], asked: list[Part], few: int, layers: int
) -> None:
    """What the index says of numbers and words is what comparing them one by one says."""
    index = NumberIndex(rules, few, layers)
    every = (1 << len(rules)) - 1
    sets = [
        {each for each in DIALLED if not rule or any(part.match(each) for part in rule)}
        for rule in [*rules, asked]
    ]
    ours = sets.pop()
    for number in DIALLED[:60]:
        found = index.point(number, every)
        assert list(ascending(found)) == [at for at, each in enumerate(sets) if number in each]
    sharing = index.sharing(asked, every)
    surely = index.sharing_surely(asked, every)
    containing = index.containing(asked, every)
    contained = index.contained(asked, every)
    for at, (rule, theirs) in enumerate(zip(rules, sets, strict=True)):
        assert sharing >> at & 1 or not ours & theirs
        assert not containing >> at & 1 or ours <= theirs
        assert not contained >> at & 1 or theirs <= ours
        assert (surely >> at & 1) == bool(ours & theirs)
        if len(rule) < 2 and len(asked) < 2 and not _are_of_two_kinds(rule, asked):
            assert (sharing >> at & 1) == bool(ours & theirs)
            assert (containing >> at & 1) == (ours <= theirs)
            assert (contained >> at & 1) == (theirs <= ours)


@given(st.lists(st.one_of(matches, asking_more), min_size=1, max_size=10))
def test_conditions_are_found_as_by_comparing_cells(asked: list[MatchConfig]) -> None:
    """What the index says of trunks, headers, hours and load is what the cells say."""
    rules = compiled(asked)
    index = ConditionIndex([each.cell for each in rules])
    for rule in rules:
        touching = index.touching(rule.cell, index.all)
        containing = index.containing(rule.cell, index.all)
        for other in rules:
            assert (touching >> other.index & 1) == rule.cell.touches(other.cell)
            if rule.cell.is_within(other.cell):
                assert containing >> other.index & 1
            elif len(other.cell.headers) < 2:
                assert not containing >> other.index & 1


def _are_of_two_kinds(rule: list[Part], asked: list[Part]) -> bool:
    """Say whether a range stands against a word, of which a little more may be said."""
    parts = [*rule, *asked]
    return any(isinstance(e, Word) for e in parts) and any(isinstance(e, Span) for e in parts)


def calls(rule: Rule) -> list[tuple[str, str, str, tuple[bool, ...], int]]:
    """Return every kind of call without headers that a rule takes."""
    cell, match = rule.cell, rule.match
    return [
        (number, "", trunk, states, load)
        for number in NUMBERS
        if takes(rule, number, "")
        for trunk in ("one", "two", "elsewhere")
        if cell.trunks is None or trunk in cell.trunks
        for states in itertools.product((True, False), repeat=len(HOURS))
        if match.hours is None or states[HOURS.index(match.hours)]
        if match.outside is None or not states[HOURS.index(match.outside)]
        for load in (0, 30, 60)
        if cell.load_low <= load < cell.load_high
    ]


@settings(max_examples=120, deadline=None)
@given(st.lists(matches, max_size=9), few_words)
def test_unreachable_rules_are_exactly_those_without_a_call(
    asked: list[MatchConfig], few: int
) -> None:
    """A rule is reported when, and only when, earlier rules take every call it would take."""
    rules = compiled(asked)
    reach = Reach(RuleIndex(rules, few), TRUNKS)
    taken: set[object] = set()
    for rule in rules:
        own = calls(rule)
        takers = reach.ask(rule).takers
        assert bool(takers) == (not set(own) - taken), rule.match
        between_them = {call for each in ascending(takers) for call in calls(rules[each])}
        assert not takers or set(own) <= between_them
        taken.update(own)
    assert reach.undecided == []


@settings(max_examples=150, deadline=None)
@given(st.lists(asking_more, max_size=9), few_words)
def test_rules_with_callers_and_headers_are_never_reported_wrongly(
    asked: list[MatchConfig], few: int
) -> None:
    """A reported rule has no call left, whatever callers and headers it asks for."""
    rules = compiled(asked)
    reach = Reach(RuleIndex(rules, few), TRUNKS)
    dead = [rule for rule in rules if reach.ask(rule).takers]
    plan = DialPlan(RuleIndex(rules), {name: HOURS_OPEN[name] for name in HOURS})
    dice = random.Random(len(asked))
    values = ["", "a", "b", "ab", "ba", "aab"]
    for rule in dead:
        for number, caller in itertools.product(dice.sample(NUMBERS, 30), dice.sample(NUMBERS, 6)):
            given_headers = {name: dice.choice(values) for name in ("x-a", "x-b")}
            call = CallFacts(number, caller, NOON, dice.choice(["one", None]), given_headers)
            assert plan.route(call).rule is not rule


NOON = datetime.datetime(2026, 11, 23, 12, tzinfo=datetime.UTC)
HOURS_OPEN = {
    name: Hours.compile(HoursConfig("UTC", {"mon-sun": (times,)}))
    for name, times in (("day", "08:00-18:00"), ("night", "20:00-24:00"))
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(asking_more, matches), max_size=24), st.integers(0, 1_000))
def test_routes_are_those_of_trying_rule_by_rule(asked: list[MatchConfig], seed: int) -> None:
    """The index never changes which rule takes a call."""
    plan = DialPlan(RuleIndex(compiled(asked)), HOURS_OPEN)
    dice = random.Random(seed)
    for _ in range(60):
        facts = CallFacts(
            dice.choice(NUMBERS),
            dice.choice(NUMBERS),
            NOON.replace(hour=dice.choice([3, 12, 21])),
            dice.choice([None, "one", "two", "other"]),
            {"X-A": dice.choice(["A", "ab", "cab", ""]), "x-b": dice.choice([" b ", "aa"])},
            dice.choice([0.0, 0.3, 0.59, 0.6, 1.0, 1.7]),
        )
        lowered = {name.lower(): value for name, value in facts.headers.items()}
        expected = next(
            (r for r in plan.rules if r.obstacle(facts, lowered, plan.hours) is None), None
        )
        assert plan.route(facts).rule is expected


def test_a_set_of_rules_keeps_its_members() -> None:
    """Bits are made and read back in order, also beyond 64 rules."""
    assert list(ascending(bits_of([70, 3, 200], 201))) == [3, 70, 200]


def test_what_is_too_hard_to_decide_is_said_and_counts_as_reachable() -> None:
    """A rule that would take too long to compare is kept, and named as undecided."""
    dice = random.Random(4)
    clauses = [
        "".join(dice.choice("01") if at in fixed else "[01]" for at in range(24))
        for fixed in (dice.sample(range(24), 3) for _ in range(250))
    ]
    rules = compiled(
        [*(MatchConfig(called=(each,)) for each in clauses), MatchConfig(called=("[01]" * 24,))]
    )
    reach = Reach(RuleIndex(rules), ())
    *_, found = [reach.ask(rule) for rule in rules]
    assert found.takers == 0
    assert rules[-1] in reach.undecided
