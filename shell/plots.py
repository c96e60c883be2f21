"""The plots of experiments: rows become an SVG and a PNG, as the experiment describes it (`Plot`).

Drawn by matplotlib, which is imported only when something is drawn. Colours are told apart by the colour-blind
(Okabe and Ito's), and hatching and markers tell series apart without any. The same rows make the same SVG,
byte for byte.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from kernel.experiments import Cell, Plot
from shell.errors import ShellError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito, 2008
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_INCHES = (7.5, 4.5)
_DPI = 150
_GROUP = 0.8  # of the room of a group of bars, what the bars take
_TICKS = 12  # so many measured places of a logarithmic axis are its ticks

Rows = Sequence[Mapping[str, Cell]]


def draw(plot: Plot, rows: Rows) -> dict[str, bytes]:
    """The files of a plot by their ending, `svg` and `png`. ShellError where matplotlib is not installed."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ShellError("plots need matplotlib; python -m pip install matplotlib") from None
    # Text stays text, so that it can be searched and read aloud; the salt makes identifiers the same each time.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "pilotfish", "font.size": 10.0, "hatch.linewidth": 0.6}
    with matplotlib.rc_context(settings):  # type: ignore[arg-type]
        figure = Figure(figsize=_INCHES, layout="constrained")
        axes = figure.add_subplot()
        {"bars": _bars, "lines": _lines}[plot.kind](axes, plot, rows)
        axes.set_title(plot.title, loc="left", fontsize=11, pad=26)
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.y_label)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#d8d8d8", linewidth=0.6)
        axes.set_axisbelow(True)
        if plot.y_limits is not None:
            axes.set_ylim(*plot.y_limits)
        names = _distinct(rows, plot.series)
        # Above the axes, where it covers nothing whatever the figures are.
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(4, len(names)), frameon=False, borderpad=0.2)
        return {"svg": _saved(figure, "svg"), "png": _saved(figure, "png")}


def _saved(figure: Figure, form: str) -> bytes:
    made = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {"Software": None}
    figure.savefig(made, format=form, dpi=_DPI, metadata=metadata)
    return made.getvalue()


def _distinct(rows: Rows, key: str) -> list[Cell]:
    """The values under a key, in the order of their first rows."""
    return list(dict.fromkeys(row[key] for row in rows))


def _errors(plot: Plot, rows: Rows) -> list[list[float]] | None:
    """How far the error bars reach down and up from the values; None where there are none."""
    if not plot.low:
        return None
    pairs = [(float(row[plot.y]), float(row[plot.low]), float(row[plot.high])) for row in rows]
    return [[max(0.0, y - low) for y, low, _ in pairs], [max(0.0, high - y) for y, _, high in pairs]]


def _bars(axes: Axes, plot: Plot, rows: Rows) -> None:
    groups = _distinct(rows, plot.x)
    names = _distinct(rows, plot.series)
    width = _GROUP / len(names)
    for number, (name, colour, hatch) in enumerate(zip(names, cycle(_COLOURS), cycle(_HATCHES), strict=False)):
        mine = [row for row in rows if row[plot.series] == name]
        places = [groups.index(row[plot.x]) + (number - (len(names) - 1) / 2) * width for row in mine]
        values = [float(row[plot.y]) for row in mine]
        bars = axes.bar(
            places, values, width * 0.92, label=str(name), color=colour, hatch=hatch, edgecolor="white", linewidth=0
        )
        errors = _errors(plot, mine)
        if errors is not None:
            axes.errorbar(places, values, yerr=errors, fmt="none", ecolor="black", elinewidth=1, capsize=3)
        tops = [value + (errors[1][i] if errors else 0.0) for i, value in enumerate(values)]
        for bar, value, top in zip(bars, values, tops, strict=True):
            # A bar of height 0 is not to be taken for one that is missing.
            axes.annotate(f"{value:g}", (bar.get_x() + bar.get_width() / 2, top), (0, 3), textcoords="offset points",
                          ha="center", va="bottom", fontsize=9)  # fmt: skip
    axes.set_xticks(range(len(groups)), [str(group) for group in groups])
    axes.tick_params(axis="x", length=0)


def _lines(axes: Axes, plot: Plot, rows: Rows) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    looks = zip(cycle(_COLOURS), cycle(_MARKERS), strict=False)
    for name, (colour, marker) in zip(_distinct(rows, plot.series), looks, strict=False):
        mine = sorted((row for row in rows if row[plot.series] == name), key=lambda row: float(row[plot.x]))
        axes.errorbar(
            [float(row[plot.x]) for row in mine], [float(row[plot.y]) for row in mine], yerr=_errors(plot, mine),
            label=str(name), color=colour, marker=marker, markersize=5, linewidth=1.5, capsize=3,
        )  # fmt: skip
    axes.set_xscale(plot.x_scale)
    axes.set_yscale(plot.y_scale)
    # On a logarithmic scale 2 and 500 are easier to read than 2 x 10^0 and 5 x 10^2.
    for axis, scale in ((axes.xaxis, plot.x_scale), (axes.yaxis, plot.y_scale)):
        if scale == "log":
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            axis.set_minor_formatter(NullFormatter())
    values = sorted({float(row[plot.x]) for row in rows})
    if plot.x_scale == "log" and len(values) <= _TICKS:
        axes.set_xticks(values)
