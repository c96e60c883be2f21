"""Micro-benchmarks of messages, run as programs in the simulated kernel as Barrelfish's are on hardware.

One domain has a dispatcher on every core that takes part, and its dispatchers carry the pairs out one after the
other. As in Barrelfish's benches the first tenth is dropped, and receivers poll: nobody blocks, and no monitor takes
part. Latency is half of a round trip; throughput is sustained with so many messages queued (dissertation table 2.5:
16). What is measured is what programs have, whatever else runs on these cores at the time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernel.clock import PS_PER_MS, PS_PER_NS
from kernel.errors import KernelError
from kernel.hardware import Core
from kernel.messaging.binding import bind, export
from kernel.messaging.channel import Channel, Fragment
from kernel.messaging.drivers import Terms
from kernel.messaging.endpoint import Endpoint, Link
from kernel.messaging.lmp import LmpLink
from kernel.messaging.scc import scc_channel
from kernel.messaging.ump import channel
from kernel.multikernel import Multikernel
from kernel.program import Environment, Program, Receive, Send
from kernel.threads import Code, Operation
from skb.facts import Compound, Text

QUEUE_LENGTH = 16
"""Messages under way while throughput is measured (dissertation, before table 2.5)."""

_DROPPED = 10
"""One part of so many is dropped, from the beginning."""

_POLL_PS = 10**15
"""Receivers poll, for longer than any measurement takes."""

_NO_LIMIT = 1 << 40  # of inferences: the number of cores bounds them

_PATIENCE_PS = 60_000 * PS_PER_MS

Pair = tuple[int, int]
Part = Generator[Operation, Any, None]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found between two cores (or on one, if they are the same): picoseconds, by the `sender`'s core.

    `round_trips` are those of single messages; `rate_ps` is the time between messages of a stream, 0 where that was
    not measured.
    """

    sender: Core
    receiver: Core
    round_trips: tuple[int, ...]
    rate_ps: float

    def _cycles(self, ps: float) -> float:
        return ps * self.sender.clock_hz / 10**12

    @property
    def latency_cycles(self) -> float:
        """The mean one way, in cycles of the sender."""
        return self._cycles(statistics.fmean(self.round_trips) / 2)

    @property
    def latency_ns(self) -> float:
        """The mean one way."""
        return statistics.fmean(self.round_trips) / 2 / PS_PER_NS

    @property
    def sigma_cycles(self) -> float:
        """The standard deviation of `latency_cycles`' samples."""
        return self._cycles(statistics.pstdev(self.round_trips) / 2)

    @property
    def round_trip_cycles(self) -> tuple[float, float, float, float]:
        """Mean, variance, least and most of the round trips, in cycles of the sender."""
        trips = [self._cycles(each) for each in self.round_trips]
        return statistics.fmean(trips), statistics.pvariance(trips), min(trips), max(trips)

    @property
    def rate_per_kcycle(self) -> float:
        """Messages in a thousand cycles of the sender; 0 where it was not measured."""
        return 1000 / self._cycles(self.rate_ps) if self.rate_ps else 0.0


@dataclass
class _Run:
    """The domain that measures: for each of its dispatchers what it does, one part after the other."""

    kernel: Multikernel
    parts: dict[int, list[Callable[[Environment], Part]]] = field(default_factory=dict)

    def add(self, core: int, part: Callable[[Environment], Part]) -> None:
        self.parts.setdefault(core, []).append(part)

    def carry_out(self, name: str) -> None:
        """Run it to its end; KernelError if it traps, or is not done after a minute of simulated time."""

        def main(environment: Environment) -> Code:
            for part in self.parts[environment.core]:
                yield from part(environment)

        kernel, cores = self.kernel, sorted(self.parts)
        domain = kernel.spawn(Program(name, "measures messages", "", main), len(cores), cores=cores)
        try:
            done = kernel.run_until(lambda: not domain.alive, _PATIENCE_PS)
        finally:
            if domain.alive:
                kernel.kill(domain.id)
        if not done:
            raise KernelError("the measurement did not come to its end within a minute; free the cores it runs on")
        if domain.fault:
            raise KernelError(f"the measurement trapped: {domain.fault}")


def _links(kernel: Multikernel, pair: Pair, prefetch: bool) -> tuple[Endpoint, Endpoint, Link, Link]:
    """A channel of lines between two cores: by notification where their caches are not coherent."""
    one, other = Endpoint(_POLL_PS), Endpoint(_POLL_PS)
    ends, slots = ((pair[0], one), (pair[1], other)), QUEUE_LENGTH + 1
    if kernel.hardware.message_buffers.issuperset(pair):
        if prefetch:
            raise KernelError(f"cores {pair[0]} and {pair[1]} have no coherent caches to prefetch into")
        return one, other, *scc_channel(kernel.timeline, kernel.drivers[pair[0]].notifications, *ends, slots=slots)
    return one, other, *channel(kernel.timeline, kernel.hardware, *ends, slots=slots, prefetch=prefetch)


