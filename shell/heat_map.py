"""Heat maps of matrices over cores: shades of text, coloured blocks, or a drawing with a bar that tells the colours.

What is far is dark. Text that stands on a colour is readable on all of them: the palette (ColorBrewer's YlOrBr, its
light two thirds) grows steadily darker and ends where black text still can be read. Matrices of more cores than there
is room for are drawn in blocks of cores, each with its median.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shell.drawing import Box, Drawing, Label, Raster, text_width

_PALETTE = ((255, 255, 229), (255, 247, 188), (254, 227, 145), (254, 196, 79), (254, 153, 41), (236, 112, 20))
_MISSING = (222, 222, 222)
_SHADES = ".:-=+*#%@"
_ITSELF = "\\"

_STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
"""Every so many cores have their number written beside them."""

_CELLS = 48  # so many cores are drawn as boxes with a title each
_WRITTEN = 24  # and of so many the figures are written into the boxes
_LARGEST = 1024  # blocks of a drawing's raster a side


def binned(values: NDArray[np.float64], most: int) -> tuple[NDArray[np.float64], int]:
    """The matrix in blocks of so many rows and columns that at most `most` remain, each the median of what is known
    in it, NaN where nothing is; and how many cores a block has.
    """
    count = len(values)
    size = -(-count // most)
    if size == 1:
        return values, 1
    blocks = -(-count // size)
    padded = np.full((blocks * size, blocks * size), np.nan)
    padded[:count, :count] = values
    cut = padded.reshape(blocks, size, blocks, size).swapaxes(1, 2).reshape(blocks, blocks, size * size)
    ordered = np.sort(cut, axis=2)  # NaN comes last
    known = (~np.isnan(ordered)).sum(axis=2)
    middle = np.maximum(known - 1, 0)
    low = np.take_along_axis(ordered, (middle // 2)[..., None], 2)[..., 0]
    high = np.take_along_axis(ordered, (np.maximum(known, 1) // 2)[..., None], 2)[..., 0]
    return (low + np.where(known > 0, high, np.nan)) / 2, size


def colours(values: NDArray[np.float64], least: float, most: float) -> NDArray[np.uint8]:
    """The colour of each value, (red, green, blue); grey where it is NaN."""
    share = _share(values, least, most) * (len(_PALETTE) - 1)
    known = ~np.isnan(share)
    stops = np.arange(len(_PALETTE))
    found = np.empty((*values.shape, 3), np.uint8)
    found[:] = _MISSING
    for channel in range(3):
        column = [colour[channel] for colour in _PALETTE]
        found[known, channel] = np.interp(share[known], stops, column).round()
    return found


def _share(values: NDArray[np.float64], least: float, most: float) -> NDArray[np.float64]:
    return (values - least) / (most - least) if most > least else values * 0.0


def figure(value: float, digits: int) -> str:
    """A value with so many digits behind the point; `-` for one that is unknown."""
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def digits_for(most: float, unit: str) -> int:
    """How many digits behind the point say enough of values of that size."""
    return 0 if unit == "cycles" or most >= 100 else 1


def terminal(values: NDArray[np.float64], cores: Sequence[int], unit: str, width: int) -> str:
    """The matrix in shades of text, no wider than `width` where that is possible: `.` is near, `@` is far.

    `values` has NaN on the diagonal. Above is the receiver's core, at the left the sender's.
    """
    label = max(len(str(core)) for core in cores) + 1
    room = max(8, width - label)
    shown, size = binned(values, room)
    across = 2 if 2 * len(shown) <= room else 1
    least, most = _range(values)
    share = _share(shown, least, most)
    rows = [" " * label + _axis([cores[at * size] for at in range(len(shown))], across)]
    for at, row in enumerate(share):
        cells = "".join(_shade(each, at == n and size == 1) * across for n, each in enumerate(row))
        rows.append(f"{cores[at * size]:>{label - 1}} {cells}".rstrip())
    return "\n".join([*rows, *_legend(least, most, unit, size)]) + "\n"


def _shade(share: float, itself: bool) -> str:
    if np.isnan(share):
        return _ITSELF if itself else " "
    return _SHADES[min(len(_SHADES) - 1, int(share * len(_SHADES)))]


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def _axis(cores: Sequence[int], across: int) -> str:
    """The numbers of the columns' cores, every so many that they have room."""
    widest = len(str(max(cores))) + 1
    every = next(step for step in _STEPS if step * across >= widest or step >= len(cores))
    line = ""
    for at in range(0, len(cores), every):
        line = line.ljust(at * across) + str(cores[at])
    return line


