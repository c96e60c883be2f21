"""Scotch's best shot at laying dispatchers out on cores; mapping.py holds the policy to it, and runs it by itself.

Scotch (Pellegrini and Roman 1996; Debian package scotch) maps a graph onto a target architecture. A matrix of
latencies can be told to it as decomposition-defined architecture (`deco 0`): a binary tree in which it halves the
machine, and any distances between the leaves. The tree is made in three ways: by halving around corners, by joining
the closest groups (average linkage), and by its own `amk_grf` on the graph of how close cores are (whose path lengths
are then replaced by the latencies). Where the latencies are those of a regular hierarchy, `tleaf` says it with the
cost of a link at each level. A strategy is chosen by -c (quality, balance, recursive bipartitioning) and -b
(imbalance). Scotch cannot leave cores free at will; so it is given as many as there are dispatchers, in each of
several sets, and where it puts two on one core the second goes to the free core nearest. The cheapest layout of all
these counts, with the time of the one run that found it, its start included.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
STRATEGIES = (("-b0.01",), ("-cq", "-b0.01"), ("-cqb",), ("-cqr", "-b0.01"), ("-cr", "-b0.05"))
_DEEPEST = 11
_SAME = 1.15
"""Latencies that differ by less are of one level of a hierarchy: measurements scatter by some percent."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A layout (the core of each dispatcher), its cost, the seconds that the run took, and how it was asked."""

    layout: list[int]
    cost: float
    seconds: float
    target: str
    strategy: str


def program(name: str) -> str | None:
    """Scotch's program of that name, which Debian calls scotch_NAME where another package has it too."""
    return shutil.which(f"scotch_{name}") or shutil.which(name)


def missing() -> str:
    """Why there is no Scotch; empty where there is."""
    return "" if program("gmap") else "scotch_gmap is not installed (Debian package scotch)"


def shots(weights: Array, distance_ns: Array, core_sets: Sequence[Sequence[int]]) -> Iterator[Shot]:
    """Every way to ask, on each set of cores, but for those on which it fails."""
    gmap = program("gmap")
    assert gmap is not None
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "traffic.grf"
        graph.write_text(graph_text(weights + weights.T))
        for cores in {tuple(sorted(each)) for each in core_sets}:
            among = distance_ns[np.ix_(cores, cores)]
            for target, text in targets(among + among.T, Path(folder)):
                machine, out = Path(folder) / "cores.tgt", Path(folder) / "layout.map"
                machine.write_text(text)
                for strategy in STRATEGIES:
                    start = time.perf_counter()
                    words = [gmap, str(graph), str(machine), str(out), *strategy]
                    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
                    taken = time.perf_counter() - start
                    if done.returncode:
                        continue  # an unbalanced tree makes it crash now and then
                    rows = sorted(tuple(map(int, line.split())) for line in out.read_text().splitlines()[1:])
                    numbers = leaf_numbers(text, len(cores))
                    layout = one_each([numbers[leaf] for _, leaf in rows], cores, distance_ns)
                    cost = float((weights * distance_ns[np.ix_(layout, layout)]).sum())
                    yield Shot(layout, cost, taken, target, " ".join(strategy))


def best(weights: Array, distance_ns: Array, core_sets: Sequence[Sequence[int]]) -> Shot:
    return min(shots(weights, distance_ns, core_sets), key=lambda shot: (shot.cost, shot.seconds))


def graph_text(both: Array) -> str:
    """A graph in Scotch's format, with edge weights: all must be whole numbers."""
    lines = [f"0\n{len(both)}\t{np.count_nonzero(both)}\n0\t010"]
    for row in both:
        partners = np.nonzero(row)[0]
        lines.append(" ".join([str(len(partners)), *(f"{int(row[j])} {j}" for j in partners)]))
    return "\n".join(lines) + "\n"


# -- descriptions of the machine ------------------------------------------------------------------------------


def targets(both: Array, folder: Path) -> Iterator[tuple[str, str]]:
    """Name and text of each description of cores whose latencies, there and back, are `both`."""
    cores = list(range(len(both)))
    yield "deco, corners", deco(halves(cores, both, 1), both)
    linked = linkage(both)
    yield "deco, linkage", deco(numbered(linked, 1), both)
    found = by_amk_grf(both, folder)
    if found is not None:
        yield "deco, amk_grf", deco(found, both)
    hierarchy = tleaf(both)
    if hierarchy is not None:
        yield "tleaf", hierarchy


def deco(numbers: dict[int, int], both: Array) -> str:
    """Each core's number in the binary tree, and all distances, in tenths of a ns there and back."""
    n = len(both)
    among = np.maximum(1, np.round(both * 10)).astype(int)
    lines = [f"deco 0\n{n} {max(numbers.values())}", *(f"{i} 1 {numbers[i]}" for i in range(n))]
    return "\n".join(lines + [" ".join(map(str, among[i, :i])) for i in range(1, n)]) + "\n"


def halves(cores: list[int], distance: Array, number: int) -> dict[int, int]:
    """Numbers in a binary tree of recursive bisection: the half that lies closest around a corner, and the rest."""
    if len(cores) == 1:
        return {cores[0]: number}
    corner = max(cores, key=lambda c: (distance[c, cores].sum(), -c))
    near = sorted(cores, key=lambda c: (distance[corner, c] if c != corner else -1, c))
    half = (len(near) + 1) // 2
    return halves(near[:half], distance, 2 * number) | halves(near[half:], distance, 2 * number + 1)