def ump(kernel: Multikernel, pairs: Iterable[Pair], count: int, prefetch: bool = False) -> list[Measured]:
    """Measure cache-line messages from the first to the second core of each pair, two different ones."""
    run = _Run(kernel)
    found: list[Callable[[], Measured]] = []
    for pair in pairs:
        ends = _links(kernel, pair, prefetch)
        stream = _links(kernel, pair, prefetch)
        found.append(_add(run, pair, ends, stream, count))
    run.carry_out("measure_ump")
    return [each() for each in found]


Ends = tuple[Endpoint, Endpoint, Link, Link]


def _add(run: _Run, pair: Pair, ends: Ends, stream: Ends, count: int) -> Callable[[], Measured]:
    """Add a pair: round trips, then a stream of messages."""
    kernel = run.kernel
    trips: list[int] = []
    arrived: list[int] = []
    one, other, there, back = ends
    _, streamed, onward, _ = stream
    every = range(count + -(-count // (_DROPPED - 1)))

    def first(environment: Environment) -> Part:
        for number in every:
            began = kernel.now
            yield Send(there, number)
            yield Receive(one)
            trips.append(kernel.now - began)
        for number in range(len(every) + QUEUE_LENGTH):
            yield Send(onward, number)

    def second(environment: Environment) -> Part:
        for _ in every:
            yield Send(back, (yield Receive(other)))
        for _ in range(len(every) + QUEUE_LENGTH):
            yield Receive(streamed)
            arrived.append(kernel.now)

    run.add(pair[0], first)
    run.add(pair[1], second)

    def measured() -> Measured:
        cores = kernel.hardware.cores
        kept = arrived[len(arrived) // _DROPPED :]
        rate_ps = (kept[-1] - kept[0]) / (len(kept) - 1)
        return Measured(cores[pair[0]], cores[pair[1]], tuple(trips[len(every) - count :]), rate_ps)

    return measured


def lmp(kernel: Multikernel, cores: Sequence[int], count: int) -> list[Measured]:
    """Measure local messages between two dispatchers of each core: two domains, as one has one dispatcher there."""
    return [_lmp(kernel, core, count) for core in cores]


def _lmp(kernel: Multikernel, core: int, count: int) -> Measured:
    one, other = Endpoint(_POLL_PS), Endpoint(0)
    there, back = LmpLink(kernel.hardware, core, other), LmpLink(kernel.hardware, core, one)
    every = count + -(-count // (_DROPPED - 1))
    trips: list[int] = []
    arrived: list[int] = []

    def answering(environment: Environment) -> Code:
        for _ in range(every):
            yield Send(back, (yield Receive(other)))
        while True:
            yield Receive(other)
            arrived.append(kernel.now)

    def asking(environment: Environment) -> Part:
        for number in range(every):
            began = kernel.now
            yield Send(there, number)
            yield Receive(one)
            trips.append(kernel.now - began)
        for number in range(every + 1):
            yield Send(there, number)

    with _Beside(kernel, core, answering, "answer_lmp"):
        run = _Run(kernel)
        run.add(core, asking)
        run.carry_out("measure_lmp")
        kernel.run_until(lambda: len(arrived) == every + 1, _PATIENCE_PS)
    found = kernel.hardware.cores[core]
    kept = arrived[len(arrived) // _DROPPED :]
    return Measured(found, found, tuple(trips[every - count :]), (kept[-1] - kept[0]) / (len(kept) - 1))


class _Beside:
    """While entered, a program runs on a core."""

    def __init__(self, kernel: Multikernel, core: int, main: Callable[[Environment], Code], name: str) -> None:
        self._kernel = kernel
        self._domain = kernel.spawn(Program(name, "answers", "", main), cores=[core])

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        if self._domain.alive:
            self._kernel.kill(self._domain.id)


def rpc(kernel: Multikernel, pair: Pair, length: int, count: int, prefetch: bool = False) -> Measured:
    """Measure calls on a channel that was bound to a service: a request of `length` bytes, an answer of as many.

    The latency is half of a call. What one message of the channel does not carry goes in several.
    """
    every = count + -(-count // (_DROPPED - 1))
    trips: list[int] = []
    irefs: list[int] = []

    def serving(environment: Environment) -> Code:
        service = yield from export(environment)
        irefs.append(service.iref)
        while True:
            arrival = yield from service.receive()
            if isinstance(arrival.what, Fragment):
                yield from arrival.channel.send(arrival.what)

    def calling(environment: Environment) -> Part:
        channel: Channel = yield from bind(environment, irefs[0], terms=Terms(prefetch=prefetch))
        for _ in range(every):
            began = kernel.now
            carried = channel.transport.payload_bytes
            fragments = [bytes(min(carried, length - at)) for at in range(0, length, carried)] or [b""]
            if len(fragments) == 1:
                yield from channel.call(Fragment(0, fragments[0]))
            else:
                for fragment in fragments:
                    yield from channel.send(Fragment(0, fragment))
                for _ in fragments:
                    yield from channel.receive()
            trips.append(kernel.now - began)

    with _Beside(kernel, pair[1], serving, "answer_rpc"):
        kernel.run_until(lambda: bool(irefs), _PATIENCE_PS)
        run = _Run(kernel)
        run.add(pair[0], calling)
        run.carry_out("measure_rpc")
    cores = kernel.hardware.cores
    return Measured(cores[pair[0]], cores[pair[1]], tuple(trips[every - count :]), 0.0)


@dataclass(frozen=True, slots=True)
class Multicast:
    """From `root` to so many `cores`: how long until the last had it, one by one in ps; what the SKB expected, ns."""

    root: int
    cores: int
    took: tuple[int, ...]
    expected_ns: float


def multicast(kernel: Multikernel, root: int, cores: Sequence[int], count: int) -> Multicast:
    """Measure messages that are passed on along the SKB's tree (rules/multicast.pl), from `root` to all `cores`."""
    answer = kernel.kb.once(
        "multicast_tree(Root, Cores, Tree), multicast_cost(Tree, Cost), multicast_sends(Tree, Sends)",
        {"Root": root, "Cores": list(cores)},
    )
    if answer is None:
        raise KernelError(f"no tree from core {root} is known: the latency between some of these cores is not")
    children = _children(answer["Tree"])
    every = count + -(-count // (_DROPPED - 1))
    ends: dict[int, tuple[Endpoint, Endpoint, Link, Link]] = {
        to: _links(kernel, (core, to), False) for core, below in children.items() for to in below
    }
    answers = {to: _links(kernel, (to, root), False) for to in children if to != root}
    began: list[int] = []
    last = [0] * every
    run = _Run(kernel)

    def passes_on(core: int) -> Callable[[Environment], Part]:
        def part(environment: Environment) -> Part:
            for number in range(every):
                if core == root:
                    began.append(kernel.now)
                else:
                    yield Receive(ends[core][1])
                    last[number] = max(last[number], kernel.now)
                for to in children[core]:
                    yield Send(ends[to][2], number)
                if core == root:
                    for to in answers:
                        yield Receive(answers[to][1])
                else:
                    yield Send(answers[core][2], number)

        return part

    for core in children:
        run.add(core, passes_on(core))
    run.carry_out("measure_multicast")
    took = [end - start for start, end in zip(began, last, strict=True)]
    return Multicast(root, len(children) - 1, tuple(took[every - count :]), float(answer["Cost"]))


def _children(tree: Compound) -> dict[int, tuple[int, ...]]:
    """Whom each core of tree(Core, Subtrees) sends to, in order."""
    found: dict[int, tuple[int, ...]] = {}

    def visit(tree: Any) -> int:
        core, subtrees = tree.args
        found[core] = ()
        found[core] = tuple(visit(each) for each in subtrees)
        return int(core)

    visit(tree)
    return found


# -- what the SKB is told --------------------------------------------------------------------------


def state(kernel: Multikernel, found: Sequence[Measured]) -> int:
    """State what was measured, as the user's facts: all of it, or none; how many facts that are.

    The user's facts are believed before those of a machine's folder, so an online measurement wins over what was
    known a priori: core_latency/4 is what `distance/3` takes first. The round trip and the rate are beside it.
    """
    lines = []
    for each in found:
        pair = f"{each.sender.number}, {each.receiver.number}"
        mean, variance, least, most = each.round_trip_cycles
        lines.append(f"core_latency({pair}, {each.latency_cycles:.2f}, cycles).")
        lines.append(f"message_rtt({pair}, {mean:.2f}, {variance:.2f}, {least:.2f}, {most:.2f}).")
        if each.rate_ps:
            lines.append(f"message_rate({pair}, {each.rate_per_kcycle:.3f}).")
    text = Text("\n".join(lines) + "\n")
    kernel.kb.once("apriori:state_facts(File, Text)", {"File": "measure", "Text": text}, inferences=_NO_LIMIT)
    return len(lines)
