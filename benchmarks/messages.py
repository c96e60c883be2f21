"""What simulated messages take beside what was published, and what simulating one takes.

    python benchmarks/messages.py

Latency, one way, and sustained throughput with 16 messages queued are measured by programs of the simulated kernel
(`kernel.measurement`), 2,000 messages each, beside tables 2.4, 2.5 and 2.6 of the dissertation. Latencies are put
into the machines' descriptions, so their ratio says only that nothing was added; throughput comes out of the
protocol. The designs for the SCC are beside what was measured of its notifications (Technical Note 005, figure 4.2):
nothing was put in there but what single accesses, an interrupt and a context switch cost. Wall time is the median of
5 runs, beside a SimPy store's put and get.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import simpy

from kernel import measurement
from kernel.clock import PS_PER_MS
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.notification import DESIGNS, Notifications
from kernel.messaging.scc import scc_channel
from kernel.multikernel import Multikernel
from kernel.program import Compute, Environment, Program, Receive, Send
from kernel.threads import Code
from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase

COUNT = 2000
RUNS = 5

UMP: dict[str, list[tuple[str, tuple[int, int], int, float]]] = {  # cache, cores, cycles, messages a kcycle
    "intel-2x4": [("shared", (0, 1), 180, 11.97), ("non-shared", (0, 4), 570, 3.78)],
    "amd-2x2": [("same die", (0, 1), 450, 3.42), ("one-hop", (0, 2), 532, 3.19)],
    "amd-4x4": [("shared", (0, 1), 448, 3.57), ("one-hop", (0, 4), 545, 3.53), ("two-hop", (0, 12), 558, 3.51)],
    "amd-8x4": [("shared", (0, 1), 538, 2.77), ("one-hop", (0, 4), 613, 2.79), ("two-hop", (0, 8), 618, 2.75)],
}
"""Dissertation table 2.5; the cores are those of our descriptions that are so related."""

LMP = {"intel-2x4": 845, "amd-2x2": 757, "amd-4x4": 1463, "amd-8x4": 1549}
"""Dissertation table 2.4, cycles one way."""

L4 = (424, 2.36)
"""Dissertation table 2.6: cycles and messages a kcycle of L4's IPC on the 2×2-core AMD system."""

NOTIFICATION = {1: 4860, 2: 5043, 46: 5275}
"""Technical Note 005, figure 4.2: cycles one way from core 0, with the receiver's interrupt and switch."""

SENDING = {1: 934, 46: 1312}
"""Of that, what the sender takes; the receiver takes 3357 to 3407 wherever it is."""


def booted(kb: KnowledgeBase, name: str) -> Multikernel:
    machine.load(kb, machine.find(name))
    return Multikernel.boot(kb)


# -- x86 -------------------------------------------------------------------------------------------