Tree = int | tuple["Tree", "Tree"]


def linkage(both: Array) -> Tree:
    """The two groups of cores that are closest on average are joined, until there is one; of equal ones the small."""
    trees: dict[int, Tree] = dict(enumerate(range(len(both))))
    size = dict.fromkeys(trees, 1)
    apart = both.astype(float).copy()
    np.fill_diagonal(apart, np.inf)
    while len(trees) > 1:
        alive = list(trees)
        block = apart[np.ix_(alive, alive)]
        least = block.min()
        close = np.argwhere(block <= least * (1 + 1e-9))
        a, b = min(((alive[i], alive[j]) for i, j in close if i < j), key=lambda p: (size[p[0]] + size[p[1]], p))
        mean = (size[a] * apart[a] + size[b] * apart[b]) / (size[a] + size[b])
        apart[a], apart[:, a] = mean, mean
        apart[a, a] = np.inf
        trees[a] = (trees[a], trees.pop(b))
        size[a] += size.pop(b)
    return next(iter(trees.values()))


def leaves(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else leaves(tree[0]) + leaves(tree[1])


def numbered(tree: Tree, number: int) -> dict[int, int]:
    """Numbers of the leaves. Scotch has a table of all pairs of them: a tree too deep for it is cut at the middle."""
    if isinstance(tree, int):
        return {tree: number}
    order = leaves(tree)
    if number.bit_length() + depth(tree) > _DEEPEST:
        middle = len(order) // 2
        tree = (balanced(order[:middle]), balanced(order[middle:]))
    return numbered(tree[0], 2 * number) | numbered(tree[1], 2 * number + 1)


def depth(tree: Tree) -> int:
    return 0 if isinstance(tree, int) else 1 + max(depth(tree[0]), depth(tree[1]))


def balanced(order: list[int]) -> Tree:
    return order[0] if len(order) == 1 else (balanced(order[: len(order) // 2]), balanced(order[len(order) // 2 :]))


def by_amk_grf(both: Array, folder: Path) -> dict[int, int] | None:
    """The numbers that Scotch's own amk_grf gives, on the complete graph of closeness (longest latency less each)."""
    amk = program("amk_grf")
    if amk is None or len(both) < 2:
        return None
    scale = 1000 / both.max()
    close = np.maximum(1, np.round((both.max() - both) * scale)).astype(int)
    np.fill_diagonal(close, 0)
    graph, out = folder / "close.grf", folder / "close.tgt"
    graph.write_text(graph_text(close))
    done = subprocess.run([amk, str(graph), str(out)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return None
    words = out.read_text().split()
    if words[:2] != ["deco", "1"]:
        return None
    # `deco 1`: how many leaves and numbers, then of each number from 1 its first leaf, how many, and their weight
    rows = [tuple(map(int, words[4 + 3 * i : 7 + 3 * i])) for i in range(int(words[3]))]
    return {leaf: number for number, (leaf, leaves_below, _) in enumerate(rows, 1) if leaves_below == 1}


def tleaf(both: Array) -> str | None:
    """The machine as a tree of groups alike, the cores in its leaves' order; None where the latencies are no such."""
    n = len(both)
    off = both[~np.eye(n, dtype=bool)]
    heights = np.sort(off)
    levels: list[float] = [float(heights[0])]
    for height in heights:
        if height > levels[-1] * _SAME:
            levels.append(float(height))
    sizes: list[tuple[int, float]] = []
    order = list(range(n))
    for level in levels:
        reach = both <= level * _SAME
        groups = {frozenset(np.nonzero(reach[i] | (np.arange(n) == i))[0].tolist()) for i in range(n)}
        alike = len({len(group) for group in groups}) == 1 and sum(map(len, groups)) == n
        if not alike:
            return None
        size = len(next(iter(groups)))
        rank = {core: min(group) for group in groups for core in group}
        order.sort(key=lambda core: rank[core])
        if not sizes or size > sizes[-1][0]:
            sizes.append((size, level))
    if sizes[-1][0] != n:
        return None
    lower = [1, *(size for size, _ in sizes[:-1])]
    links = [(size // below, round(level * 10)) for (size, level), below in zip(sizes, lower, strict=True)][::-1]
    text = " ".join(f"{degree} {max(1, cost)}" for degree, cost in links)
    return f"tleaf {len(links)} {text}\n% {' '.join(map(str, order))}\n"


def leaf_numbers(text: str, n: int) -> list[int]:
    """The core of each leaf: of `tleaf` in the order that the comment in its last line says."""
    return list(map(int, text.splitlines()[1][1:].split())) if text.startswith("tleaf") else list(range(n))


def one_each(found: Sequence[int], cores: Sequence[int], distance_ns: Array) -> list[int]:
    """Dispatchers that share a core go, but for the first, to the free core nearest to it."""
    free = set(range(len(cores))) - set(found)
    seen: set[int] = set()
    layout: list[int] = []
    for position in found:
        if position in seen:
            position = min(free, key=lambda c: (distance_ns[cores[position], cores[c]], c))
            free.discard(position)
        seen.add(position)
        layout.append(cores[position])
    return layout
