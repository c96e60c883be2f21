"""The machine's tree of parts as a drawing in lstopo's manner: boxes in boxes.

Packages, dies, groups and cores are frames around what they hold; caches and memory are bars above those that share
them; I/O stands beside. Boxes are packed into grids of about the shape of a screen. Where a machine has more PUs
than can be read, parts that are alike are drawn once, from the largest down, in a dashed frame that says how many
they stand for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from shell.drawing import Box, Drawing, Label, text_width
from shell.topology_text import address, size, title
from skb.object_tree import Part

_MOST_PUS = 640
"""So many PUs are drawn one by one; a screen of text holds no more at a glance."""

_GAP, _LINE, _BAR = 6.0, 14.0, 20.0
_SHAPE = 1.5  # width by height that a grid comes as close to as it can

_MOST_STRETCHED = 1.2
"""A box is stretched to its column by a fifth at most: width beyond would look like something."""

_STROKE = "#4d4d4d"
_FILLS = {
    "machine": "#ffffff", "group": "#f5f5f5", "package": "#e4e4e8", "die": "#f3efe2", "cache": "#d6e6f5",
    "core": "#dcdcc4", "pu": "#ffffff", "node": "#f5d9d9", "side_cache": "#f9e9d2", "host_bridge": "#f5f5f5",
    "pci_bridge": "#ffffff", "pci": "#cdebe6",
}
_KIND_FILLS = {"performance": "#cfe5bd", "efficiency": "#fbe3b0", "low_power": "#e3d3ef"}
_WORDS = {
    "group": "group (cluster, or a NUMA node's cores)", "package": "package", "die": "die", "cache": "cache",
    "core": "core", "pu": "PU (hardware thread)", "node": "memory of a NUMA node", "side_cache": "memory-side cache",
    "pci": "PCI function",
}


@dataclass(slots=True)
class _Block:
    """A part laid out: its size, and what is in it at places relative to its own.

    `sharing` says who gets what of the width when it is made wider: the number of a block in it, the share by which
    it moves, and the share by which it widens.
    """

    width: float
    height: float
    items: list[Box | Label] = field(default_factory=list)
    blocks: list[tuple[float, float, _Block]] = field(default_factory=list)
    sharing: Sequence[tuple[int, float, float]] = ()

    def stretch(self, width: float) -> None:
        """Make it as wide as that, if it is not wider: its frame, and what is in it."""
        more = width - self.width
        if more <= 0:
            return
        for n, item in enumerate(self.items):
            if isinstance(item, Box) and item.width == self.width:
                self.items[n] = replace(item, width=width)
            elif isinstance(item, Label) and item.anchor == "middle":
                self.items[n] = replace(item, x=item.x + more / 2)
        for n, moves, widens in self.sharing:
            x, y, block = self.blocks[n]
            block.stretch(block.width + more * widens)
            self.blocks[n] = (x + more * moves, y, block)
        self.width = width

    def placed(self, x: float, y: float) -> Iterator[Box | Label]:
        """Everything, at its place on the page."""
        for item in self.items:
            yield replace(item, x=x + item.x, y=y + item.y)
        for dx, dy, block in self.blocks:
            yield from block.placed(x + dx, y + dy)


def draw(root: Part, machine: str) -> Drawing:
    """The drawing of the machine of that name."""
    picture = _Picture(root)
    block = picture.block(root)
    heading = f"{machine}: {title(root)}"
    legend = picture.legend(max(block.width, 480))
    width = max(block.width, legend.width, text_width(heading, 14, bold=True)) + 4 * _GAP
    drawing = Drawing(f"topology of {heading}", picture.described(), width)
    drawing.items.append(Label(2 * _GAP, 24, heading, 14, bold=True))
    drawing.items += block.placed(2 * _GAP, 34)
    drawing.items += legend.placed(2 * _GAP, 34 + block.height + 2 * _GAP)
    drawing.height = 34 + block.height + 2 * _GAP + legend.height + _GAP
    return drawing


class _Picture:
    """The layout of one machine."""

    def __init__(self, root: Part) -> None:
        self.root = root
        self.segments = any(part.pci and part.pci.segment for part in root.walk())
        self._shapes: dict[int, int] = {}
        self._numbers: dict[object, int] = {}
        self._widths: dict[str, float] = {}  # of the widest text of a kind, so that what is alike looks alike
        for part in root.walk():
            for line in self._lines(part):
                self._widths[part.name] = max(self._widths.get(part.name, 0), text_width(line))
        self.drawn_once: frozenset[str] = frozenset()
        for name in self._levels():
            if self._pus(root) <= _MOST_PUS:
                break
            self.drawn_once |= {name}

    # -- what is drawn once --------------------------------------------------------------------

    def _levels(self) -> list[str]:
        """The names of normal parts, from the largest down."""
        names: dict[str, None] = {}
        level: Sequence[Part] = [self.root]
        while level:
            names.update(dict.fromkeys(part.name for part in level))
            level = [each for part in level for each in part.members]
        return list(names)

    def _pus(self, part: Part) -> int:
        """How many PUs are drawn of a part."""
        if part.kind == "pu":
            return 1
        return sum(self._pus(run[0]) for run in self._runs(part.members))

    def _runs(self, parts: Sequence[Part]) -> list[list[Part]]:
        """Neighbours that are drawn once together; all others stand alone."""
        runs: list[list[Part]] = []
        for part in parts:
            alike = runs and part.name in self.drawn_once and self._shape(part) == self._shape(runs[-1][0])
            if alike:
                runs[-1].append(part)
            else:
                runs.append([part])
        return runs

    def _shape(self, part: Part) -> int:
        """Parts of equal shape look alike but for their numbers."""
        if id(part) not in self._shapes:
            key = (
                part.name, part.subtype, size(part.size_bytes), part.pci and (part.pci.vendor_id, part.pci.device_id),
                tuple(self._shape(each) for each in part.memory), tuple(self._shape(each) for each in part.members),
                tuple(self._shape(each) for each in part.devices),
            )
            self._shapes[id(part)] = self._numbers.setdefault(key, len(self._numbers))
        return self._shapes[id(part)]

    # -- blocks ----------------------------------------------------------------------------------

    def block(self, part: Part) -> _Block:
        """A part with all that is in it."""
        if part.kind in ("pu", "pci"):
            return self._leaf(part, self._lines(part))
        inside = self._inside(part)
        bars = [bar for each in part.memory for bar in self._memory(each)]
        if part.kind == "cache":
            return self._stack([self._bar(part), *bars], inside, frame=None)
        return self._stack(bars, inside, frame=part, lines=self._lines(part))

    def _lines(self, part: Part) -> list[str]:
        """What is written in a part's box."""
        if part.kind == "machine":
            return []
        if part.kind == "pu":
            return [f"PU L#{part.logical}", f"P#{part.number}"]
        if part.kind == "pci":
            assert part.pci is not None
            return [f"PCI {address(part.pci, self.segments)}", part.subtype]
        kind = [part.subtype.replace("_", " ")] if part.kind == "core" and part.subtype else []
        return [title(part, self.segments), *kind]

    def _inside(self, part: Part) -> list[_Block]:
        """Members in a grid; devices in a column beside them."""
        blocks = [self._several(run) if len(run) > 1 else self.block(run[0]) for run in self._runs(part.members)]
        found = [_rows(blocks, _SHAPE)] if blocks else []
        if part.devices:
            beside = 0.5 if found else _SHAPE
            found.append(_rows([self.block(each) for each in part.devices], beside))
        return found

    def _several(self, run: Sequence[Part]) -> _Block:
        """Parts that are alike: the first of them, and how many there are."""
        first, last = run[0], run[-1]
        said = f"{len(run)} × alike: {first.name} L#{first.logical}-{last.logical}"
        shown = self.block(first)
        width = max(shown.width, text_width(said, bold=True)) + 2 * _GAP
        height = shown.height + _LINE + 2 * _GAP
        return _Block(
            width, height,
            [Box(0, 0, width, height, "#ffffff", _STROKE, said, dashed=True),
             Label(_GAP, _LINE, said, bold=True)],
            [(_GAP, _LINE + _GAP, shown)], ((0, 0, 1),),
        )

    def _leaf(self, part: Part, lines: Sequence[str]) -> _Block:
        width = self._widths[part.name] + 8
        height = len(lines) * _LINE + 4
        items: list[Box | Label] = [
            Box(0, 0, width, height, self._fill(part), _STROKE, title(part, self.segments))
        ]
        items += [Label(width / 2, 12 + n * _LINE, line, anchor="middle") for n, line in enumerate(lines)]
        return _Block(width, height, items)

    def _memory(self, part: Part) -> Iterator[_Block]:
        yield self._bar(part)
        for each in part.memory:
            yield from self._memory(each)

    def _bar(self, part: Part) -> _Block:
        """A bar of the width of what it stands above, which is not known yet."""
        said = title(part)
        return _Block(
            self._widths[part.name] + 8, _BAR,
            [Box(0, 0, self._widths[part.name] + 8, _BAR, self._fill(part), _STROKE, said), Label(4, 14, said)],
        )

    def _fill(self, part: Part) -> str:
        return _KIND_FILLS.get(part.subtype, _FILLS["core"]) if part.kind == "core" else _FILLS[part.kind]

    def _stack(self, bars: Sequence[_Block], inside: Sequence[_Block], frame: Part | None,
               lines: Sequence[str] = ()) -> _Block:
        """Lines of text, bars of full width, and the blocks side by side below; in a frame, or none."""
        margin = _GAP if frame else 0.0
        beside = sum(block.width for block in inside) + _GAP * max(0, len(inside) - 1)
        said = self._widths[frame.name] if frame and lines else 0.0
        width = max([beside, said, *(bar.width for bar in bars)])
        if inside:  # the first takes what the bars leave; what stands beside it keeps its width
            inside[0].stretch(inside[0].width + width - beside)
        whole = _Block(width + 2 * margin, 0)
        whole.sharing = [(n, 0, 1) for n in range(len(bars) + min(1, len(inside)))]
        whole.sharing += [(len(bars) + n, 1, 0) for n in range(1, len(inside))]
        y = margin + len(lines) * _LINE
        for bar in bars:
            bar.stretch(width)
            whole.blocks.append((margin, y, bar))
            y += _BAR + (_GAP if frame else 3)
        x = margin
        for block in inside:
            whole.blocks.append((x, y, block))
            x += block.width + _GAP
        whole.height = y + max((block.height for block in inside), default=0.0) + margin
        if frame:
            whole.items.append(
                Box(0, 0, whole.width, whole.height, self._fill(frame), _STROKE, title(frame, self.segments))
            )
            whole.items += [Label(margin, 15 + n * _LINE, line) for n, line in enumerate(lines)]
        return whole

    # -- words -----------------------------------------------------------------------------------

    def described(self) -> str:
        """What the picture shows, in a sentence."""
        counts: dict[str, int] = {}
        for part in self.root.walk():
            if part.kind in ("package", "die", "core", "pu", "node", "pci"):
                counts[part.kind] = counts.get(part.kind, 0) + 1
        words = {"package": "packages", "die": "dies", "core": "cores", "pu": "PUs", "node": "NUMA nodes",
                 "pci": "PCI functions"}
        return ", ".join(f"{count} {words[kind] if count > 1 else words[kind].removesuffix('s')}"
                         for kind, count in counts.items())

    def legend(self, width: float) -> _Block:
        """A swatch and a word for each kind of part that occurs, and what the numbers are."""
        seen = {part.kind for part in self.root.walk()}
        kinds = {part.subtype for part in self.root.walk() if part.kind == "core" and part.subtype}
        entries = [(_FILLS[kind], word) for kind, word in _WORDS.items()
                   if kind in seen and not (kind == "core" and kinds)]
        for kind in sorted(kinds):
            entries.append((_KIND_FILLS.get(kind, _FILLS["core"]), f"{kind.replace('_', ' ')} core"))
        whole = _Block(width, 0)
        x, y = 0.0, 0.0
        for fill, word in entries:
            wide = 18 + text_width(word) + 14
            if x + wide > width and x:
                x, y = 0.0, y + 18
            whole.items += [Box(x, y, 12, 12, fill, _STROKE), Label(x + 18, y + 10, word)]
            x += wide
        notes = ["L# counts in this picture's order; P# is the number that commands take for a core or a node.",
                 "KB, MB and GB are powers of 1024 bytes, as in lstopo."]
        if self.drawn_once:
            notes.append("A dashed frame stands for several parts that differ in their numbers only.")
        for note in notes:
            y += 18
            whole.items.append(Label(0, y + 10, note))
            whole.width = max(whole.width, text_width(note))
        whole.height = y + 16
        return whole