def ump_table(kb: KnowledgeBase) -> None:
    print("| machine | cores | latency, cycles | published | ratio | msgs/kcycle | published | ratio "
          "| prefetching: cycles | msgs/kcycle |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, rows in UMP.items():
        kernel = booted(kb, name)
        pairs = [pair for _, pair, _, _ in rows]
        plain = measurement.ump(kernel, pairs, COUNT)
        ahead = measurement.ump(kernel, pairs, COUNT, prefetch=True)
        for (relation, _, cycles, rate), found, fetched in zip(rows, plain, ahead, strict=True):
            ratio = found.latency_cycles / cycles
            print(f"| {name} | {relation} | {found.latency_cycles:.0f} | {cycles} | {ratio:.2f} "
                  f"| {found.rate_per_kcycle:.2f} | {rate:.2f} | {found.rate_per_kcycle / rate:.2f} "
                  f"| {fetched.latency_cycles:.0f} | {fetched.rate_per_kcycle:.2f} |")


def lmp_table(kb: KnowledgeBase) -> None:
    print("| machine | local messages, cycles | published | ratio | msgs/kcycle | calls and answers, msgs/kcycle |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, cycles in LMP.items():
        found = measurement.lmp(booted(kb, name), [0], 200)[0]
        print(f"| {name} | {found.latency_cycles:.0f} | {cycles} | {found.latency_cycles / cycles:.2f} "
              f"| {found.rate_per_kcycle:.2f} | {1000 / found.latency_cycles:.2f} |")
    ump = measurement.ump(booted(kb, "amd-2x2"), [(0, 1)], COUNT)[0]
    print(f"\nOn the 2×2-core AMD system L4's IPC took {L4[0]} cycles and passed {L4[1]} messages a kcycle, "
          f"Barrelfish's UMP 450 and 3.42\n(table 2.6); simulated UMP takes {ump.latency_cycles:.0f} and passes "
          f"{ump.rate_per_kcycle:.2f}.")


# -- SCC -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneWay:
    """Cycles: from the beginning of a send to the message at hand; of that the notification, and its system call."""

    message: float
    notification: float
    system_call: float


def scc_one_way(kb: KnowledgeBase, receiver: int, how: str) -> OneWay:
    """A message from core 0 to a thread that is blocked on an idle core."""
    kernel = booted(kb, "scc")
    notifications = Notifications(kb, kernel.hardware, kernel.timeline, kernel.drivers)
    ends = Endpoint(0), Endpoint(0)
    there, _ = scc_channel(kernel.timeline, notifications, (0, ends[0]), (receiver, ends[1]), how=how)
    at: dict[str, int] = {}

    def receiving(environment: Environment) -> Code:
        yield Receive(ends[1])
        at["received"] = kernel.now

    def sending(environment: Environment) -> Code:
        yield Compute(1_000_000)
        at["begun"] = kernel.now
        yield Send(there, 1)
        at["sent"] = kernel.now

    kernel.spawn(Program("receiving", "", "", receiving), cores=[receiver])
    kernel.spawn(Program("sending", "", "", sending), cores=[0])
    kernel.run(200 * PS_PER_MS)
    cycle_ps = 10**12 / kernel.hardware.cores[0].clock_hz
    buffers = notifications.buffers
    region = buffers.region(0)
    written = 0 if how == "payload" else buffers.memory_write_ps(0, region)
    read = buffers.memory_read_ps(receiver, buffers.region(receiver) if how == "payload" else region)
    whole = at["received"] - at["begun"]
    return OneWay(
        whole / cycle_ps, (whole - written - read) / cycle_ps, (at["sent"] - at["begun"] - written) / cycle_ps
    )


def scc_table(kb: KnowledgeBase) -> None:
    print("| to core | design | message, cycles | of it notification | measured | ratio "
          "| its system call | measured |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for core, published in NOTIFICATION.items():
        for how in DESIGNS:
            found = scc_one_way(kb, core, how)
            line = f"| {core} | {how} | {found.message:.0f} | {found.notification:.0f} "
            beside = ("", "", "")
            if how == "ring":
                beside = (str(published), f"{found.notification / published:.2f}", str(SENDING.get(core, "")))
            print(f"{line}| {beside[0]} | {beside[1]} | {found.system_call:.0f} | {beside[2]} |")


# -- wall time -------------------------------------------------------------------------------------


def ours_us(kb: KnowledgeBase, prefetch: bool) -> float:
    """A simulated cache-line message of round trips and a stream, in µs of wall time."""
    kernel = booted(kb, "amd-4x4")
    began = time.perf_counter()
    measurement.ump(kernel, [(0, 12)], COUNT, prefetch)
    messages = 3 * (COUNT + COUNT // 9)  # there, back, and in the stream
    return (time.perf_counter() - began) / messages * 1e6


def scc_us(kb: KnowledgeBase) -> float:
    """A simulated SCC message by the ring, in µs of wall time."""
    kernel = booted(kb, "scc")
    notifications = Notifications(kb, kernel.hardware, kernel.timeline, kernel.drivers)
    ends = Endpoint(0), Endpoint(0)
    there, _ = scc_channel(kernel.timeline, notifications, (0, ends[0]), (46, ends[1]))
    got: list[object] = []

    def receiving(environment: Environment) -> Code:
        while True:
            got.append((yield Receive(ends[1])))

    def sending(environment: Environment) -> Code:
        for number in range(COUNT):
            yield Send(there, number)

    kernel.spawn(Program("receiving", "", "", receiving), cores=[46])
    began = time.perf_counter()
    kernel.spawn(Program("sending", "", "", sending), cores=[0])
    kernel.run_until(lambda: len(got) == COUNT, 10_000 * PS_PER_MS)
    return (time.perf_counter() - began) / COUNT * 1e6


def simpy_us() -> float:
    """SimPy's own: one process puts into a store, one gets, with a timeout between, as a message has one."""
    env = simpy.Environment()
    store: simpy.Store = simpy.Store(env, capacity=16)
    count = 20_000

    def putting() -> Generator[simpy.Event, Any, None]:
        for number in range(count):
            yield env.timeout(224)
            yield store.put(number)

    def getting() -> Generator[simpy.Event, Any, None]:
        for _ in range(count):
            yield store.get()
            yield env.timeout(224)

    env.process(putting())
    env.process(getting())
    began = time.perf_counter()
    env.run()
    return (time.perf_counter() - began) / count * 1e6


def wall_table(kb: KnowledgeBase) -> None:
    measures: list[tuple[str, Callable[[], float]]] = [
        ("UMP, whole kernel", lambda: ours_us(kb, False)),
        ("UMP that prefetches, whole kernel", lambda: ours_us(kb, True)),
        ("SCC by ring and interrupt, whole kernel", lambda: scc_us(kb)),
        ("SimPy store, put, get and two timeouts", simpy_us),
    ]
    runs = [[measure() for _, measure in measures] for _ in range(RUNS)]
    medians = [statistics.median(column) for column in zip(*runs, strict=True)]
    print("| message | µs of wall time | messages/s | × SimPy store |")
    print("|---|---:|---:|---:|")
    for (name, _), found in zip(measures, medians, strict=True):
        print(f"| {name} | {found:.1f} | {1e6 / found:,.0f} | {found / medians[-1]:.1f} |")


def main() -> None:
    kb = KnowledgeBase(Engine.start())
    for table in (ump_table, lmp_table, scc_table, wall_table):
        table(kb)
        print()


if __name__ == "__main__":
    main()
