"""The schedule of `schedsim` as a picture: time across, a row a task; releases, deadlines and misses marked.

Made from what the simulator prints and from the configuration, so that it shows what the text shows. Marks
are those of the literature: an arrow up is a release, one down a deadline, a cross a job that did not get its WCET
by then. The SVG is plain: no script, no style sheet, text that can be searched, a title and a description
that a screen reader reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate, count, groupby, pairwise

from kernel.schedsim import Event, unreached
from shell.output import printable

_KINDS = {"H": "hard", "S": "soft", "B": "best effort"}
_FILLS = {"hard": "#0072B2", "soft": "#009E73", "best effort": "#E69F00"}  # Okabe and Ito, 2008: for the colour-blind
_RED = "#C00000"

_LEFT, _RIGHT, _TOP, _BOTTOM = 190, 40, 66, 64  # pixels around the rows
_ROW, _BOX, _ARROW = 44, 16, 26  # heights in pixels: of a row, of a run's box in it, of an arrow
_NARROWEST, _WIDEST = 1100, 4000  # pixels of the time axis
_TICK = 16.0  # most pixels a tick
_AIR = 7  # pixels between marks below which arrows lose their heads
_LABEL = 60  # least pixels from one number of the axis to the next
_CHARACTER = 6.2  # about a character's width in pixels at 11


@dataclass(frozen=True, slots=True)
class Lane:
    """A task's row, in ticks: when it came, ran (start, end) and was blocked; releases, deadlines, those missed."""

    number: int
    kind: str
    parameters: str
    came: int
    runs: tuple[tuple[int, int], ...]
    blocked: tuple[tuple[int, int], ...] = ()
    releases: tuple[int, ...] = ()
    deadlines: tuple[int, ...] = ()
    misses: tuple[int, ...] = ()


# -- from the simulator's text ---------------------------------------------------------------------


def lanes(schedule: str, events: Sequence[Event], variant: str) -> list[Lane]:
    """The rows of a schedule as `simulate` returns it, given the events of its configuration.

    A real-time job that was blocked or yielded before its deadline is not judged: what it still wanted is
    nowhere said.
    """
    lines = schedule.splitlines()
    ticks = len(lines[0]) - 5
    late = unreached(list(events))
    events = events if late is None else events[: events.index(late)]
    coming = [event for event in events if event.kind in "HSB"]
    made = []
    for number, (ran, released) in enumerate(zip(lines[4::2], lines[5::2], strict=True)):
        event = coming[number]
        mine = [
            each for each in events
            if each.kind in "dry" and each.numbers[0] == number and event.time <= each.time < ticks
        ]  # fmt: skip
        runs = _stretches(ran[5:], "#")
        blocked = tuple(_blocked(mine, ticks))
        # At tick 0 the original shows a release of tasks that come later, too.
        marks = tuple(t for t, char in enumerate(released[5:]) if char == "r" and t >= event.time)
        if event.kind == "B":
            weight = f"weight {event.numbers[0] or 1}"
            made.append(Lane(number, "best effort", weight, event.time, runs, blocked, marks))
            continue
        wcet, period = event.numbers[:2]
        deadline = event.numbers[3] if len(event.numbers) == 4 else period
        if variant == "sound" or not any(each.kind == "r" for each in mine):
            # Releases keep to the task's grid; with a quantum above 1 the text leaves some of them out.
            marks = tuple(range(event.time, ticks, period))
        if variant == "sound":
            deadline = min(deadline, period)
        yields = [each.time for each in mine if each.kind == "y"]
        had, slept = _before(runs), _before(blocked)
        missed = tuple(
            release + deadline for release in marks
            if release + deadline <= ticks
            and had(release + deadline) - had(release) < wcet
            and slept(release + deadline) == slept(release)
            and bisect_left(yields, release) == bisect_left(yields, release + deadline)
        )  # fmt: skip
        parameters = f"{wcet} of {period} ticks" + (f" by {deadline}" if deadline != period else "")
        due = tuple(release + deadline for release in marks if release + deadline <= ticks)
        made.append(Lane(number, _KINDS[event.kind], parameters, event.time, runs, blocked, marks, due, missed))
    return made


