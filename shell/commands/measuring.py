"""`bench` and `measure`: what messages take on the booted machine, found by programs that send them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import click

from kernel import measurement
from kernel.clock import PS_PER_NS
from kernel.measurement import Measured
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb import latencies, topology

_COUNT = 200
_MOST = 100_000
_MEASURE_COUNT = 20
_MOST_MEASURED = 64
"""Pairs grow with the square; of more cores a part can be measured."""


def _count(count: int) -> int:
    if not 2 <= count <= _MOST:
        raise ShellError(f"--count is a number of messages from 2 to {_MOST:,}, not {count}")
    return count


@command("bench", group="machine", summary="time messages between programs: one way, and in a stream of 16",
         example="bench ump --from 0 --to 12")
@click.option("--from", "sender", metavar="C", help="the core that sends; the first one if not said")
@click.option("--to", "receiver", metavar="C", help="the core that receives; else one of each relation")
@click.option("--length", type=int, metavar="N", help="bytes of a call and of its answer (rpc)")
@click.option("--count", type=int, default=_COUNT, metavar="N", help=f"messages that are counted; {_COUNT}")
@click.option("--prefetch", is_flag=True, help="with a channel that prefetches (ump, rpc)")
@click.argument("kind", type=click.Choice(["lmp", "ump", "rpc", "multicast"]))
def bench(
    session: Session, kind: str, sender: str | None, receiver: str | None, length: int | None, count: int,
    prefetch: bool,
) -> Result:
    """lmp: local messages; ump: cache lines; rpc: calls of a service, half of each; multicast: along the SKB's tree,
    until the last core has it. The programs run on the simulated machine beside whatever runs there, and take its
    time. Cycles are the sender's; sigma is of the latency. The first tenth is not counted.
    """
    kernel = session.kernel
    _count(count)
    if length is not None and (kind != "rpc" or not 0 <= length <= 1 << 16):
        raise ShellError("--length is for rpc, from 0 to 65,536 bytes; other messages are one line each")
    if prefetch and kind not in ("ump", "rpc"):
        raise ShellError(f"--prefetch is for ump and rpc; {kind} has no channel to be set up for it")
    start = _one(sender, session) if sender is not None else min(kernel.drivers)
    if kind == "lmp":
        if receiver is not None and _one(receiver, session) != start:
            raise ShellError(f"a local message stays on its core; bench ump --from {start} --to {receiver} does not")
        return _shown(kind, [("same core", each) for each in measurement.lmp(kernel, [start], count)])
    if kind == "multicast":
        if receiver is not None:
            raise ShellError("a multicast goes to all cores; --to is for the other kinds")
        return _multicast(session, start, count)
    pairs = _pairs(session, start, receiver)
    if kind == "ump":
        found = measurement.ump(kernel, [pair for _, pair in pairs], count, prefetch)
    else:
        found = [measurement.rpc(kernel, pair, 8 if length is None else length, count, prefetch) for _, pair in pairs]
    return _shown(kind, [(relation, each) for (relation, _), each in zip(pairs, found, strict=True)])


def _one(text: str, session: Session) -> int:
    found = arguments.cores(text, session)
    if len(found) > 1:
        raise ShellError(f"'{text}' are several cores; a message is between two: --from 0 --to 12")
    if not session.kernel.drivers[found[0]].online:
        raise ShellError(f"core {found[0]} is off line; core online {found[0]} brings it back")
    return found[0]


def _pairs(session: Session, start: int, receiver: str | None) -> list[tuple[str, tuple[int, int]]]:
    """Which pairs to take: the one that was asked for, or the nearest core of each relation to `start`."""
    cores = sorted(core for core, driver in session.kernel.drivers.items() if driver.online)
    found = latencies.read(session.kb, topology.read(session.kb), cores, "cycles")
    row = [found.relation_names[number] for number in found.relations[cores.index(start)]]
    if receiver is not None:
        to = _one(receiver, session)
        if to == start:
            raise ShellError(f"--from and --to are both core {start}; bench lmp times messages on one core")
        return [(row[cores.index(to)], (start, to))]
    classes: dict[str, int] = {}
    for core, relation in zip(cores, row, strict=True):
        if core != start:
            classes.setdefault(relation, core)
    if not classes:
        raise ShellError("there is one core only; bench lmp times messages on it")
    ordered = sorted(classes.items(), key=lambda each: found.relation_names.index(each[0]))
    return [(relation, (start, core)) for relation, core in ordered]


def _data(each: Measured) -> dict[str, Any]:
    return {
        "from": each.sender.number, "to": each.receiver.number, "latency_cycles": each.latency_cycles,
        "latency_ns": each.latency_ns, "sigma_cycles": each.sigma_cycles,
        "messages_per_kcycle": each.rate_per_kcycle or None,
    }


def _shown(kind: str, found: Sequence[tuple[str, Measured]]) -> Result:
    columns = ("from", "to", "relation", "latency, cycles", "ns", "sigma", "msgs/kcycle")
    rows = [
        (str(m.sender.number), str(m.receiver.number), relation, f"{m.latency_cycles:.0f}", f"{m.latency_ns:.0f}",
         f"{m.sigma_cycles:.1f}", f"{m.rate_per_kcycle:.2f}" if m.rate_ps else "-")
        for relation, m in found
    ]
    data = [{"kind": kind, "relation": relation, **_data(m)} for relation, m in found]
    return Result(data, Table(columns, rows, frozenset(columns) - {"relation"}))


def _multicast(session: Session, root: int, count: int) -> Result:
    kernel = session.kernel
    cores = [core for core, driver in kernel.drivers.items() if driver.online]
    found = measurement.multicast(kernel, root, cores, count)
    took = [each / PS_PER_NS for each in found.took]
    mean, sigma = statistics.fmean(took), statistics.pstdev(took)
    data = {"kind": "multicast", "from": root, "cores": found.cores, "latency_ns": mean, "sigma_ns": sigma,
            "expected_ns": found.expected_ns}
    columns = ("from", "to", "latency, ns", "sigma, ns", "expected, ns")
    row = (str(root), f"{found.cores} cores", f"{mean:.0f}", f"{sigma:.1f}", f"{found.expected_ns:.0f}")
    return Result(data, Table(columns, [row], frozenset(columns) - {"to"}))


@command("measure", group="machine", summary="time messages between all cores, and have the SKB believe the figures",
         example="measure 0-3")
@click.option("--count", type=int, default=_MEASURE_COUNT, metavar="N",
              help=f"round trips between each two, and messages in a stream; {_MEASURE_COUNT}")
@click.argument("cores", required=False)
def measure(session: Session, cores: str | None, count: int) -> Result:
    """States core_latency/4, message_rtt/6 and message_rate/3 for each two cores, both ways. They are your facts,
    believed before what the machine's folder says: the next placement goes by them, `save` keeps them, a machine
    booted anew has forgotten them. What runs on these cores meanwhile is in the figures. Interrupted, it states
    nothing.
    """
    kernel = session.kernel
    _count(count)
    online = [core for core, driver in kernel.drivers.items() if driver.online]
    chosen = sorted(arguments.cores(cores, session) if cores is not None else online)
    for core in chosen:
        if core not in online:
            raise ShellError(f"core {core} is off line; core online {core} brings it back")
    if len(chosen) < 2:
        raise ShellError("a latency is between two cores; name at least two, such as 0-3 or 0,8")
    if len(chosen) > _MOST_MEASURED:
        pairs = len(chosen) * (len(chosen) - 1)
        raise ShellError(f"{len(chosen)} cores are {pairs:,} pairs; measure {_MOST_MEASURED} cores at most at a time")
    began = kernel.now
    found = measurement.ump(kernel, [(a, b) for a in chosen for b in chosen if a != b], count)
    stated = measurement.state(kernel, found)
    took_ns = (kernel.now - began) / PS_PER_NS
    fastest, slowest = min(m.latency_ns for m in found), max(m.latency_ns for m in found)
    data = {"pairs": [_data(each) for each in found], "facts": stated, "took_ns": took_ns}
    said = (f"{len(found):,} pairs of {len(chosen)} cores: {fastest:.0f} to {slowest:.0f} ns one way; "
            f"{stated:,} facts stated")
    return Result(data, said)
