"""`machine generate`: a machine that does not exist yet, from a few figures."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict
from typing import Any

import click

import shell.commands.machine_import  # noqa: F401 - stands before this one in the family
from shell.commands.arguments import clock_hz
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import interconnect, planned
from skb.machine_writing import machine_place, write_machine

_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([KMGT])i?B?\Z", re.IGNORECASE)
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_LATENCY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(ns|us|cycles)\Z")


@command("machine generate", group="machine", summary="make a machine that does not exist yet, up to 4,096 cores",
         example="machine generate grid --packages 16 --cores 8 --interconnect torus --hop 220ns --replace")
@click.argument("name", metavar="NAME")
@click.option("--packages", metavar="P", type=int, help="packages of the machine (1)")
@click.option("--nodes", metavar="N", type=int, help="NUMA nodes of each package (1); each has its L3")
@click.option("--cores", metavar="C", type=int, help="cores of each node (4)")
@click.option("--threads", metavar="T", type=int, help="hardware threads of each core (1)")
@click.option("--interconnect", "shape", metavar="SHAPE", type=click.Choice(interconnect.SHAPES),
              help="how packages are linked: ring, mesh, torus, square, hypercube or full (mesh)")
@click.option("--clock", metavar="CLOCK", help="the clock of every core (2.5GHz)")
@click.option("--vendor", metavar="VENDOR", type=click.Choice(tuple(planned.VENDORS)),
              help="whose cores they are like: amd or intel (amd)")
@click.option("--l1", metavar="SIZE", help="each core's L1 data cache, and its instruction cache")
@click.option("--l2", metavar="SIZE", help="each core's L2 cache")
@click.option("--l3", metavar="SIZE", help="the L3 cache that the cores of a node share, or none")
@click.option("--memory", metavar="SIZE", help="memory of each node (4GiB)")
@click.option("--shared", metavar="TIME", help="a message between cores that share a cache: 60ns or 150cycles")
@click.option("--local", metavar="TIME", help="a message between cores of a package that share none")
@click.option("--hop", metavar="TIME", help="a message over one link between packages")
@click.option("--next-hop", metavar="TIME", help="how much more it takes over each further link (as --hop)")
@click.option("--replace", is_flag=True, help="put it in the place of a machine of that name in your data folder")
def machine_generate(
    session: Session, name: str, packages: int | None, nodes: int | None, cores: int | None, threads: int | None,
    shape: str | None, clock: str | None, vendor: str | None, l1: str | None, l2: str | None, l3: str | None,
    memory: str | None, shared: str | None, local: str | None, hop: str | None, next_hop: str | None, replace: bool,
) -> Result:  # fmt: skip
    """Its folder has what a real machine's has: CPUID and ACPI dumps, which `cpuid` and `iasl` read, and facts.pl;
    it is in your data folder, whole, or not at all. machine.toml describes it, to be changed and made anew by
    `python -m skb.generate FOLDER`. Hardware threads count as cores in all other commands. A mesh, torus or square
    is as near to a square as its packages allow; a square has as many columns as rows, a hypercube 2, 4, 8, ...
    packages. Latencies that are left open are those that `skb cost_of(Name, Value, Unit, Source)` tells.
    """
    folder = machine_place(name, replace)
    latencies = {"shared": shared, "local": local, "hop": hop, "next_hop": next_hop}
    asked: dict[str, Any] = {
        "packages": packages, "nodes": nodes, "cores": cores, "threads": threads, "shape": shape,
        "clock_hz": None if clock is None else clock_hz(clock), "vendor": vendor, "l1_bytes": _bytes(l1, "l1"),
        "l2_bytes": _bytes(l2, "l2"), "l3_bytes": 0 if l3 == "none" else _bytes(l3, "l3"),
        "node_bytes": _bytes(memory, "memory"),
    }  # fmt: skip
    plan = planned.Plan(
        **{field: value for field, value in asked.items() if value is not None},
        latencies={option: _latency(text, option) for option, text in latencies.items() if text is not None},
        left_open=frozenset(field for field, value in asked.items() if value is None),
    )
    files = planned.files(name, plan)
    write_machine(folder, files, replace)
    used = _latencies(session, plan)
    data = {
        "name": name, "path": str(folder), "packages": plan.packages, "nodes": plan.packages * plan.nodes,
        "cores": plan.all_threads // plan.threads, "threads": plan.all_threads, "clock_hz": plan.clock_hz,
        "interconnect": plan.laid if plan.packages > 1 else None, "links": len(plan.links),
        "most_hops": plan.most_hops, "node_bytes": plan.node_bytes,
        "latencies": {option: asdict(latency) | {"source": source} for option, latency, source in used},
        "files": {file: len(content) for file, content in sorted(files.items())},
    }
    show: list[Table | str] = [Table(("what", "value"), [*_rows(plan, files), *_latency_rows(used)]),
                               f"{folder}; boot it with `pilotfish -m {name}`"]
    return Result(data, show, _odd(plan, used))


def _rows(plan: planned.Plan, files: dict[str, bytes]) -> list[tuple[str, str]]:
    nodes, cores = plan.packages * plan.nodes, plan.all_threads // plan.threads
    links = f"{len(plan.links):,} link{'' if len(plan.links) == 1 else 's'}"
    linked = f", {planned.interconnect_words(plan)}, {links}, {plan.most_hops} at most in a way"
    return [
        ("packages", f"{plan.packages:,}{linked if plan.packages > 1 else ''}"),
        ("NUMA nodes", f"{nodes:,}, {planned.size(plan.node_bytes)} each"),
        ("cores", f"{cores:,}, {plan.cores:,} a node, {plan.clock_hz / 1e9:g} GHz"),
        ("hardware threads", f"{plan.all_threads:,}"),
        ("caches", ", ".join(f"{level} {planned.size(each)}" for level, each in plan.caches if each)),
        ("files", ", ".join(f"{file} {_file_size(len(content))}" for file, content in sorted(files.items()))),
    ]


def _latency_rows(latencies: list[tuple[str, planned.Latency, str]]) -> list[tuple[str, str]]:
    return [
        (f"message {planned.RELATIONS[option][1]}", f"{latency} ({source})") for option, latency, source in latencies
    ]


def _latencies(session: Session, plan: planned.Plan) -> list[tuple[str, planned.Latency, str]]:
    """Those that some pair of cores has: as stated, else what stands in, with its source."""
    found = []
    for option in plan.applies():
        if option in plan.effective:
            source = "stated" if option in plan.latencies else "as the first"
            found.append((option, plan.effective[option], source))
            continue
        cost = planned.RELATIONS[option][0]
        row = session.kb.once(f"costs:default_cost({cost}, Value, Unit, Source)")
        if row is not None:
            found.append((option, planned.Latency(row["Value"], row["Unit"]), str(row["Source"])))
    return found


def _odd(plan: planned.Plan, latencies: list[tuple[str, planned.Latency, str]]) -> str:
    """Latencies that do not grow with distance: of what was stated and what stands in, or asked for so."""
    near = [(option, latency) for option, latency, _ in latencies if option != "next_hop"]
    for (one, first), (other, second) in itertools.pairwise(near):
        if plan.in_ns(second) < plan.in_ns(first):
            return (
                f"a message {planned.RELATIONS[other][1]} takes {plan.in_ns(second):.4g} ns, less than one "
                f"{planned.RELATIONS[one][1]}, {plan.in_ns(first):.4g} ns; --{one} states that"
            )
    return ""


def _bytes(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    match = _SIZE.match(text.strip())
    size = float(match[1]) * _UNITS[match[2].upper()] if match else 0
    if not size or size != int(size):
        none = ", or none" if option == "l3" else ""
        raise ShellError(f"--{option}: '{text}' is no size; write 32KiB, 1MiB or 4GiB{none}")
    return int(size)


def _latency(text: str, option: str) -> planned.Latency:
    match = _LATENCY.match(text.strip())
    if match is None:
        raise ShellError(f"--{option.replace('_', '-')}: '{text}' is no latency; write 60ns, 1.5us or 150cycles")
    value = float(match[1]) * (1000 if match[2] == "us" else 1)
    return planned.Latency(int(value) if value.is_integer() else value, "cycles" if match[2] == "cycles" else "ns")


def _file_size(length: int) -> str:
    return f"{length / 1e6:.1f} MB" if length >= 10**6 else f"{length / 1e3:.1f} kB"
