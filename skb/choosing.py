"""Which dumps count of those that were found, and the facts of each source: for import and for check alike.

finding.py says what there is. A machine has one dump of each kind; two of them tell of CPUs by one source, a copy
of /sys and /proc/cpuinfo, and are read together, as machine.py reads them in a machine folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from skb import machine
from skb.dumps import Dump
from skb.facts import Fact
from skb.machine import MachineError
from skb.readers import DumpError

SOURCES = {
    "acpi": "acpi", "pci": "pci", "cpuid": "cpuid", "sysfs": "sysfs", "cpuinfo": "sysfs", "hwloc": "hwloc",
    "latency": "measured", "facts": "a_priori",
}  # fmt: skip
"""Kinds of dumps, in the order in which a machine folder is read, and the source of their facts."""


def chosen(
    dumps: Sequence[Dump], left_out: list[tuple[str, str]], *, one_of_each: bool = False
) -> list[tuple[Dump, list[Fact]]]:
    """One dump of each kind, with its facts, in the order of a machine folder.

    Of several that were named none can be chosen. One that was named goes before those that lie in folders;
    of these the one that says most is taken, or none where `one_of_each` is asked for. What is not taken is added
    to `left_out`, as origin and reason. MachineError says which two there are, DumpError what cannot be read.
    """
    taken: list[tuple[Dump, list[Fact]]] = []
    for kind in SOURCES:
        mine = [dump for dump in dumps if dump.kind == kind]
        named = [dump for dump in mine if one_of_each or dump.named]
        if len(named) > 1:
            raise MachineError(
                f"{named[0].origin} and {named[1].origin} are both {kind}: a machine has one; name one of them"
            )
        best: tuple[Dump, list[Fact]] | None = None
        broken: list[DumpError] = []
        for dump in named or mine:
            try:
                facts = dump.read()
            except DumpError as error:
                broken.append(error)
                left_out.append((dump.origin, str(error)))
                continue
            if best is None or len(facts) > len(best[1]):
                best = dump, facts
        if broken and best is None:
            raise broken[0]
        if best is not None:
            taken.append(best)
            refused = {origin for origin, _ in left_out}
            for dump in mine:
                if dump is not best[0] and dump.origin not in refused:
                    left_out.append((dump.origin, f"{kind} is taken from {best[0].origin}"))
    return _with_cpuinfo(taken, left_out)


def _with_cpuinfo(
    taken: list[tuple[Dump, list[Fact]]], left_out: list[tuple[str, str]]
) -> list[tuple[Dump, list[Fact]]]:
    """A /proc/cpuinfo beside a copy of /sys is read with it (machine.py), unless the copy has its own."""
    by_kind = {dump.kind: (dump, facts) for dump, facts in taken}
    if not {"sysfs", "cpuinfo"} <= by_kind.keys():
        return taken
    (sysfs, before), (beside, _) = by_kind["sysfs"], by_kind["cpuinfo"]
    files = tree_of(sysfs)
    if cpuinfo_in(files) is not None:
        left_out.append((beside.origin, f"/proc/cpuinfo is taken from {sysfs.origin}"))
        return [each for each in taken if each[0] is not beside]
    both = machine.read_sysfs(files, sysfs.origin, beside.files["cpuinfo.txt"])
    known = set(before)
    by_kind["sysfs"] = sysfs, [each for each in both if each in known]
    by_kind["cpuinfo"] = beside, [each for each in both if each not in known]
    return [by_kind[kind] for kind in by_kind]


def by_source(read: Iterable[tuple[Dump, list[Fact]]]) -> tuple[dict[str, list[Fact]], str, str]:
    """All facts by source, as machine.read gives them; the text of facts.pl, and what errors call it."""
    facts: dict[str, list[Fact]] = {}
    apriori, name = "", "facts.pl"
    for dump, said in read:
        if dump.kind == "facts":
            apriori, name = dump.files["facts.pl"].decode(), dump.origin
        facts.setdefault(SOURCES[dump.kind], []).extend(said)
    return facts, apriori, name


def tree_of(sysfs: Dump) -> dict[str, bytes]:
    """The files of a copy of /sys, by path."""
    from skb.readers.sysfs_files import unpack

    (data,) = sysfs.files.values()
    return unpack(data, sysfs.origin)


def cpuinfo_in(files: Mapping[str, bytes]) -> bytes | None:
    """/proc/cpuinfo of such a copy; None where it has none."""
    return next((content for path, content in files.items() if f"/{path}".endswith("/proc/cpuinfo")), None)
