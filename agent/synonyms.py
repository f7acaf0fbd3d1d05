"""Read everyday words that mean the same as one word (sans-IO).

Callers and those who write facts choose different words for the same matter. Each line of
:data:`_GROUPS` begins with the word that stands for all of them; phrases of several words are
read before single words. English only: other languages go through unchanged.
"""

from __future__ import annotations

import re

_GROUPS = (
    "warranty: guarantee, guaranteed, guaranty, am i covered, are we covered",
    "refund: money back, reimburse, reimbursed, reimbursement, refunded, get my money, "
    "have my money, see my money, pay back, paid back",
    "return: returning",
    "broken: defective, faulty, damaged, kaput, malfunctioning, broke, stopped working, "
    "stop working, quit working, out of order",
    "replace: exchange, swap, substitute, replacement",
    "reset: erase, wipe, restore, factory settings, factory defaults, start over",
    "restart: reboot, rebooted, turn off and on, turn it off and on, power cycle",
    "frozen: froze, freezes, freezing, hangs, stuck, hanging, unresponsive",
    "battery: accumulator, power pack",
    "charge: recharge, recharging, power up, power it up, top up, fill up, fill it up",
    "runtime: endurance, life, lifetime, battery life, battery lifetime, lifespan, service life",
    "cost: price, prices, pricing, priced, set me back",
    "month: monthly",
    "year: yearly, annual, annually",
    "wifi: wireless, wlan, internet, home network, house network, my network",
    "disconnect: offline, disconnected, disconnects, disconnecting, loses connection, "
    "losing connection, lost connection, loses the connection, lost the connection, "
    "loses its connection, lost its connection, cuts out, drops out, dropping out, cutting out",
    "stutter: lag, lags, lagging, choppy, jerky, buffering",
    "stolen: theft, steal, stole, thief, thieves, robbed",
    "wet: soaked, drenched, soaking, damp, moist",
    "rain: rainy, raining, shower, downpour, thunderstorm, storm",
    "waterproof: weatherproof, water resistant, rainproof, rain proof, splash proof, watertight",
    "blurry: fuzzy, hazy, foggy, blurred, unsharp, out of focus",
    "picture: image, pictures, images, photo",
    "recording: footage, recorded, record, records, clip, clips",
    "alert: notification, notifications, alarm, alarms, alerts",
    "parcel: package, packages, shipment",
    "deliver: delivery, delivered, delivering, deliveries",
    "family: wife, husband, spouse, partner, son, daughter, kids, child, children, mother, "
    "father, parents, brother, sister, grandmother, grandfather, roommate, relatives, "
    "girlfriend, boyfriend",
    "password: passcode, pass word, pass code",
    "forgot: forgotten, forget, dont remember, do not remember, cant remember, cannot remember",
    "login: log in, logging in, log on, sign in, signing in, sign on",
    "cancel: unsubscribe, terminate, opt out, get rid of",
    "install: mount, mounting, mounted, put up, put it up, installation",
    "buy: purchase, purchased, purchasing, bought, buying",
    "extra: spare, additional, second",
    "fee: charges, tariff",
    "free: free of charge, without charge, for nothing, at no cost, at no charge",
    "postage: shipping costs, shipping fee, shipping charges, postal",
    "connect: hook up, hook it up, join, joining, reconnect",
    "close: shut, shuts",
    "colour: color, colors, colours",
    "phone: smartphone, cellphone, cell phone, mobile phone",
    "dark: darkness, nighttime, night time",
    "ring: rings, ringing, rang",
    "moved: relocated, relocate, moving house",
)


def _read() -> tuple[dict[str, str], list[tuple[str, str]]]:
    words: dict[str, str] = {}
    phrases: list[tuple[str, str]] = []
    for group in _GROUPS:
        head, _, members = group.partition(": ")
        for member in members.split(", "):
            if " " in member:
                phrases.append((member, head))
            else:
                words[member] = head
    return words, sorted(phrases, key=lambda each: -len(each[0]))


_WORDS, _LONG = _read()
_PHRASES = {phrase: head for phrase, head in _LONG}
_SENT_BACK = re.compile(
    r"\b(?:send|sending|sent|give|giving|bring|bringing|ship|shipping|hand|handing|take|taking|mail"
    r"|mailing) ((?:(?!money\b)\w+ ){0,4}?)back\b(?! (?:on|online|up)\b)"
)
_ANY_PHRASE = re.compile(rf"\b(?:{'|'.join(re.escape(phrase) for phrase, _ in _LONG)})\b")


def same_meaning(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return words with each that has a word of the same meaning as that one.

    Args:
        words: from :func:`agent.words.split_words`.
    """
    joined = _SENT_BACK.sub(r"return \1", " ".join(words))
    joined = _ANY_PHRASE.sub(lambda found: _PHRASES[found[0]], joined)
    return tuple(_WORDS.get(each, each) for each in joined.split())
