"""`machine import`: dumps of a machine become one that can be booted by name.

finding.py says what the paths hold, host.py what the machine we run on tells of itself, choosing.py which of it
counts. Here the dumps are supposed together (nothing that is booted changes), and only a machine that can be
booted is written (machine_writing.py: whole or not at all).
What no dump tells and no machine can do without, its clock and packages, goes into facts.pl with its reason.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skb import host
from skb.choosing import by_source, chosen, cpuinfo_in, tree_of
from skb.dumps import Dump
from skb.facts import Compound, Fact, fact
from skb.finding import dumps_in
from skb.knowledge import KnowledgeBase
from skb.machine import MachineError
from skb.machine_writing import machine_place, write_machine
from skb.readers import cpuinfo

ASSUMED_CLOCK_HZ = 10**9
"""Where nothing tells the clock: a cycle is a nanosecond, so that cycles can be read off."""

@dataclass(frozen=True, slots=True)
class Part:
    """A dump that was imported: what it was, where it came from and is now, how many facts it gave."""

    origin: str
    kind: str
    file: str
    facts: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import; `clocks_hz` are the different clocks of its cores, ascending."""

    name: str
    path: Path
    parts: tuple[Part, ...]
    left_out: tuple[tuple[str, str], ...]
    facts: Mapping[str, int]
    cores: int
    packages: int
    nodes: int
    clocks_hz: tuple[int, ...]
    contradictions: int
    remarks: tuple[str, ...]
    """What the user should know: what was assumed, what does not fit, what the host did not tell."""


def import_machine(
    kb: KnowledgeBase, name: str, paths: Sequence[Path] = (), *, from_host: bool = False, replace: bool = False,
    clock_hz: int | None = None,
) -> Imported:
    """Make a machine of what the paths hold, and of the machine we run on where `from_host`.

    `clock_hz` is the clock of every core, whatever the dumps say. MachineError, SkbError or DumpError say what
    cannot be used, and why; nothing is written then.
    """
    folder = machine_place(name, replace)
    found = dumps_in(paths)
    left_out, remarks = list(found.left_out), []
    dumps = found.dumps
    if from_host:
        told = host.read_host()
        dumps = dumps + told.dumps
        remarks += [f"{what}: {why}" for what, why in told.not_read]
        if not any(dump.kind == "latency" for dump in dumps):
            remarks.append(
                "latency: not measured, default costs stand in; `core-to-core-latency --csv` measures, and its "
                "file can be a PATH beside --host"
            )
    if not dumps:
        raise MachineError(f"nothing to import: {'; '.join(remarks) or 'name files or folders, or --host'}")
    read = chosen(dumps, left_out)
    said, apriori, apriori_name = by_source(read)
    said.setdefault("a_priori", []).append(fact("machine", name))
    facts = list(said.items())
    remarks += _misfits(read, "this process may not ask all of them" if not paths else "are they of one machine?")
    view = _view(kb, facts, apriori, apriori_name)
    if not view["Cores"]:
        kinds = ", ".join(dict.fromkeys(dump.kind for dump, _ in read))
        raise MachineError(
            f"no cores: there is {kinds} only; a machine needs cpuid, /sys, /proc/cpuinfo, lstopo's XML, "
            "a MADT (acpi), or corename/3 in facts.pl"
        )
    in_file = view["Apriori"] - 1  # machine/1 is ours
    if clock_hz and view["ClockStated"]:
        raise MachineError(f"{apriori_name}: states cpu_clock/2 already; leave out --clock, or those facts")
    added = _what_is_missing(view, read, clock_hz, remarks)
    if added:
        apriori = f"{apriori.rstrip()}\n\n{added}" if apriori.strip() else added
        view = _view(kb, facts, apriori, apriori_name)
    files = {path: data for dump, _ in read for path, data in dump.files.items()}
    if apriori:
        files["facts.pl"] = apriori.encode()
    counts = Counter({source: len(said) for source, said in facts})
    counts["a_priori"] = view["Apriori"]
    parts = tuple(
        Part(dump.origin, dump.kind, dump.place, len(said) if dump.kind != "facts" else in_file)
        for dump, said in read
    )
    imported = Imported(
        name, folder, parts, tuple(left_out), dict(counts), len(view["Cores"]), view["Packages"],
        view["Nodes"], tuple(view["Clocks"]), view["Contradictions"], tuple(remarks),
    )
    files["README.md"] = _readme(imported, files).encode()
    write_machine(folder, files, replace)
    return imported


