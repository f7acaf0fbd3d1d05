"""Turn numbers as a trunk writes them into E.164, and back (ITU-T E.164, RFC 3966).

Inside Cordboard a public number is ``+`` and digits. Short numbers, emergency numbers, star codes
and names stay as they are.
"""

from __future__ import annotations

import re

from media.config.trunks import NumberFormat, NumbersConfig

_SEPARATORS = re.compile(r"[\s\-./()\u00a0]")
_MOST_DIGITS = 15
"""ITU-T E.164 section 6: country code and national number together."""


class Numbers:
    """The number rules of one trunk.

    Args:
        config: the trunk's ``numbers``.
    """

    def __init__(self, config: NumbersConfig) -> None:
        self._config = config
        self._unchanged = frozenset(config.unchanged)

    def receive(self, number: str) -> str:
        """Return a number that came in as E.164, or unchanged where it is no public number.

        Args:
            number: user part of a SIP URI or digits of a tel URI.
        """
        text = _user_of(number)
        plain = _SEPARATORS.sub("", text)
        digits = plain.removeprefix("+")
        if not (digits.isascii() and digits.isdigit()):
            return text
        if plain.startswith("+"):
            return plain
        if self._stays(plain) or self._config.inbound is NumberFormat.AS_IS:
            return plain
        return self._to_e164(plain)

    def _to_e164(self, digits: str) -> str:
        form, country = self._config.inbound, self._config.country
        abroad, home = self._config.international_prefix, self._config.trunk_prefix
        if form in (NumberFormat.E164, NumberFormat.E164_WITHOUT_PLUS):
            return _plus(digits)
        if abroad and digits.startswith(abroad):
            return _plus(digits[len(abroad) :])
        if country is None:
            return digits
        if form is NumberFormat.INTERNATIONAL:
            return _plus(digits)
        if home and digits.startswith(home):
            return _plus(country + digits[len(home) :])
        if form is None and digits.startswith(country) and len(digits) >= len(country) + 8:
            return _plus(digits)  # the country code without plus, as many carriers send it
        # with no trunk prefix in the country every number is dialled in full (Italy, Spain)
        return _plus(country + (self._config.area if home else "") + digits)

    def send(self, number: str) -> str:
        """Return an E.164 number as this trunk wants it; anything else is unchanged.

        Args:
            number: ``+`` and digits, or a short number.
        """
        form = self._config.outbound
        if not re.fullmatch(r"\+[0-9]+", number) or form in (NumberFormat.E164, NumberFormat.AS_IS):
            return number
        digits, country = number[1:], self._config.country
        if self._stays_national(digits):
            return digits[len(country or "") :]
        if form is NumberFormat.E164_WITHOUT_PLUS:
            return digits
        if form is NumberFormat.NATIONAL and country and digits.startswith(country):
            return self._config.trunk_prefix + digits[len(country) :]
        return self._config.international_prefix + digits

    def _stays(self, digits: str) -> bool:
        return digits in self._unchanged or len(digits) <= self._config.short_digits

    def _stays_national(self, digits: str) -> bool:
        """Say whether it is an emergency number that something has put a country code before."""
        country = self._config.country
        return country is not None and any(digits == country + each for each in self._unchanged)


def _plus(digits: str) -> str:
    return f"+{digits}" if 0 < len(digits) <= _MOST_DIGITS else digits


def _user_of(number: str) -> str:
    """Return the user part of ``sip:user@host`` or ``tel:number``, without its parameters."""
    text = number.strip()
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() in ("sip", "sips", "tel"):
        text = rest
    return text.partition("@")[0].partition(";")[0]
