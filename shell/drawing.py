"""Drawings: boxes, labels and rasters at their places, written as SVG or PNG from one layout.

A picture (topology_picture.py, heat_map.py) is laid out once, in pixels, and does not know how it is written. SVG is
written here, with text as text and titles that say what a box is to whoever cannot see it; PNG is drawn by
matplotlib, which is imported only then: it takes longer than a first prompt may.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from shell.errors import ShellError
from skb.files import write_whole

if TYPE_CHECKING:
    import numpy

FONT_PX = 11
"""The size of plain labels."""

INK = "#1a1a1a"
"""Text: dark on every fill that is used."""

_FAMILY = "DejaVu Sans, Verdana, Helvetica, sans-serif"
_PNG_SCALE = 2  # pixels of PNG for each of the layout: text stays sharp when it is enlarged
_LARGEST_PNG = 16_000  # pixels a side; beyond, viewers refuse


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; `title` says what it is. `dashed`: it stands for several."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = ""
    title: str = ""
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text; `y` is its baseline, `anchor` start, middle or end. `upright`: read from below upwards."""

    x: float
    y: float
    text: str
    size_px: float = FONT_PX
    anchor: str = "start"
    bold: bool = False
    upright: bool = False


@dataclass(frozen=True, slots=True)
class Raster:
    """Colours in cells of equal size: `pixels` is rows x columns x (red, green, blue), 0-255."""

    x: float
    y: float
    width: float
    height: float
    pixels: numpy.ndarray[Any, Any]


@dataclass(slots=True)
class Drawing:
    """What is drawn, from back to front; `title` and `description` say it in words."""

    title: str
    description: str
    width: float = 0
    height: float = 0
    items: list[Box | Label | Raster] = field(default_factory=list)


def text_width(text: str, size_px: float = FONT_PX, bold: bool = False) -> float:
    """About how wide a text is, in px: sans-serif letters are 0.6 of the size in the mean, bold ones more."""
    return len(text) * size_px * (0.69 if bold else 0.61)


def ending(path: Path, known: Sequence[str]) -> str:
    """The ending of a file's name, which says what is to be written; ShellError where it is none of `known`."""
    found = path.suffix.lower()
    if found in known:
        return found
    last = f"{', '.join(known[:-1])} or {known[-1]}"
    if not found:
        raise ShellError(f"'{path}' has no ending that says what to write; end it in {last}")
    raise ShellError(f"'{path}' ends in {found}; it can be {last}")


def write(drawing: Drawing, path: Path) -> None:
    """Write the drawing, whole or not at all: a PNG where the name ends in .png, else SVG."""
    write_whole(path, png(drawing) if path.suffix.lower() == ".png" else svg(drawing).encode())


def svg(drawing: Drawing) -> str:
    """The drawing as an SVG file."""
    width, height = f"{drawing.width:g}", f"{drawing.height:g}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="title description" font-family="{_FAMILY}" font-size="{FONT_PX}" fill="{INK}">',
        f'<title id="title">{escape(drawing.title)}</title>',
        f'<desc id="description">{escape(drawing.description)}</desc>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for item in drawing.items:
        if isinstance(item, Box):
            lines.append(_svg_box(item))
        elif isinstance(item, Label):
            lines.append(_svg_label(item))
        else:
            lines.append(_svg_raster(item))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _svg_box(box: Box) -> str:
    stroke = f' stroke="{box.stroke}"' if box.stroke else ""
    dashes = ' stroke-dasharray="5 3"' if box.dashed else ""
    where = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    shape = f'<rect {where} fill="{box.fill}"{stroke}'
    if not box.title:
        return f"{shape}{dashes}/>"
    return f"{shape}{dashes}><title>{escape(box.title)}</title></rect>"


def _svg_label(label: Label) -> str:
    size = "" if label.size_px == FONT_PX else f' font-size="{label.size_px:g}"'
    anchor = "" if label.anchor == "start" else f" text-anchor={quoteattr(label.anchor)}"
    weight = ' font-weight="bold"' if label.bold else ""
    turned = f' transform="rotate(-90 {label.x:g} {label.y:g})"' if label.upright else ""
    return f'<text x="{label.x:g}" y="{label.y:g}"{size}{anchor}{weight}{turned}>{escape(label.text)}</text>'


def _svg_raster(raster: Raster) -> str:
    data = base64.b64encode(_encoded(raster)).decode()
    return (
        f'<image x="{raster.x:g}" y="{raster.y:g}" width="{raster.width:g}" height="{raster.height:g}" '
        f'preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
    )


def _encoded(raster: Raster) -> bytes:
    from matplotlib import image

    out = io.BytesIO()
    image.imsave(out, raster.pixels, format="png")
    return out.getvalue()


def png(drawing: Drawing) -> bytes:
    """The drawing as a PNG file, at twice its size in pixels, or as large as a PNG should be."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its first run tells of its font cache
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    dpi = 72 * min(_PNG_SCALE, _LARGEST_PNG / max(drawing.width, drawing.height))
    figure = Figure(figsize=(drawing.width / 72, drawing.height / 72), dpi=dpi, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
    axes.axis("off")
    for order, item in enumerate(drawing.items):
        if isinstance(item, Box):
            axes.add_patch(Rectangle(
                (item.x, item.y), item.width, item.height, facecolor=item.fill, edgecolor=item.stroke or "none",
                linewidth=1 if item.stroke else 0, linestyle=(0, (5, 3)) if item.dashed else "solid", zorder=order,
            ))
        elif isinstance(item, Label):
            where = {"start": "left", "middle": "center", "end": "right"}[item.anchor]
            axes.text(
                item.x, item.y, item.text, fontsize=item.size_px, color=INK, zorder=order, clip_on=False,
                horizontalalignment="right" if item.upright and where == "right" else where,
                verticalalignment="baseline", weight="bold" if item.bold else "normal", parse_math=False,
                rotation=90 if item.upright else 0, rotation_mode="anchor",
            )
        else:
            axes.imshow(
                item.pixels, extent=(item.x, item.x + item.width, item.y + item.height, item.y), zorder=order,
                interpolation="nearest", aspect="auto",
            )
            axes.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
    out = io.BytesIO()
    canvas.print_png(out)  # type: ignore[no-untyped-call]
    return out.getvalue()
