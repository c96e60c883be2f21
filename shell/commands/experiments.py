"""`experiment list` and `experiment run`: what is measured here, measured again, and kept in a folder of its own.

A run's folder holds `results.csv`, the plot as SVG and PNG, the files that the experiment adds and
`command.sh`, which makes the same again: every parameter is spelled out in it. A folder appears whole or not
at all, and none is overwritten.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path

import click

from kernel.experiments import Cell, Experiment, Outcome, Progress, Setting, Value, experiments, find
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session

RESULTS = Path("results")
"""Where runs go that are not told where: results/NAME-1, results/NAME-2, ... of the current folder."""


@command("experiment list", group="comparing", summary="the experiments, or what one measures and takes",
         example="experiment list rbed-soundness")
@click.argument("name", metavar="NAME", required=False)
def experiment_list(session: Session, name: str | None) -> Result:
    """With NAME: what it measures, the facts it rests on, and the keys that `experiment run --set` takes."""
    if name is None:
        known = list(experiments().values())
        data = [{"name": each.name, "summary": each.summary, "parameters": _parameters(each)} for each in known]
        return Result(data, Table(("experiment", "what it shows"), [(each.name, each.summary) for each in known]))
    experiment = find(name)
    parameters = _parameters(experiment)
    rows = [(str(each["key"]), str(each["default"]), str(each["type"]), str(each["about"])) for each in parameters]
    show: list[Table | str] = [experiment.details, "", Table(("key", "default", "type", "what it is"), rows)]
    return Result(
        {"name": name, "summary": experiment.summary, "parameters": parameters, "details": experiment.details}, show
    )


@command("experiment run", group="comparing", summary="measure, show the table, keep it with its plot in a folder",
         example="experiment run rbed-soundness --set sets=100")
@click.argument("name", metavar="NAME")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="set a parameter; may be repeated")
@click.option("--out", metavar="FOLDER", help="where the results go; new, or empty")
def experiment_run(session: Session, name: str, settings: tuple[str, ...], out: str | None) -> Result:
    """`experiment list NAME` tells the keys. Without FOLDER results go to results/NAME-1 of the current folder, or to
    -2, ... where that is taken; command.sh there makes the same again. A `seed` that is not set is the session's.
    """
    from shell import plots

    experiment = find(name)
    values = experiment.values(settings, {"seed": session.seed})
    with _folder(name, out) as folder:
        with _progress(name) as progress:
            outcome = experiment.run(Setting(values, progress))
        for plot in experiment.plots:
            for ending, drawn in plots.draw(plot, outcome.rows).items():
                _write(folder.fresh / f"{plot.name}.{ending}", drawn)
        _write(folder.fresh / "results.csv", _csv(outcome.rows))
        for file, text in outcome.files.items():
            _write(folder.fresh / file, text.encode())
        _write(folder.fresh / "command.sh", _script(name, values).encode())
        (folder.fresh / "command.sh").chmod(0o755 & ~_umask())
        place = folder.keep()
    data = {"name": name, "rows": [dict(row) for row in outcome.rows], "remarks": list(outcome.remarks),
            "parameters": values, "folder": str(place)}  # fmt: skip
    return Result(data, _shown(outcome), f"in {place}: {', '.join(sorted(os.listdir(place)))}")


def _parameters(experiment: Experiment) -> list[dict[str, Value]]:
    return [
        {"key": each.name, "default": each.default, "type": each.type, "about": each.about}
        for each in experiment.parameters
    ]


def _shown(outcome: Outcome) -> list[Table | str]:
    if not outcome.rows:
        return list(outcome.remarks)
    keys = tuple(outcome.rows[0])
    numbers = frozenset(key for key in keys if not isinstance(outcome.rows[0][key], str))
    heads = {key: key.replace("_percent", "_%").replace("_", " ") for key in keys}
    rows = [[_cell(row[key]) for key in keys] for row in outcome.rows]
    return [Table(tuple(heads.values()), rows, frozenset(heads[key] for key in numbers)), *outcome.remarks]


def _cell(value: Cell) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


# -- what is kept ----------------------------------------------------------------------------------


def _csv(rows: Sequence[Mapping[str, Cell]]) -> bytes:
    made = io.StringIO()
    if rows:
        writer = csv.DictWriter(made, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return made.getvalue().encode()


def _script(name: str, values: Mapping[str, Value]) -> str:
    settings = [shlex.quote(f"--set={key}={value}") for key, value in values.items()]
    line = " ".join(["experiment run", name, *settings])
    try:
        pilotfish = f"pilotfish {version('pilotfish')}"
    except PackageNotFoundError:
        pilotfish = "pilotfish"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"#!/bin/sh\n# made by {pilotfish} on Python {python}\nexec pilotfish -c {shlex.quote(line)}\n"


class _Folder:
    """The folder of a run in the making; `fresh` is where its files are written, hidden beside its place."""

    def __init__(self, name: str, out: str | None) -> None:
        self.out = None if out is None else Path(out).expanduser()
        self.name = name
        if out == "":
            raise ShellError("an empty FOLDER; --out names a new one")
        if self.out is not None and os.path.lexists(self.out) and not _empty(self.out):
            raise ShellError(f"--out {out}: is there already and not an empty folder; name another")
        parent = RESULTS if self.out is None else self.out.absolute().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.fresh = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=parent))
            self.fresh.chmod(0o777 & ~_umask())
        except OSError as error:
            raise ShellError(f"{parent}: cannot be written to: {_reason(error)}; name another with --out") from None

    def keep(self) -> Path:
        """Give the folder its name, at once and whole."""
        if self.out is not None:
            return self._renamed(self.out)
        for number in count(1):
            place = RESULTS / f"{self.name}-{number}"
            # Of two runs that end at once, one finds the name taken here or when it renames.
            if not os.path.lexists(place):
                try:
                    return self._renamed(place)
                except ShellError:
                    if not os.path.lexists(place):
                        raise
        raise AssertionError("numbers do not end")

    def _renamed(self, place: Path) -> Path:
        try:
            os.rename(self.fresh, place)
        except OSError as error:
            raise ShellError(f"{place}: cannot be made: {_reason(error)}") from None
        return place


@contextmanager
def _folder(name: str, out: str | None) -> Iterator[_Folder]:
    """A folder in the making, of which nothing is left if it is not kept."""
    folder = _Folder(name, out)
    try:
        yield folder
    finally:
        shutil.rmtree(folder.fresh, ignore_errors=True)


def _empty(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    except OSError as error:
        raise ShellError(f"--out {path}: cannot be read: {_reason(error)}") from None


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ShellError(f"{path}: cannot be written: {_reason(error)}") from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


# -- how far it is ---------------------------------------------------------------------------------


@contextmanager
def _progress(name: str) -> Iterator[Progress]:
    """A bar on standard error while it runs, where that is a terminal that can draw one; it is gone afterwards."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
