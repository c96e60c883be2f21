"""Experiments: claims that Pilotfish answers with figures, each by a name, run anew by whoever doubts them.

An experiment is a module of this package with an `EXPERIMENT` in it; adding one is adding a file. What it
takes is declared (`Parameter`), what it finds is rows whose keys carry their units (`Outcome`), and how the
rows are drawn is described (`Plot`), so that the shell can run, print, save and plot any of them
alike. The docstring of the module tells what is measured and lists the facts that it rests on.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from kernel.errors import KernelError

Value = int | float | str
"""What a parameter can be set to; its type is that of its default."""

Cell = int | float | str
"""What a row has under a key."""

Progress = Callable[[int, int], None]
"""Told now and then how much is done, and of how much."""

_TYPES = {int: "integer", float: "number", str: "text"}


class ExperimentError(KernelError):
    """An experiment that there is not, or one that was asked for something it cannot do."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that can be set: `default` gives its type, the limits are inclusive."""

    name: str
    default: Value
    about: str
    at_least: float = -math.inf
    at_most: float = math.inf
    choices: tuple[str, ...] = ()

    def value(self, text: str) -> Value:
        """What `text` sets it to. Raises ExperimentError for what is no such value."""
        made: Value = text
        if not isinstance(self.default, str):
            try:
                made = type(self.default)(text)
            except ValueError:
                made = math.nan
            # Neither comparison holds for what is no number.
            if not self.at_least <= made <= self.at_most or made in (math.inf, -math.inf):
                raise ExperimentError(f"{self.name}: '{text}' is no {self.type}")
        elif self.choices and text not in self.choices:
            raise ExperimentError(f"{self.name}: '{text}' is not {self.type}")
        return made

    @property
    def type(self) -> str:
        """The values it takes, in words: `integer of at least 1`."""
        if self.choices:
            return " or ".join(self.choices)
        words = _TYPES[type(self.default)]
        low, high = self.at_least, self.at_most
        if low > -math.inf and high < math.inf:
            return f"{words} from {low:g} to {high:g}"
        if low > -math.inf:
            return f"{words} of at least {low:g}"
        return f"{words} of at most {high:g}" if high < math.inf else words


@dataclass(frozen=True, slots=True)
class Plot:
    """How rows are drawn: `x`, `y`, `series`, `low` and `high` are keys of theirs, the labels name the units.

    `bars` groups its bars by `x` with one of each group a series; `lines` has a line a series over numbers.
    `low` and `high` are the ends of the error bars, in the unit of `y`; without them there are none.
    """

    kind: Literal["bars", "lines"]
    x: str
    y: str
    series: str
    title: str
    x_label: str
    y_label: str
    low: str = ""
    high: str = ""
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    y_limits: tuple[float, float] | None = None
    name: str = "plot"
    """What its files are called, without their endings."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an experiment found: rows with the same keys, lines to say below them, text files to keep by name."""

    rows: Sequence[Mapping[str, Cell]]
    remarks: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """With what an experiment is run: a value for every parameter of it, and whom to tell how far it is."""

    values: Mapping[str, Value]
    progress: Progress = lambda done, total: None

    def integer(self, name: str) -> int:
        """The value of an integer parameter."""
        value = self.values[name]
        assert isinstance(value, int)
        return value

    def number(self, name: str) -> float:
        """The value of a parameter that is a number."""
        return float(self.values[name])


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment; `run` gives the same rows for the same values, on whatever machine it is run."""

    name: str
    summary: str
    run: Callable[[Setting], Outcome]
    parameters: tuple[Parameter, ...] = ()
    plots: tuple[Plot, ...] = ()

    @property
    def details(self) -> str:
        """What it measures and the facts that it rests on: the docstring of its module."""
        return inspect.getdoc(sys.modules[self.run.__module__]) or ""

    def values(self, settings: Sequence[str], defaults: Mapping[str, Value] = {}) -> dict[str, Value]:
        """A value for every parameter from `KEY=VALUE`s, `defaults` in place of its own. Raises ExperimentError."""
        known = {parameter.name: parameter for parameter in self.parameters}
        values = {name: defaults.get(name, parameter.default) for name, parameter in known.items()}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals or name not in known:
                keys = ", ".join(f"{key} ({parameter.type})" for key, parameter in known.items())
                wrong = f"no key '{name}'" if equals else f"'{setting}' is not KEY=VALUE"
                raise ExperimentError(f"{wrong}; {self.name} takes {keys or 'none'}")
            values[name] = known[name].value(text)
        return values


@cache
def experiments() -> dict[str, Experiment]:
    """Every experiment of this package, by name."""
    found = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        experiment: Experiment = importlib.import_module(f"{__name__}.{info.name}").EXPERIMENT
        found[experiment.name] = experiment
    return found


def find(name: str) -> Experiment:
    """The experiment of that name. Raises ExperimentError."""
    known = experiments()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ExperimentError(
            f"no experiment '{name}'; " + (f"did you mean {near[0]}?" if near else "experiment list lists them")
        )
    return known[name]