def _rows(blocks: Sequence[_Block], shape: float) -> _Block:
    """Blocks in rows, in their order: of several ways the one that comes closest to the shape and leaves the fewest
    holes. Where rows have as many blocks each, they stand in columns.
    """
    best: list[Sequence[_Block]] = []
    least = 0.0
    area = sum(block.width * block.height for block in blocks)
    for count in _counts(len(blocks)):
        chunks = [blocks[at : at + count] for at in range(0, len(blocks), count)]
        for rows in (chunks, _filled(blocks, max(_across(row) for row in chunks))):
            width, height = _extent(rows)
            ratio = width / height / shape
            badness = max(ratio, 1 / ratio) * (width * height / area) ** 2
            if not best or badness < least:
                best, least = rows, badness
    whole = _Block(0, 0)
    columns = [max(row[n].width for row in best if n < len(row)) for n in range(len(best[0]))]
    even = len(best[-1]) <= len(columns) and all(len(row) == len(columns) for row in best[:-1])
    even = even and all(wide <= _MOST_STRETCHED * block.width
                        for row in best for wide, block in zip(columns, row, strict=False))
    sharing = []
    y = 0.0
    for row in best:
        x = 0.0
        for n, block in enumerate(row):
            wide = columns[n] if even else block.width
            block.stretch(wide)
            if even:
                sharing.append((len(whole.blocks), n / len(columns), 1 / len(columns)))
            whole.blocks.append((x, y, block))
            x += wide + _GAP
        whole.width = max(whole.width, x - _GAP)
        y += max(block.height for block in row) + _GAP
    whole.height = y - _GAP
    whole.sharing = sharing
    return whole


def _filled(blocks: Sequence[_Block], limit: float) -> list[Sequence[_Block]]:
    """Rows no wider than the limit, each with as many blocks as it holds."""
    rows: list[Sequence[_Block]] = []
    first, x = 0, 0.0
    for n, block in enumerate(blocks):
        if n > first and x + block.width > limit:
            rows.append(blocks[first:n])
            first, x = n, 0.0
        x += block.width + _GAP
    return [*rows, blocks[first:]]


def _across(row: Sequence[_Block]) -> float:
    return sum(block.width for block in row) + _GAP * (len(row) - 1)


def _extent(rows: Sequence[Sequence[_Block]]) -> tuple[float, float]:
    """Width and height of rows."""
    height = sum(max(block.height for block in row) for row in rows) + _GAP * (len(rows) - 1)
    return max(_across(row) for row in rows), height


def _counts(count: int) -> Iterator[int]:
    """Numbers of blocks that a row might have: all of a few, of many those that differ by some tenth."""
    columns = 1
    while columns <= count:
        yield columns
        columns = max(columns + 1, columns * 21 // 20)