# -- do they fit together -------------------------------------------------------------------------


def _misfits(read: Iterable[tuple[Dump, Sequence[Fact]]], suspicion: str) -> Iterator[str]:
    """Dumps that do not tell of the same cores may be of different machines, unless all are of the host."""
    told: list[tuple[str, set[Any]]] = []
    enabled: set[Any] = set()
    apics: set[Any] = set()
    for dump, facts in read:
        cores = {each.args[0] for each in facts if each.name in ("cpu_thread", "corename", "core_latency")}
        if cores:
            told.append((dump.place, cores))
        enabled |= {each.args[1] for each in facts if each.name == "apic" and each.args[2] == 1}
        names = (each.args[2] for each in facts if each.name == "corename")
        apics |= {name.args[0] for name in names if isinstance(name, Compound) and name.name == "apic"}
    if enabled and apics - enabled:
        yield f"{len(apics - enabled)} of {len(apics)} cores have a local APIC that acpi does not enable: {suspicion}"
    for place, cores in told[1:]:
        if cores != told[0][1]:
            yield (
                f"{told[0][0]} tells of {len(told[0][1])} cores and {place} of {len(cores)}, not all the same: "
                f"{suspicion}"
            )


# -- what the machine would be like ----------------------------------------------------------------

_VIEW = (
    "findall(C, core(C), Cores), "
    "findall(C, (core(C), \\+ clock_hz(C, _)), NoClock), "
    "findall(C, (core(C), \\+ package_of(C, _)), NoPackage), "
    "findall(C-N, node_of(C, N), InNodes), "
    "findall(B-C, facts:cpu_brand(C, B), Brands), "
    "findall(P, package_of(_, P), Ps0), sort(Ps0, Ps), length(Ps, Packages), "
    "findall(N, node_of(_, N), Ns0), sort(Ns0, Ns), length(Ns, Nodes), "
    "findall(H, clock_hz(_, H), Hs), sort(Hs, Clocks), "
    "findall(F, (vocabulary:declared(Name, Arity, fact, _, _, _), functor(F, Name, Arity), "
    "            store:fact_source(F, a_priori)), Stated), length(Stated, Apriori), "
    "findall(C-A, apic_of(C, A), Apics), "
    "findall(C, store:fact_source(cpu_clock(C, _), a_priori), ClockStated), "
    "aggregate_all(count, skb:contradiction(_, _, _, _), Contradictions)"
)


def _view(
    kb: KnowledgeBase, facts: Sequence[tuple[str, Sequence[Fact]]], apriori: str, apriori_name: str
) -> dict[str, Any]:
    answer = kb.supposing(facts, apriori, apriori_name, _VIEW)
    assert answer is not None  # every part of the goal succeeds
    return answer


def _what_is_missing(
    view: Mapping[str, Any], read: Iterable[tuple[Dump, Sequence[Fact]]], clock_hz: int | None, remarks: list[str]
) -> str:
    """Facts without which a machine cannot be booted, as text for facts.pl, each with where it is from."""
    lines: list[str] = []
    lacking = view["Cores"] if clock_hz else view["NoClock"]
    if lacking:
        lines += _clock_lines(lacking, view, read, clock_hz, remarks)
    if view["NoPackage"]:
        lines += _package_lines(view, remarks)
    return "\n".join(lines) + "\n" if lines else ""


def _clock_lines(
    cores: Sequence[int], view: Mapping[str, Any], read: Iterable[tuple[Dump, Sequence[Fact]]],
    clock_hz: int | None, remarks: list[str],
) -> list[str]:
    everyone = view["Cores"]
    if clock_hz:
        found: dict[int, tuple[int, str]] = dict.fromkeys(cores, (clock_hz, "stated with --clock"))
    else:
        found = _told_clocks(view["Brands"], read)
        untold = [core for core in cores if core not in found]
        others = {*view["Clocks"], *(found[core][0] for core in cores if core in found)}
        if untold and len(others) == 1:
            remarks.append(f"no dump tells the clock of {_some(untold, everyone)}: that of the others is taken")
            found.update(dict.fromkeys(untold, (min(others), "assumed: that of the other cores")))
        elif untold:
            remarks.append(
                f"no dump tells the clock of {_some(untold, everyone)}: 1 GHz is assumed, so that a cycle is 1 ns; "
                "--clock 2.5GHz states it"
            )
            why = "assumed: no dump tells it; one cycle is then 1 ns"
            found.update(dict.fromkeys(untold, (ASSUMED_CLOCK_HZ, why)))
    lines, before = [], ""
    for core in cores:
        hertz, why = found[core]
        if why != before:
            lines.append(f"% The clock: {why}.")
            before = why
        lines.append(f"cpu_clock({core}, {hertz}).")
    return lines


