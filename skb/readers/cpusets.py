"""Sets of CPUs as Linux and hwloc write them, and the facts that such sets say.

Both the sysfs and the hwloc reader learn of packages, dies, cores, caches and nodes as sets of CPUs. A set
is an int here, bit N for CPU N. `position_facts` turns the sets into `cpu_thread/4`, `cpu_die/2` and
`cpu_cluster/2`, `cache_facts` into `cpu_cache/9` and `cpu_cache_id/4`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from skb.facts import Fact, fact

LARGEST_CPU = (1 << 16) - 1
"""No CPU has a larger number: eight times what Linux can be built for (NR_CPUS, 8192)."""

_KERNEL_MASK = re.compile(r"[0-9a-f]{1,8}(?:,[0-9a-f]{8})*")
_WORD = re.compile(r"(?:0x)?([0-9a-f]{0,8})", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9})/([1-9][0-9]{0,8}))?)?")


def from_mask(text: str) -> int:
    """The set written as comma-separated 32-bit words, most significant first; an empty word is 0.

    `ff`, `0000,0000003f`, `0x000000ff,,0x1`. Raises ValueError for anything else.
    """
    text = text.strip().rstrip("\0")
    words = text.split(",")
    if not text or len(words) > (LARGEST_CPU + 1) // 32:
        raise ValueError("not a mask of CPUs" if text else "an empty mask of CPUs")
    if _KERNEL_MASK.fullmatch(text):  # almost all are
        return int(text.replace(",", ""), 16)
    digits = []
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None:
            # A kernel of 64-bit words, or a mask without commas, writes more than eight digits.
            if (
                len(words) == 1
                and re.fullmatch(r"(?:0x)?[0-9a-fA-F]{9,}", word)
                and len(word) <= LARGEST_CPU // 4
            ):
                return int(word, 16)
            raise ValueError(f"{word[:40]!r} is no word of a mask of CPUs")
        digits.append(match[1].rjust(8, "0"))
    return int("".join(digits), 16)


def from_list(text: str) -> int:
    """The set written as numbers and ranges, `0-3,8,16-31:2/4` (two of every four); empty text is no CPU.

    Raises ValueError for anything else, and for a CPU beyond LARGEST_CPU.
    """
    found = 0
    text = text.strip().rstrip("\0").strip()
    if len(text) > 8 * LARGEST_CPU:
        raise ValueError("a list of CPUs of absurd length")
    for part in text.split(",") if text else ():
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part[:40]!r} is no CPU number or range")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first or last > LARGEST_CPU:
            raise ValueError(f"{part[:40]!r} is no range of CPUs up to {LARGEST_CPU}")
        if match[3] is None:
            found |= (1 << last + 1) - (1 << first)
        else:
            used, group = int(match[3]), int(match[4])
            for start in range(first, last + 1, group):
                found |= (1 << min(start + used, last + 1)) - (1 << start)
    return found


def cpus_of(cpus: int) -> Iterator[int]:
    """The CPU numbers in a set, ascending."""
    bits = bin(cpus)[:1:-1]
    number = bits.find("1")
    while number >= 0:
        yield number
        number = bits.find("1", number + 1)


def first_cpu(cpus: int) -> int:
    """The lowest CPU of a set; -1 of the empty one."""
    return (cpus & -cpus).bit_length() - 1


@dataclass(frozen=True, slots=True)
class Numbered:
    """A package, die, core or cluster: its CPUs and the number that the system gives it (None: none)."""

    cpus: int
    number: int | None


@dataclass(frozen=True, slots=True)
class Cache:
    """A cache: kind is data, instr or unified; 0 ways or line bytes: not told.

    `ways` of a fully associative cache is its number of lines.
    """

    level: int
    kind: str
    cpus: int
    size_bytes: int
    ways: int
    line_bytes: int
    inclusive: str | int = "unknown"

    @property
    def name(self) -> str:
        """`l1d`, `l1i`, `l2`, `l3`: Barrelfish's names."""
        return f"l{self.level}" + {"data": "d", "instr": "i"}.get(self.kind, "")


class Nested:
    """Sets of which any two are apart or one within the other, as parts of a machine are."""

    def __init__(self) -> None:
        self._over: defaultdict[int, set[int]] = defaultdict(set)

    def admit(self, cpus: int) -> bool:
        """Take the set in; False (and nothing taken) where it is empty or cuts one that was there before."""
        members = list(cpus_of(cpus))
        seen: set[int] = set()
        for cpu in members:
            for other in self._over[cpu]:
                if other not in seen:
                    seen.add(other)
                    if cpus & other not in (cpus, other):
                        return False
        for cpu in members:
            self._over[cpu].add(cpus)
        return bool(members)


