"""The hardware as the kernel meets it: cores, and what things cost on them.

Everything here is asked of the SKB: cores and their clocks from the topology, message and cache-line
latencies from measurements, the costs of kernel mechanisms from cost facts that name their source.
No cost is written in Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernel.clock import PS_PER_MS, PS_PER_NS, PS_PER_S, PS_PER_US, cycles_to_ps
from kernel.errors import KernelError
from skb.knowledge import KnowledgeBase

_PAIRS_ASKED_SINGLY = 16

_UNITS = {"ns": PS_PER_NS, "us": PS_PER_US, "ms": PS_PER_MS, "s": PS_PER_S}


@dataclass(frozen=True, slots=True)
class Core:
    """One core (hardware thread) and where it is; `clock_hz` converts its cycles to time.

    Cores of several types differ in what they get done in a cycle. `rate_hz` is how many cycles of the machine's most
    capable core it gets done in a second, where the machine tells capacities (cpu_capacity/2), else its clock.
    """

    number: int
    package: int
    node: int
    clock_hz: int
    rate_hz: int

    def compute_ps(self, cycles: int) -> int:
        """The picoseconds that a program's computation of `cycles` takes here."""
        return cycles_to_ps(cycles, self.rate_hz)

    def ps(self, cycles: int) -> int:
        """The picoseconds that `cycles` of this core take."""
        return cycles_to_ps(cycles, self.clock_hz)


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a mechanism: `value` in `unit` (cycles, ns, us, ms), from `source`."""

    name: str
    value: float
    unit: str
    source: str


class Hardware:
    """A machine's cores by number, with costs and latencies in picoseconds.

    Latencies are asked of the SKB when first needed and kept: of most cores only few, for they talk to few; of one
    that talks to many the whole row at once.
    """

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        rows = kb.all("core(Core), package_of(Core, Package), node_of(Core, Node), clock_hz(Core, Hz)")
        rates = _rates({row["Core"]: row["Hz"] for row in rows}, kb)
        self.cores = {
            row["Core"]: Core(row["Core"], row["Package"], row["Node"], row["Hz"], rates[row["Core"]])
            for row in sorted(rows, key=lambda row: row["Core"])
        }
        lacking = kb.once("core(Core), \\+ (package_of(Core, _), node_of(Core, _), clock_hz(Core, _))")
        if lacking is not None or not self.cores:
            core = "any core" if lacking is None else f"core {lacking['Core']}"
            raise KernelError(
                f"the SKB lacks the package, node or clock of {core}; a facts.pl beside the dumps can state "
                "cpu_thread/4 and cpu_clock/2"
            )
        self._costs = {
            row["Name"]: Cost(row["Name"], row["Value"], row["Unit"], str(row["Source"]))
            for row in kb.all("cost_of(Name, Value, Unit, Source)")
        }
        self.eager_fpu = kb.once("facts:fpu_switching(eager)") is not None
        """Whether floating-point registers are saved at every preemption, not when another thread wants them."""
        self.message_buffers = frozenset(row["Core"] for row in kb.all("message_buffer(Core, Bytes, Line)"))
        """The cores whose caches are not coherent with each other's: they have message-passing buffers instead."""
        self._messages: dict[int, dict[int, int]] = {}
        self._lines: dict[int, dict[int, int]] = {}

    def cost(self, name: str) -> Cost:
        """The cost fact of that name."""
        try:
            return self._costs[name]
        except KeyError:
            raise KernelError(f"no cost '{name}' is known; facts cost/4 states those of a machine") from None

    def cost_ps(self, name: str, core: int) -> int:
        """What the mechanism `name` costs on `core`, in picoseconds."""
        cost = self.cost(name)
        if cost.unit == "cycles":
            return self.cores[core].ps(round(cost.value))
        return round(cost.value * _UNITS[cost.unit])

    def message_ps(self, sender: int, receiver: int) -> int:
        """One-way latency of a message: UMP between two cores (dissertation table 2.5), else LMP (2.4)."""
        if sender == receiver:
            return self.cost_ps("lmp", sender)
        return self._between(self._messages, "distance", sender, receiver)

    def line_ps(self, holder: int, reader: int) -> int:
        """Time to move a cache line from one core's cache to another's (dissertation §3.1.2)."""
        if holder == reader:
            return 0
        return self._between(self._lines, "line_transfer", holder, reader)

    def _between(self, rows: dict[int, dict[int, int]], predicate: str, one: int, other: int) -> int:
        """What `predicate` says from core `one` to the `other`, in picoseconds."""
        row = rows.setdefault(one, {})
        if other not in row:
            bind = {"From": one, "To": other} if len(row) < _PAIRS_ASKED_SINGLY else {"From": one}
            for answer in self._kb.all(f"{predicate}(From, To, Cycles)", bind):
                to = answer.get("To", other)
                # A message's latency is in cycles of its sender, the transfer of a line in cycles of its receiver.
                counted_by = self.cores[to if predicate == "line_transfer" else one]
                row[to] = counted_by.ps(round(answer["Cycles"]))
        if other not in row:
            raise KernelError(
                f"no {predicate}/3 from core {one} to core {other} is known; "
                "state core_latency/4 facts or a latency.csv"
            )
        return row[other]


def _rates(clocks_hz: dict[int, int], kb: KnowledgeBase) -> dict[int, int]:
    """Each core's `rate_hz`: its capacity against the largest, which stands for the fastest clock it goes with."""
    told = {row["Core"]: row["Capacity"] for row in kb.all("cpu_capacity(Core, Capacity)")}
    capacities = {core: told[core] for core in clocks_hz if told.get(core)}
    if len(capacities) < len(clocks_hz) or len(set(capacities.values())) == 1:
        return clocks_hz
    most = max(capacities.values())
    fastest_hz = max(clocks_hz[core] for core, capacity in capacities.items() if capacity == most)
    return {core: fastest_hz * capacity // most for core, capacity in capacities.items()}
