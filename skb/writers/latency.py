"""latency.csv: the core-to-core latencies of a machine, stated by how two cores are related.

Measurements of a kind of machine tell a few figures: between threads of a core, cores of a complex, packages one or
two links apart. `latency_csv` spreads them over all pairs; skb/readers/latency.py reads the table back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


class LatencyError(ValueError):
    """Latencies that leave a pair of cores out, or name a relation that there is not; one line."""


@dataclass(frozen=True, slots=True)
class CorePlace:
    """Where a core (hardware thread) is: `core` numbers it in its package, `l2`, `l3` and `die` in the machine.

    -1 stands for a cache or die of which nothing is known, which nobody shares.
    """

    package: int
    core: int
    l2: int
    l3: int
    die: int
    node: int
    kind: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """One-way latency of the pairs of cores that are so related, None where it was not measured; of several that
    hold the first counts.

    `same`: they share that part of the machine. `kinds`: those of the sender and of the receiver. `hops`: so
    many links lie between their packages. All that is stated must hold. Each link after the first takes
    `next_hop` more.
    """

    latency: float | None = None
    same: str | None = None
    kinds: Sequence[str] | None = None
    hops: int | None = None
    next_hop: float = 0

    def __post_init__(self) -> None:
        if self.same is not None and self.same not in _SAME:
            raise LatencyError(f"latency.pairs: no relation '{self.same}'; there are {', '.join(_SAME)}")


_SAME: dict[str, Callable[[CorePlace, CorePlace], bool]] = {
    "core": lambda one, other: (one.package, one.core) == (other.package, other.core),
    "l2": lambda one, other: one.l2 == other.l2 >= 0,
    "l3": lambda one, other: one.l3 == other.l3 >= 0,
    "die": lambda one, other: one.die == other.die >= 0,
    "node": lambda one, other: one.node == other.node,
    "package": lambda one, other: one.package == other.package,
}


def latency_csv(
    places: Sequence[CorePlace], pairs: Sequence[Pairs], unit: str, hops: Sequence[Sequence[int]]
) -> str:
    """The table, square, rows and columns by core, with its unit (ns or cycles); `hops` between packages."""
    lines = [f"# unit: {unit}"]
    for number, one in enumerate(places):
        away = hops[one.package]
        fields = [
            "" if number == there else _field(_latency(one, other, pairs, away[other.package]))
            for there, other in enumerate(places)
        ]
        lines.append(",".join(fields))
    return "\n".join(lines) + "\n"


def _field(measured: float | None) -> str:
    return "" if measured is None else str(measured)


def _latency(one: CorePlace, other: CorePlace, pairs: Sequence[Pairs], links: int) -> float | None:
    for each in pairs:
        if (
            (each.same is None or _SAME[each.same](one, other))
            and (each.kinds is None or tuple(each.kinds) == (one.kind, other.kind))
            and (each.hops is None or each.hops == links)
        ):
            further = each.next_hop * max(links - 1, 0)
            return None if each.latency is None else round(each.latency + further, 1)
    raise LatencyError(f"latency.pairs: none holds of cores {one} and {other}")