def position_facts(
    cpus: int,
    packages: Sequence[Numbered],
    dies: Sequence[Numbered] = (),
    clusters: Sequence[Numbered] = (),
    cores: Sequence[Numbered] = (),
) -> Iterator[Fact]:
    """`cpu_thread/4` of each CPU, `cpu_die/2` and `cpu_cluster/2` of those that have them.

    Package and core have the system's numbers. Where those do not tell the packages of the machine apart
    (repeated, or missing as on some ARM and s390 machines), the repeated ones are counted on from the
    largest; where they do not tell the cores of a package apart, that package's are counted from 0. A CPU
    that no core holds is a core of its own. Dies and clusters are counted over the machine.
    """
    package_of = _held(packages, cpus)
    core_of = _held(cores, cpus)
    package_numbers = _package_numbers(packages, any(package_of[cpu] is None for cpu in cpus_of(cpus)))
    by_package: defaultdict[int, dict[int, int | None]] = defaultdict(dict)
    for cpu in cpus_of(cpus):
        core = core_of[cpu]
        key = core.cpus if core else 1 << cpu
        by_package[package_numbers[package_of[cpu]]].setdefault(key, core.number if core else None)
    core_numbers = {package: _core_numbers(held) for package, held in by_package.items()}
    die_of, cluster_of = _held(dies, cpus), _held(clusters, cpus)
    die_numbers, cluster_numbers = _counted(dies), _counted(clusters)
    for cpu in cpus_of(cpus):
        package, core = package_numbers[package_of[cpu]], core_of[cpu]
        held = core.cpus if core else 1 << cpu
        thread = (held & cpus & (1 << cpu) - 1).bit_count()
        yield fact("cpu_thread", cpu, package, core_numbers[package][held], thread)
        die, cluster = die_of[cpu], cluster_of[cpu]
        if die:
            yield fact("cpu_die", cpu, die_numbers[die.cpus])
        if cluster:
            yield fact("cpu_cluster", cpu, cluster_numbers[cluster.cpus])


def _held(objects: Iterable[Numbered], cpus: int) -> dict[int, Numbered | None]:
    """The object that holds each CPU; of several the smallest."""
    held: dict[int, Numbered | None] = dict.fromkeys(cpus_of(cpus))
    for one in sorted(objects, key=lambda each: -each.cpus.bit_count()):
        for cpu in cpus_of(one.cpus & cpus):
            held[cpu] = one
    return held


def _package_numbers(packages: Sequence[Numbered], some_without: bool) -> dict[Numbered | None, int]:
    ordered = sorted(packages, key=lambda one: first_cpu(one.cpus))
    taken: dict[int, Numbered] = {}
    for one in ordered:
        if one.number is not None:
            taken.setdefault(one.number, one)
    numbers: dict[Numbered | None, int] = {}
    following = max(taken, default=-1) + 1
    for one in ordered:
        if one.number is not None and taken[one.number] is one:
            numbers[one] = one.number
        else:
            numbers[one] = following
            following += 1
    if some_without:
        numbers[None] = following
    return numbers


def _core_numbers(cores: Mapping[int, int | None]) -> dict[int, int]:
    numbers = [number for number in cores.values() if number is not None]
    if len(set(numbers)) == len(cores):
        return dict(zip(cores, numbers, strict=True))
    return {core: count for count, core in enumerate(sorted(cores, key=first_cpu))}


def _counted(objects: Iterable[Numbered]) -> dict[int, int]:
    return {cpus: count for count, cpus in enumerate(sorted({one.cpus for one in objects}, key=first_cpu))}


def cache_facts(caches: Iterable[Cache]) -> Iterator[Fact]:
    """`cpu_cache/9` and `cpu_cache_id/4` of each CPU of each cache; caches of a kind are counted from 0."""
    counts: Counter[tuple[int, str]] = Counter()
    seen: set[tuple[int, int, str]] = set()
    for cache in sorted(caches, key=lambda one: (one.level, one.kind, first_cpu(one.cpus))):
        kind = cache.level, cache.kind
        shared = cache.cpus.bit_count()
        for cpu in cpus_of(cache.cpus):
            if (cpu, *kind) in seen:
                continue
            seen.add((cpu, *kind))
            yield fact(
                "cpu_cache", cpu, cache.name, cache.level, cache.kind, cache.size_bytes, cache.ways,
                cache.line_bytes, shared, cache.inclusive,
            )  # fmt: skip
            yield fact("cpu_cache_id", cpu, cache.level, cache.kind, counts[kind])
        counts[kind] += 1
