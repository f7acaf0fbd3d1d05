from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.numbers import Numbers
from media.config.trunks import NumberFormat, NumbersConfig

pytestmark = pytest.mark.unit

GERMANY = NumbersConfig(country="49", area="30")
AMERICA = NumbersConfig(country="1", trunk_prefix="1", international_prefix="011")
ITALY = NumbersConfig(country="39", trunk_prefix="")
PLAIN = NumbersConfig()


@pytest.mark.parametrize(
    ("config", "given_", "expected"),
    [
        (GERMANY, "+49301234567", "+49301234567"),
        (GERMANY, "0049301234567", "+49301234567"),
        (GERMANY, "0301234567", "+49301234567"),
        (GERMANY, "49301234567", "+49301234567"),
        (GERMANY, "1234567", "+49301234567"),
        (GERMANY, "001 212 555 0100", "+12125550100"),
        (GERMANY, "+49 (30) 123-4567", "+49301234567"),
        (GERMANY, "sip:+49301234567;npdi@carrier.example;user=phone", "+49301234567"),
        (GERMANY, "tel:+49-30-1234567;phone-context=x", "+49301234567"),
        (GERMANY, "112", "112"),
        (GERMANY, "110", "110"),
        (GERMANY, "11833", "11833"),
        (GERMANY, "*21", "*21"),
        (GERMANY, "reception", "reception"),
        (GERMANY, "anonymous", "anonymous"),
        (GERMANY, "", ""),
        (AMERICA, "12125550100", "+12125550100"),
        (AMERICA, "2125550100", "+12125550100"),
        (AMERICA, "01149301234567", "+49301234567"),
        (AMERICA, "911", "911"),
        (ITALY, "0612345678", "+390612345678"),
        (ITALY, "3401234567", "+393401234567"),
        (ITALY, "0044201234567", "+44201234567"),
        (PLAIN, "+49301234567", "+49301234567"),
        (PLAIN, "0301234567", "0301234567"),
        (NumbersConfig(inbound=NumberFormat.E164_WITHOUT_PLUS), "49301234567", "+49301234567"),
        (NumbersConfig(country="49", inbound=NumberFormat.AS_IS), "0301234567", "0301234567"),
        (
            NumbersConfig(country="49", inbound=NumberFormat.NATIONAL),
            "4930123456",
            "+494930123456",
        ),
        (GERMANY, "0" * 30, "0" * 28),
    ],
)
def test_numbers_that_come_in(config: NumbersConfig, given_: str, expected: str) -> None:
    """What a carrier sends becomes E.164; short, emergency and star numbers and names stay."""
    assert Numbers(config).receive(given_) == expected


def out(config: NumbersConfig, form: NumberFormat) -> Numbers:
    """Return the numbers of a trunk that writes them in a form."""
    return Numbers(
        NumbersConfig(
            country=config.country,
            trunk_prefix=config.trunk_prefix,
            international_prefix=config.international_prefix,
            outbound=form,
        )
    )


@pytest.mark.parametrize(
    ("config", "form", "number", "expected"),
    [
        (GERMANY, NumberFormat.E164, "+49301234567", "+49301234567"),
        (GERMANY, NumberFormat.E164_WITHOUT_PLUS, "+49301234567", "49301234567"),
        (GERMANY, NumberFormat.INTERNATIONAL, "+49301234567", "0049301234567"),
        (GERMANY, NumberFormat.NATIONAL, "+49301234567", "0301234567"),
        (GERMANY, NumberFormat.NATIONAL, "+12125550100", "0012125550100"),
        (AMERICA, NumberFormat.NATIONAL, "+12125550100", "12125550100"),
        (AMERICA, NumberFormat.NATIONAL, "+49301234567", "01149301234567"),
        (ITALY, NumberFormat.NATIONAL, "+390612345678", "0612345678"),
        (GERMANY, NumberFormat.AS_IS, "+49301234567", "+49301234567"),
        (GERMANY, NumberFormat.NATIONAL, "112", "112"),
        (GERMANY, NumberFormat.INTERNATIONAL, "+49112", "112"),
        (GERMANY, NumberFormat.NATIONAL, "reception", "reception"),
    ],
)
def test_numbers_that_go_out(
    config: NumbersConfig, form: NumberFormat, number: str, expected: str
) -> None:
    """E.164 becomes what the trunk wants; anything else is unchanged."""
    assert out(config, form).send(number) == expected


@given(
    st.from_regex(r"\+(49|44|33)[1-9][0-9]{6,9}", fullmatch=True),
    st.sampled_from([NumberFormat.E164, NumberFormat.INTERNATIONAL, NumberFormat.NATIONAL]),
)
def test_what_goes_out_comes_back(number: str, form: NumberFormat) -> None:
    """A number written for a trunk and read back from it is the same number."""
    numbers = out(GERMANY, form)
    assert numbers.receive(numbers.send(number)) == number


@given(st.text(max_size=30))
def test_any_text_is_answered(text: str) -> None:
    """Reading any text twice is the same as reading it once, where the first gave E.164."""
    numbers = Numbers(GERMANY)
    first = numbers.receive(text)
    if first.startswith("+") and first[1:].isascii() and first[1:].isdigit():
        assert numbers.receive(first) == first