def _legend(least: float, most: float, unit: str, size: int) -> list[str]:
    digits = digits_for(most, unit)
    if most > least:
        steps = [least + (most - least) * n / len(_SHADES) for n in range(len(_SHADES))]
        lines = ["  ".join(f"{shade} {figure(step, digits)}" for shade, step in zip(_SHADES, steps, strict=True))]
        lines[0] += f" {unit} and more; {figure(most, digits)} {unit} at most"
    else:
        lines = [f"{_SHADES[0]} {figure(least, digits)} {unit}, all alike"]
    if size > 1:
        lines.append(f"a character is the median of {size} x {size} cores")
    return lines


def draw(values: NDArray[np.float64], cores: Sequence[int], unit: str, title: str, description: str) -> Drawing:
    """The drawing: senders down, receivers across, and the bar of colours with its unit."""
    shown, size = binned(values, _CELLS if len(values) <= _CELLS else _LARGEST)
    count = len(shown)
    least, most = _range(values)
    digits = digits_for(most, unit)
    if count <= _WRITTEN:
        cell = max(30.0, text_width(figure(most, digits)) + 8)
    else:
        cell = 14.0 if count <= _CELLS else 720 / count
    side = cell * count
    left, top = 70.0, 92.0
    drawing = Drawing(title, description, max(left + side + 120, text_width(title, 14, True) + 40, 520), 0)
    drawing.items.append(Label(16, 26, title, 14, bold=True))
    drawing.items.append(Label(16, 46, description))
    drawing.items.append(Label(left + side / 2, top - 24, "to core", anchor="middle"))
    drawing.items.append(Label(24, top + side / 2, "from core", anchor="middle", upright=True))
    painted = colours(shown, least, most)
    if count <= _CELLS:
        drawing.items += _boxes(shown, painted, cores, unit, digits, (left, top, cell))
    else:
        drawing.items.append(Raster(left, top, side, side, painted))
    every = next(step for step in _STEPS if step * cell >= 26 or step >= count)
    for at in range(0, count, every):
        middle = (at + 0.5) * cell
        drawing.items.append(Label(left + middle, top - 6, str(cores[at * size]), anchor="middle"))
        drawing.items.append(Label(left - 6, top + middle + 4, str(cores[at * size]), anchor="end"))
    drawing.items += _bar(left + side + 24, top, max(120.0, min(side, 300.0)), least, most, unit)
    drawing.height = top + max(side, 150.0) + 24
    if size > 1:
        said = f"Each dot is the median of {size} x {size} cores."
        drawing.items.append(Label(left, top + side + 20, said))
        drawing.height += 12
    return drawing


def _boxes(values: NDArray[np.float64], painted: NDArray[np.uint8], cores: Sequence[int], unit: str, digits: int,
           place: tuple[float, float, float]) -> list[Box | Label]:
    left, top, cell = place
    found: list[Box | Label] = []
    for row, sender in enumerate(cores):
        for column, receiver in enumerate(cores):
            said = figure(values[row, column], digits)
            x, y = left + column * cell, top + row * cell
            what = f"core {sender} to core {receiver}: {said} {unit}"
            if sender == receiver:
                what = f"core {sender} itself"
            found.append(Box(x, y, cell, cell, _hex(painted[row, column]), "#ffffff", what))
            if len(cores) <= _WRITTEN and sender != receiver:
                found.append(Label(x + cell / 2, y + cell / 2 + 4, said, anchor="middle"))
    return found


def _bar(x: float, y: float, height: float, least: float, most: float, unit: str) -> list[Box | Label]:
    """The bar of colours, the longest latency on top."""
    steps = 60
    each = height / steps
    shares = np.linspace(1, 0, steps)
    painted = colours(shares, 0, 1)
    found: list[Box | Label] = [Label(x, y - 10, unit)]
    found += [Box(x, y + n * each, 16, each + 0.5, _hex(painted[n])) for n in range(steps)]
    found.append(Box(x, y, 16, height, "none", "#4d4d4d", f"{unit}: light is near, dark is far"))
    digits = digits_for(most, unit)
    for share in (0, 0.25, 0.5, 0.75, 1) if most > least else (1,):
        value = most - (most - least) * share
        found.append(Label(x + 22, y + share * height + 4, f"{figure(value, digits)} {unit}"))
    return found


def _hex(colour: NDArray[np.uint8] | Sequence[Any]) -> str:
    return "#" + "".join(f"{int(channel):02x}" for channel in colour)
