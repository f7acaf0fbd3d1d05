"""Draw response time against false cut-offs as SVG, without a plotting library."""

from __future__ import annotations

from html import escape

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 60, 60
COLOURS = ("#1f6feb", "#d29922", "#cf222e", "#8250df")


def draw(series: dict[str, list[tuple[float, bool]]], title: str) -> str:
    """Return an SVG.

    Args:
        series: per name, one (response ms, was cut off) for each utterance; the curve is the share
            of answers that had come by then, the cross marks median response against cut-offs.
        title: above the picture.
    """
    longest = max((ms for points in series.values() for ms, _ in points), default=1_000)
    limit = max(1_000, -(-int(longest) // 500) * 500)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">response time, ms '
        "(last audible packet sent to first audible packet of the answer)</text>",
        f'<text x="16" y="{HEIGHT / 2}" transform="rotate(-90 16 {HEIGHT / 2})" '
        'text-anchor="middle">share, %  (curve: answered by then; cross: cut off)</text>',
    ]
    for step in range(0, 101, 20):
        y = _y(step / 100)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{step}</text>')
    for ms in range(0, limit + 1, 500 if limit <= 5_000 else 2_000):
        x = _x(ms, limit)
        parts.append(f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="#eee"/>')
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{ms}</text>')
    for index, (name, points) in enumerate(series.items()):
        if points:
            parts += _one(name, points, limit, COLOURS[index % len(COLOURS)], index)
    return "\n".join([*parts, "</svg>", ""])


def _one(
    name: str, points: list[tuple[float, bool]], limit: int, colour: str, index: int
) -> list[str]:
    times = sorted(ms for ms, _ in points)
    path, share = f"M{_x(0, limit)} {_y(0)}", 0.0
    for number, ms in enumerate(times, 1):
        path += f"H{_x(ms, limit)}"
        share = number / len(times)
        path += f"V{_y(share)}"
    cut_off = sum(cut for _, cut in points) / len(points)
    x, y = _x(times[len(times) // 2], limit), _y(cut_off)
    key_x = LEFT + 180 * index
    return [
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        f'<path d="M{x - 6} {y - 6}l12 12m0 -12l-12 12" stroke="{colour}" stroke-width="3"/>',
        f'<rect x="{key_x}" y="33" width="12" height="12" fill="{colour}"/>',
        f'<text x="{key_x + 18}" y="43">{escape(name)}: {cut_off:.0%} cut off</text>',
    ]


def _x(ms: float, limit: int) -> float:
    return round(LEFT + max(0.0, ms) / limit * (WIDTH - LEFT - RIGHT), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)
