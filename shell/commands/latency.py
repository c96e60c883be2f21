"""`latency`: how long messages between cores take, as a table, a summary, a heat map, or a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shell import drawing
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import topology
from skb.files import write_whole

if TYPE_CHECKING:
    from skb.latencies import Latencies, Summary

_ENDINGS = (".csv", ".svg", ".png")
_MOST_SHOWN = 48
"""A table of more cores than that is not read on a terminal."""

_MOST_DATA = 1024
"""JSON of more cores than that would be a hundred megabytes; `--to` writes them."""

_WAYS = {
    "measured": "measured", "measured_back": "measured the other way", "round_trip": "half a measured round trip",
    "concluded": "concluded", "unknown": "unknown",
}


@command("latency", group="machine", summary="how long a message takes from core to core, one way",
         example="latency 0-3 --unit cycles")
@click.option("--unit", type=click.Choice(["ns", "cycles"]), default="ns", metavar="UNIT",
              help="ns, or cycles of the sender")
@click.option("--to", "file", metavar="FILE", help="write it to a file: .csv the table, .svg and .png a heat map")
@click.option("--heat", is_flag=True, help="a heat map in place of the table")
@click.argument("cores", required=False)
def latency(session: Session, cores: str | None, unit: str, file: str | None, heat: bool) -> Result:
    """Rows are senders, columns receivers. Where a latency was not measured, it is concluded from how the two cores
    are related; `explain distance(0, 12, D)` says how. A .csv can be read by `machine import` again.
    """
    from skb import latencies

    here = topology.read(session.kb)
    chosen = arguments.cores(cores, session) if cores is not None else tuple(sorted(here.cpus))
    if len(chosen) < 2:
        raise ShellError("a latency is between two cores; name at least two, such as 0-3 or 0,8")
    path = Path(os.path.expanduser(file)) if file is not None else None
    kind = drawing.ending(path, _ENDINGS) if path is not None else ""
    found = latencies.read(session.kb, here, chosen, unit)
    summaries = latencies.summaries(found)
    data = _data(found, summaries)
    if path is not None:
        _write(found, here.name, path, kind)
        said = f"{path}: latencies between {len(found.cores):,} cores of {here.name}"
        return Result({**data, "file": str(path)}, said)
    notes = "\n".join(_notes(found))
    summary = _summary_table(found, summaries)
    if heat:
        from shell import heat_map

        picture = heat_map.terminal(_off_diagonal(found), found.cores, unit, session.printer.width)
        return Result(data, [picture, notes])
    if len(found.cores) > _MOST_SHOWN:
        more = "`latency 0-15` shows a part, --heat a picture, --to FILE.csv writes all"
        return Result(data, [summary, notes, f"{len(found.cores):,} cores are too many for a table here; {more}"])
    return Result(data, [matrix(found, session.printer.width), summary, notes])


def matrix(found: Latencies, width: int) -> str:
    """The table core by core, folded into as many columns as there is room for; `~` marks what is concluded."""
    from shell.heat_map import digits_for, figure
    from skb.latencies import WAYS

    digits = digits_for(float(found.values.max()), found.unit)
    concluded = found.ways == WAYS.index("concluded")
    off = ~(found.ways == WAYS.index("itself"))
    mixed = bool(concluded.any() and not concluded[off].all())
    cells = [
        [("~" if mixed and concluded[row, column] else "") + figure(value, digits) if row != column else ""
         for column, value in enumerate(values)]
        for row, values in enumerate(found.values)
    ]
    label = max(len(str(core)) for core in found.cores)
    wide = 1 + max(label, *(len(cell) for row in cells for cell in row))
    across = max(1, (width - label) // wide)
    blocks = []
    for start in range(0, len(found.cores), across):
        some = range(start, min(start + across, len(found.cores)))
        lines = [" " * label + "".join(f"{found.cores[column]:>{wide}}" for column in some)]
        for row, core in enumerate(found.cores):
            lines.append((f"{core:>{label}}" + "".join(f"{cells[row][column]:>{wide}}" for column in some)).rstrip())
        blocks.append("\n".join(lines))
    heading = f"{found.unit} from core (down) to core (across)"
    return heading + "\n" + "\n\n".join(blocks) + "\n"


def _summary_table(found: Latencies, summaries: Sequence[Summary]) -> Table:
    from shell.heat_map import digits_for, figure

    digits = digits_for(float(found.values.max()), found.unit)
    rows = [
        (each.relation, str(each.pairs), *(f"{figure(value, digits)} {found.unit}" for value in
                                           (each.least, each.median, each.most)), _known(each.ways))
        for each in summaries
    ]
    return Table(("relation", "pairs, both ways", "least", "median", "most", "known"), rows,
                 frozenset(("pairs, both ways", "least", "median", "most")))


def _known(ways: Sequence[str]) -> str:
    return ", ".join(_WAYS[way] for way in ways)


def _notes(found: Latencies) -> list[str]:
    """Where the figures come from."""
    import numpy as np

    from skb.latencies import WAYS

    def there(*ways: str) -> bool:
        return any(bool((found.ways == WAYS.index(way)).any()) for way in ways)

    notes = []
    if there("measured", "measured_back", "round_trip"):
        notes.append(f"measured: {' and '.join(found.files) or 'stated as facts'}")
    concluded = found.ways == WAYS.index("concluded")
    if concluded.any():
        related = {found.relation_names[number] for number in np.unique(found.relations[concluded])}
        used = {name for relation in related for name in _costs_of(relation)}
        notes += [f"concluded from {each.name}: {each.value:g} {each.unit} ({each.source})"
                  for each in found.costs if each.name in used]
    return notes


def _costs_of(relation: str) -> tuple[str, ...]:
    """The costs from which rules/distance.pl concludes the latency of cores so related."""
    if relation.endswith("hops"):
        return "ump_hop", "ump_next_hop"
    if relation == "1 hop":
        return ("ump_hop",)
    if relation == "same core":  # its threads share caches wherever the machine tells of caches
        return "ump_shared_cache", "ump_same_package"
    return ("ump_shared_cache",) if relation.startswith("shared") else ("ump_same_package",)


def _off_diagonal(found: Latencies) -> Any:
    import numpy as np

    values = found.values.copy()
    np.fill_diagonal(values, np.nan)
    return values


def _data(found: Latencies, summaries: Sequence[Summary]) -> dict[str, Any]:
    """The matrix (null: the core itself, or unknown), what it was made from, and the summary; keys carry the unit."""
    import numpy as np

    def value(number: float) -> float | None:
        return None if np.isnan(number) else float(number)

    from skb.latencies import WAYS

    unit = found.unit
    data: dict[str, Any] = {
        "cores": list(found.cores),
        "summary": [
            {"relation": each.relation, "pairs": each.pairs, f"least_{unit}": value(each.least),
             f"median_{unit}": value(each.median), f"most_{unit}": value(each.most), "known": list(each.ways)}
            for each in summaries
        ],
        "costs": [{"name": each.name, "value": each.value, "unit": each.unit, "source": each.source}
                  for each in found.costs],
        "files": list(found.files),
    }
    if len(found.cores) <= _MOST_DATA:
        data[f"latency_{unit}"] = [[value(each) for each in row] for row in _off_diagonal(found)]
        data["known"] = [[WAYS[way] for way in row] for row in found.ways]
    return data


def _write(found: Latencies, machine: str, path: Path, kind: str) -> None:
    if kind == ".csv":
        write_whole(path, csv(found, machine).encode())
        return
    from shell import heat_map

    notes = " and ".join(dict.fromkeys(note.partition(":")[0].split()[0] for note in _notes(found))) or "unknown"
    title = f"{machine}: latency of a message from core to core, one way"
    said = f"{len(found.cores)} cores, {found.unit}, {notes}"
    drawing.write(heat_map.draw(_off_diagonal(found), found.cores, found.unit, title, said), path)


def csv(found: Latencies, machine: str) -> str:
    """The table as skb/readers/latency.py reads it: a row a sender, the diagonal empty."""
    lines = [f"# {machine}: latency of a message from core (row) to core (column), one way",
             f"# unit: {found.unit}", *(f"# {note}" for note in _notes(found))]
    lines.append(",".join(["core", *map(str, found.cores)]))
    for at, core in enumerate(found.cores):
        row = ["" if column == at or value != value else f"{value:.12g}"
               for column, value in enumerate(found.values[at].tolist())]
        lines.append(",".join([str(core), *row]))
    return "\n".join(lines) + "\n"