def _stretches(row: str, char: str) -> tuple[tuple[int, int], ...]:
    """Where the character stands, as (first, past the last)."""
    found = []
    at = 0
    for each, group in groupby(row):
        end = at + sum(1 for _ in group)
        if each == char:
            found.append((at, end))
        at = end
    return tuple(found)


def _blocked(events: Iterable[Event], ticks: int) -> Iterable[tuple[int, int]]:
    since: int | None = None
    for event in events:
        if event.kind == "d" and since is None:
            since = event.time
        elif event.kind == "r" and since is not None:
            yield since, event.time
            since = None
    if since is not None:
        yield since, ticks


def _before(stretches: Sequence[tuple[int, int]]) -> Callable[[int], int]:
    """How many ticks of the stretches lie before an instant, by bisection."""
    starts = [start for start, _ in stretches]
    sums = [0, *accumulate(end - start for start, end in stretches)]

    def before(at: int) -> int:
        index = bisect_left(starts, at)
        return sums[index] - (max(0, stretches[index - 1][1] - at) if index else 0)

    return before


# -- to SVG ----------------------------------------------------------------------------------------


def picture(rows: Sequence[Lane], ticks: int, title: str, panic: str = "") -> str:
    """The SVG of the first `ticks` ticks; `panic` is what ended the schedule there, if something did."""
    scale = min(_TICK, max(1.0, _NARROWEST / ticks), _WIDEST / ticks)
    width = round(_LEFT + ticks * scale + _RIGHT)
    title = printable(title, "")
    width = max(width, 760, round(_LEFT + _CHARACTER * len(panic) + _RIGHT), round(40 + 8 * len(title)))
    height = _TOP + _ROW * len(rows) + _BOTTOM
    bottom = _TOP + _ROW * len(rows)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-labelledby="title description" font-family="sans-serif" font-size="12">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(_description(rows, ticks, panic))}</desc>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="16" y="24" font-size="15">{escape(title)}</text>',
        *_legend(),
        *_axis(ticks, scale, bottom),
    ]
    for index, lane in enumerate(rows):
        out += _lane(lane, ticks, scale, _TOP + _ROW * (index + 1) - 6)
    if panic:
        x = _x(ticks, scale)
        out.append(f'<path d="M{x} {_TOP - 4}V{bottom}" stroke="{_RED}" stroke-width="2"/>')
        out.append(f'<text x="16" y="{bottom + 54}" fill="{_RED}">{escape(printable(panic, ""))}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def _x(tick: int, scale: float) -> str:
    return f"{_LEFT + tick * scale:.2f}".rstrip("0").rstrip(".")


def _description(rows: Sequence[Lane], ticks: int, panic: str) -> str:
    return ". ".join([f"{ticks} ticks of one core", *map(_summary, rows), *([panic] if panic else [])]) + "."


def _summary(lane: Lane) -> str:
    ran = sum(end - start for start, end in lane.runs)
    said = f"Task {lane.number}, {lane.kind}, {lane.parameters}, came at {lane.came} and ran {ran} ticks"
    if lane.kind != "best effort":
        first = ", ".join(map(str, lane.misses[:5])) + (", ..." if len(lane.misses) > 5 else "")
        said += f", {len(lane.misses)} of {len(lane.deadlines)} deadlines missed" + (f": {first}" if first else "")
    return said


def _legend() -> list[str]:
    """What the marks mean, in a line of them."""
    y = 46
    out = []
    x = 16
    for kind, fill in _FILLS.items():
        out.append(f'<rect x="{x}" y="{y - 10}" width="18" height="12" fill="{fill}"/>')
        out.append(f'<text x="{x + 24}" y="{y}">{kind}</text>')
        x += 42 + round(7 * len(kind))
    out += [
        _arrows([x + 6.0], y + 2, 14, up=True), f'<text x="{x + 16}" y="{y}">release (best effort: queued)</text>',
        _arrows([x + 206.0], y + 2, 14, up=False), f'<text x="{x + 216}" y="{y}">deadline</text>',
        _crosses([x + 286.0], y - 4), f'<text x="{x + 296}" y="{y}">missed</text>',
        f'<path d="M{x + 352} {y - 4}h18" stroke="#555" stroke-dasharray="2 3"/>',
        f'<text x="{x + 376}" y="{y}">blocked</text>',
    ]  # fmt: skip
    return out


def _axis(ticks: int, scale: float, bottom: int) -> list[str]:
    """Light lines over the rows at round instants, the numbers below, and the unit."""
    step = next(s for s in (d * 10**p for p in count() for d in (1, 2, 5)) if s * scale >= _LABEL or s >= ticks)
    instants = range(0, ticks + 1, step)
    lines = "".join(f"M{_x(t, scale)} {_TOP}V{bottom + 4}" for t in instants)
    numbers = "".join(f'<tspan x="{_x(t, scale)}">{t}</tspan>' for t in instants)
    middle = f"{_LEFT + ticks * scale / 2:.0f}"
    return [
        f'<path d="{lines}" stroke="#ddd" fill="none"/>',
        f'<path d="M{_LEFT} {bottom}H{_x(ticks, scale)}" stroke="black"/>',
        f'<text y="{bottom + 18}" text-anchor="middle" font-size="11">{numbers}</text>',
        f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle">time (ticks)</text>',
    ]


def _lane(lane: Lane, ticks: int, scale: float, base: int) -> list[str]:
    """A row: its name, the line it stands on, boxes where it ran, its marks."""
    dots = "".join(f"M{_x(start, scale)} {base}H{_x(end, scale)}" for start, end in lane.blocked)
    edges = [lane.came, *(edge for stretch in lane.blocked for edge in stretch), ticks]
    line = "".join(f"M{_x(a, scale)} {base}H{_x(b, scale)}" for a, b in list(pairwise(edges))[::2] if a < b)
    boxes = "".join(
        f"M{_x(start, scale)} {base}v-{_BOX}H{_x(end, scale)}v{_BOX}z" for start, end in lane.runs
    )
    fill = _FILLS[lane.kind]
    out = [
        f"<g><title>{escape(_summary(lane))}</title>",
        f'<text x="16" y="{base - 14}"><tspan font-weight="bold">{lane.number} {lane.kind}</tspan></text>',
        f'<text x="16" y="{base}" font-size="11" fill="#444">{escape(lane.parameters)}</text>',
        f'<path d="{line}" stroke="#555"/>' if line else "",
        f'<path d="{dots}" stroke="#555" stroke-dasharray="2 3"/>' if dots else "",
        f'<path d="{boxes}" fill="{fill}"/>' if boxes else "",
        _arrows([_LEFT + t * scale for t in lane.releases], base, _ARROW, up=True),
        _arrows([_LEFT + t * scale for t in lane.deadlines], base, _ARROW, up=False),
        _crosses([_LEFT + t * scale for t in lane.misses], base - _ARROW // 2),
        "</g>",
    ]
    return [piece for piece in out if piece]


def _arrows(places: Sequence[float], base: int, length: int, up: bool) -> str:
    """Arrows on the line at `base`; lines without heads where they stand too close for them."""
    if not places:
        return ""
    path = []
    heads = all(b - a >= _AIR for a, b in pairwise(places))
    for x in places:
        path.append(f"M{x:.2f} {base}v-{length}")
        if heads:
            tip, back = (base - length, 5) if up else (base, -5)
            path.append(f"M{x - 3:.2f} {tip + back}L{x:.2f} {tip}L{x + 3:.2f} {tip + back}")
    return f'<path d="{"".join(path)}" fill="none" stroke="{"black" if up else "#444"}" stroke-width="1.2"/>'


def _crosses(places: Sequence[float], y: float) -> str:
    if not places:
        return ""
    path = "".join(f"M{x - 5:.2f} {y - 5}l10 10m0 -10l-10 10" for x in places)
    return f'<path d="{path}" fill="none" stroke="{_RED}" stroke-width="2.6"/>'