def _told_clocks(
    brands: Iterable[Compound], read: Iterable[tuple[Dump, Sequence[Fact]]]
) -> dict[int, tuple[int, str]]:
    """Clocks that dumps tell by the way: in a processor's name, or in /proc/cpuinfo."""
    found: dict[int, tuple[int, str]] = {}
    for dump, _ in read:
        if dump.kind == "cpuinfo":
            data: bytes | None = dump.files["cpuinfo.txt"]
        elif dump.kind == "sysfs":
            data = cpuinfo_in(tree_of(dump))
        else:
            continue
        for core, (hertz, key) in cpuinfo.clocks(data, dump.origin).items() if data else ():
            found.setdefault(core, (hertz, f"`{key}` in /proc/cpuinfo"))
    for pair in brands:
        brand, numbered = pair.args
        in_name = cpuinfo.clock_in_name(str(brand))
        if in_name and isinstance(numbered, int):
            found[numbered] = in_name, f"in the processor's name, {str(brand).strip()!r}"
    return found


def _package_lines(view: Mapping[str, Any], remarks: list[str]) -> list[str]:
    """Where the firmware alone speaks there are no packages, but proximity domains: each is taken for a package.

    A core that has a place needs its name, too, by which the rules find its domain (topology.pl, core/1).
    """
    nodes: dict[int, int] = dict(pair.args for pair in view["InNodes"])
    lines = ["% Packages: assumed; no dump tells them, and each NUMA node is taken for one."]
    counted: Counter[int] = Counter()
    for core in view["NoPackage"]:
        lines.append(f"cpu_thread({core}, {nodes[core]}, {counted[nodes[core]]}, 0).")
        counted[nodes[core]] += 1
    if view["NoPackage"] == view["Cores"]:
        lines.append("% Cores: the enabled processors of the MADT, in its order; local APICs are those of x86.")
        lines += [f"corename({core}, x86_64, apic({apic}))." for core, apic in (p.args for p in view["Apics"])]
    remarks.append(
        f"no dump tells the packages of {_some(view['NoPackage'], view['Cores'])}: each NUMA node is taken for a "
        "package, each processor for a core of its own; cpuid, /sys or lstopo's XML would tell"
    )
    return lines


def _some(cores: Sequence[int], everyone: Sequence[int]) -> str:
    if len(everyone) == 1:
        return "the core"
    return f"all {len(everyone)} cores" if len(cores) == len(everyone) else f"{len(cores)} of {len(everyone)} cores"


# -- writing ---------------------------------------------------------------------------------------


def _readme(imported: Imported, files: Mapping[str, bytes]) -> str:
    clocks = " and ".join(f"{hertz / 1e9:.3f} GHz" for hertz in imported.clocks_hz)
    lines = [
        f"# {imported.name}", "",
        f"{size(imported)}, {clocks}; imported on {datetime.date.today().isoformat()}.", "",
        "| file | kind | imported from | facts |", "|---|---|---|---|",
    ]
    lines += [f"| `{p.file}` | {p.kind} | {_cell(_absolute(p.origin))} | {p.facts} |" for p in imported.parts]
    if imported.remarks:
        lines += ["", *(f"- {_cell(remark)}" for remark in imported.remarks)]
    lines += ["", "SHA-256 of the files:", ""]
    lines += [f"    {hashlib.sha256(data).hexdigest()}  {path}" for path, data in sorted(files.items())]
    return "\n".join(lines) + "\n"


def _absolute(origin: str) -> str:
    """The path from the root where it is one; a README is read elsewhere than where the import was typed."""
    return os.path.abspath(origin) if os.path.exists(origin) else origin


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def size(imported: Imported) -> str:
    counts = ((imported.cores, "core"), (imported.packages, "package"), (imported.nodes, "NUMA node"))
    return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts)
