"""Draw response time against false cut-offs as SVG, without a plotting library."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 60, 60
COLOURS = ("#1f6feb", "#d29922", "#cf222e", "#8250df", "#1a7f37")


@dataclass(frozen=True)
class Preset:
    """One point of the trade: how fast, how often cut off."""

    name: str
    p50_ms: float
    p95_ms: float
    cut_off: float
    """Share, 0 to 1."""


def draw_trade(presets: list[Preset], title: str) -> str:
    """Return an SVG: a point per preset at its median response and its share of cut-offs.

    The line to the right of a point ends at the 95th percentile.
    """
    limit = _round_up(max([1_000.0, *(each.p95_ms for each in presets)]))
    most = max([0.1, *(each.cut_off for each in presets)]) * 1.1
    parts = _frame(title, limit, "false cut-offs, % of sentences with inner pauses of 300-700 ms")
    for step in range(6):
        y = _y(step / 5)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{most * step / 5:.0%}", "end"))
    spots = [(_x(each.p50_ms, limit), _y(each.cut_off / most)) for each in presets]
    if len(spots) > 1:
        curve = "L".join(f"{x} {y}" for x, y in spots)
        parts.append(f'<path d="M{curve}" fill="none" stroke="#57606a" stroke-width="1.5"/>')
    for index, (each, (x, y)) in enumerate(zip(presets, spots, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        far = _x(each.p95_ms, limit)
        parts += [
            f'<path d="M{x} {y}H{far}m0 -4v8" stroke="{colour}" stroke-dasharray="3 3"/>',
            f'<circle cx="{x}" cy="{y}" r="6" fill="{colour}"/>',
            _text(x + 9, y - 9, f"{each.name}: {each.p50_ms:.0f} ms, {each.cut_off:.0%}"),
        ]
    return "\n".join([*parts, "</svg>", ""])


def draw_answers(series: dict[str, list[float]], title: str) -> str:
    """Return an SVG: for each series the share of answers that had come by a time."""
    limit = _round_up(max([1_000.0, *(ms for times in series.values() for ms in times)]))
    parts = _frame(title, limit, "answered by then, %")
    for step in range(0, 101, 20):
        y = _y(step / 100)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, str(step), "end"))
    shown = [(name, times) for name, times in series.items() if times]
    for index, (name, times) in enumerate(shown):
        colour = COLOURS[index % len(COLOURS)]
        path = f"M{_x(0, limit)} {_y(0)}"
        for number, ms in enumerate(sorted(times), 1):
            path += f"H{_x(ms, limit)}V{_y(number / len(times))}"
        parts += [
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<rect x="{LEFT + 160 * index}" y="33" width="12" height="12" fill="{colour}"/>',
            _text(LEFT + 160 * index + 18, 43, f"{name} ({len(times)})"),
        ]
    return "\n".join([*parts, "</svg>", ""])


def _frame(title: str, limit: int, vertical: str) -> list[str]:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        _text(
            WIDTH / 2,
            HEIGHT - 12,
            "response time, ms (last audible packet sent to first audible packet of the answer)",
            "middle",
        ),
        f'<text x="16" y="{HEIGHT / 2}" transform="rotate(-90 16 {HEIGHT / 2})" '
        f'text-anchor="middle">{escape(vertical)}</text>',
    ]
    for ms in range(0, limit + 1, 250 if limit <= 2_500 else 1_000):
        x = _x(ms, limit)
        parts.append(f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 18, str(ms), "middle"))
    return parts


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _round_up(ms: float) -> int:
    return -(-int(ms) // 500) * 500


def _x(ms: float, limit: int) -> float:
    return round(LEFT + max(0.0, ms) / limit * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
