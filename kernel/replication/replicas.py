"""Replicated services of a booted machine: which cores have which, by which protocol, and how programs use them.

    replication = Replication.of(kernel)
    names = replication.replicate("names", (0, 4, 8, 12), "paxos", ReplicatedMap)
    client = names.client(4)                        # in a program on core 4:
    before = yield from client.submit(Assign("fs", 17))
    value = yield from client.read("fs")            # from core 4's own replica

When a core is taken off line or brought back (`kernel.hotplug`), all replicas are told.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from kernel import hotplug
from kernel.clock import PS_PER_MS, PS_PER_S
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Link
from kernel.messaging.lmp import LmpLink
from kernel.messaging.ump import channel
from kernel.monitor import Handling, Monitor
from kernel.multicast import Tree, tree_of
from kernel.program import Receive, Send, Spend
from kernel.replication.errors import ReplicationError
from kernel.replication.eventual import Eventual
from kernel.replication.group import Group
from kernel.replication.machines import StateMachine, key_of
from kernel.replication.node import Node
from kernel.replication.paxos import Paxos
from kernel.replication.serving import (
    Account,
    CoreChanged,
    Cost,
    Done,
    Operation,
    Read,
    Refused,
    Replica,
    ReplicaService,
    Submit,
)
from kernel.replication.spreading import SPREADING, Spreading
from kernel.replication.two_phase_commit import TwoPhaseCommit
from kernel.threads import Operation as ThreadOperation
from kernel.threads import Thread
from kernel.timeline import Priority, Timeline
from skb.facts import Term
from skb.knowledge import KnowledgeBase

if TYPE_CHECKING:
    from kernel.cpu_driver import CpuDriver

PROTOCOLS: dict[str, Callable[[int, Iterable[int]], Node]] = {
    "paxos": Paxos,
    "two-phase": TwoPhaseCommit,
    "group": Group,
    "eventual": partial(Eventual, key_of=key_of),
}
"""How a replicated service may be kept in agreement, by name."""

_LONGEST_BACKOFF = 10
"""The back-off of a client that is refused doubles so many times at most."""

PartOfProgram = Generator[ThreadOperation, Any, Hashable]


class Kernel(Protocol):
    """What is needed of the multikernel."""

    kb: KnowledgeBase
    hardware: Hardware
    timeline: Timeline

    @property
    def monitors(self) -> Mapping[int, Monitor]: ...

    @property
    def now(self) -> int: ...

    def run_until(self, done: Callable[[], bool], duration_ps: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One core's replica: what it has carried out, its view or ballot, who leads, and messages sent from there."""

    core: int
    state: str
    carried_out: int
    view: int
    leader: int | None
    messages: int


class Replication:
    """All replicated services of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.services = {core: ReplicaService(monitor) for core, monitor in kernel.monitors.items()}
        self.replicated: dict[str, Replicas] = {}
        self._stopped: set[int] = set()
        for monitor in kernel.monitors.values():
            self._follow(monitor)
        self._trees: dict[tuple[int, tuple[int, ...]], Tree] = {}

    @classmethod
    def of(cls, kernel: Kernel) -> Replication:
        """The kernel's; it becomes a part of the monitors when first asked for, and is known by what they handle."""
        handler = next(iter(kernel.monitors.values())).handlers.get(_Whose)
        if handler is None:
            replication = cls(kernel)
            for monitor in kernel.monitors.values():
                monitor.handlers[_Whose] = replication._whose
            return replication
        found = handler.__self__  # type: ignore[attr-defined]
        assert isinstance(found, cls)
        return found

    def _whose(self, _: object) -> Generator[ThreadOperation, Any, None]:
        yield from ()

    def replicate(
        self, name: str, cores: Iterable[int], how: str, machine: Callable[[], StateMachine],
        spread: str = "unicast",
    ) -> Replicas:
        """Begin a replicated service: on each of `cores` a `machine()`. ReplicationError where that cannot be.

        `spread` is how a message to all goes: "unicast", or "tree", by the SKB's multicast tree.
        """
        chosen = tuple(sorted(set(cores)))
        if name in self.replicated:
            raise ReplicationError(f"there is a replicated service {name} already; give another name")
        if how not in PROTOCOLS:
            raise ReplicationError(f"no protocol '{how}'; there is {', '.join(PROTOCOLS)}")
        if spread not in SPREADING:
            raise ReplicationError(f"no way to spread messages '{spread}'; there is {', '.join(SPREADING)}")
        if len(chosen) < 2:
            raise ReplicationError(f"{name} would have {len(chosen)} replica; give two cores or more")
        for core in chosen:
            if core not in self.services:
                raise ReplicationError(f"no core {core}; cores are {min(self.services)}-{max(self.services)}")
            if not self.kernel.monitors[core].driver.online:
                raise ReplicationError(f"core {core} is off line; core online {core} brings it back")
        accounts: dict[Operation, Account] = {}
        replicas = {}
        for core in chosen:
            node = PROTOCOLS[how](core, chosen)
            if spread == "tree":
                node = Spreading(node, self.tree_of)
            replicas[core] = self.services[core].replicas[name] = Replica(name, node, machine(), accounts)
        self.replicated[name] = Replicas(self.kernel, name, how, spread, replicas, accounts)
        return self.replicated[name]

    def tree_of(self, root: int, cores: tuple[int, ...]) -> Tree:
        """Who passes a message of `root` on to whom, as the SKB says."""
        key = root, cores
        if key not in self._trees:
            bind: dict[str, Term] = {"Root": root, "Cores": [root, *cores]}
            answer = self.kernel.kb.once("multicast_tree(Root, Cores, Tree)", bind)
            # Not all latencies are known: then it sends to each itself.
            tree = Tree(root, tuple(map(Tree, cores))) if answer is None else tree_of(answer["Tree"])
            self._trees[key] = tree
        return self._trees[key]

    def replicas(self, name: str) -> Replicas:
        """The replicated service of that name."""
        try:
            return self.replicated[name]
        except KeyError:
            known = ", ".join(sorted(self.replicated)) or "none yet"
            raise ReplicationError(f"no replicated service {name}; there is {known}") from None

    # -- cores that stop and start -----------------------------------------------------------------

    def _follow(self, monitor: Monitor) -> None:
        """The monitor that takes cores off line and brings them back is told when they have gone and come."""
        handler = monitor.handlers[hotplug.CoreChanged]

        def changed(message: hotplug.CoreChanged) -> Handling:
            yield from handler(message)
            (self.core_started if message.online else self.core_stopped)(message.core)

        monitor.handlers[hotplug.CoreChanged] = changed

    def core_stopped(self, core: int) -> None:
        """A core has halted, or is about to: the monitors of the others are told, each by a message."""
        if core not in self._stopped:
            self.services[core].away = True
            self._stopped.add(core)
            self._tell(CoreChanged(core, online=False))

    def core_started(self, core: int) -> None:
        """A core runs again: it is told first of all, then the others, each by a message."""
        if core in self._stopped:
            self._stopped.remove(core)
            self.kernel.monitors[core].endpoint.deliver(CoreChanged(core, online=True), 0, self.kernel.now)
            self._tell(CoreChanged(core, online=True))

    def _tell(self, what: CoreChanged) -> None:
        concerned = {
            core for service in self.replicated.values() if what.core in service.cores for core in service.cores
        }
        for core in sorted(concerned - {what.core}):
            arrives = self.kernel.now + self.kernel.hardware.message_ps(what.core, core)
            self.kernel.timeline.at(arrives, Priority.MESSAGE, core, partial(self._arrived, core, what))

    def _arrived(self, core: int, what: CoreChanged, now: int) -> None:
        for replica in self.services[core].replicas.values():
            if what.core in replica.node.cores:
                replica.notices.append(what)
        self.kernel.monitors[core].endpoint.deliver(what, 0, now)


class _Whose:
    """Under this the monitors keep whose replication they are part of."""


class Replicas:
    """One replicated service."""

    def __init__(
        self, kernel: Kernel, name: str, how: str, spread: str, replicas: Mapping[int, Replica],
        accounts: dict[Operation, Account],
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.how = how
        self.spread = spread
        self.replicas = replicas
        self._accounts = accounts

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that have a replica."""
        return tuple(self.replicas)

    def nearest(self, core: int) -> int:
        """The running core with a replica that is nearest: itself, if it has one."""
        running = [each for each in self.cores if self.kernel.monitors[each].driver.online]
        if not running:
            raise ReplicationError(f"all cores with a replica of {self.name} are off line")
        return min(running, key=lambda each: (each != core, self.kernel.hardware.message_ps(core, each), each))

    def client(self, core: int, of: int | None = None) -> Client:
        """For one thread of a program on `core`: of its own replica or the nearest, or that of core `of`."""
        return Client(self, core, self.nearest(core) if of is None else of)

    def begin(self, core: int, operation: Hashable) -> None:
        """Submit on `core`, which has a replica, what nobody waits for; it is tried again if it is refused."""
        retries = self.client(core).backoff()

        def submit(now: int) -> None:
            monitor = self.kernel.monitors[core]
            reply = LmpLink(self.kernel.hardware, core, Mailbox(answered))
            monitor.endpoint.deliver(
                Submit(self.name, operation, reply), self.kernel.hardware.cost_ps("lmp", core), now
            )

        def answered(answer: object) -> None:
            if isinstance(answer, Refused):
                self.kernel.timeline.at(self.kernel.now + next(retries), Priority.MESSAGE, core, submit)

        submit(self.kernel.now)

    def cost(self, operation: Operation) -> Cost | None:
        """What an operation has cost; None as long as it is not answered."""
        account = self._accounts.get(operation)
        if account is None or account.answered_ps is None:
            return None
        clock_hz = self.kernel.hardware.cores[operation[0]].clock_hz
        return Cost(account.messages, (account.answered_ps - account.started_ps) * clock_hz // PS_PER_S)

    def settled(self, operation: Operation) -> bool:
        """Whether no message sent for it is on its way any more."""
        account = self._accounts.get(operation)
        return account is None or not account.under_way

    def costs(self) -> dict[Operation, Cost]:
        """Of all operations that are answered."""
        found = ((operation, self.cost(operation)) for operation in sorted(self._accounts))
        return {operation: cost for operation, cost in found if cost is not None}

    def status(self) -> list[ReplicaStatus]:
        """The replicas, by core."""
        return [self._status(replica) for replica in self.replicas.values()]

    def _status(self, replica: Replica) -> ReplicaStatus:
        node = replica.node.node if isinstance(replica.node, Spreading) else replica.node
        view, leader = 0, None
        state = "up to date"
        match node:
            case Paxos():
                view, leader = node.promised
                state = node.role
            case Group():
                view, leader = node.view.number, node.sequencer
                state = "waits for the group" if node.fresh else "flushing" if node.frozen_for else "member"
            case TwoPhaseCommit():
                held = "blocked" if node.blocked else "locked" if node.prepared else state
                state = "joining" if node.fresh else held
        if not self.kernel.monitors[replica.core].driver.online:
            state = "off line"
        return ReplicaStatus(replica.core, state, replica.carried_out, view, leader, replica.sent)

    # -- for the shell, which is no program --------------------------------------------------------

    def perform(self, core: int, operation: Hashable, within_ps: int = PS_PER_S) -> tuple[Hashable, Cost]:
        """Have an operation carried out for somebody on `core`, and time pass until nothing is on its way for it.

        ReplicationError where there is no answer `within_ps`.
        """
        retries = self.client(core).backoff()
        while True:
            answer = self._asked(core, lambda reply: Submit(self.name, operation, reply), within_ps)
            assert answer.operation is not None
            number = answer.operation
            self.kernel.run_until(partial(self.settled, number), within_ps)
            if isinstance(answer, Done):
                cost = self.cost(number)
                assert cost is not None
                return answer.result, cost
            self.kernel.run_until(lambda: False, next(retries))

    def read(self, core: int, query: Hashable, within_ps: int = PS_PER_S) -> Hashable:
        """What the replica of `core` says."""
        answer = self._asked(core, lambda reply: Read(self.name, query, reply), within_ps)
        assert isinstance(answer, Done)
        return answer.result

    def _asked(self, core: int, request: Callable[[Link], object], within_ps: int) -> Done | Refused:
        kernel = self.kernel
        if core not in self.replicas:
            raise ReplicationError(f"core {core} has no replica of {self.name}; it is on {_listed(self.cores)}")
        if not kernel.monitors[core].driver.online:
            raise ReplicationError(f"core {core} is off line; core online {core} brings it back")
        mailbox = Mailbox()
        reply = LmpLink(kernel.hardware, core, mailbox)
        lmp_ps = kernel.hardware.cost_ps("lmp", core)
        kernel.monitors[core].endpoint.deliver(request(reply), lmp_ps, kernel.now)
        if not kernel.run_until(lambda: bool(mailbox.messages), within_ps):
            late = f"{self.name} has not answered within {within_ps // PS_PER_MS} ms"
            raise ReplicationError(f"{late}: {self._why()}")
        answer = mailbox.messages[0]
        assert isinstance(answer, Done | Refused)
        return answer

    def _why(self) -> str:
        stopped = [each for each in self.cores if not self.kernel.monitors[each].driver.online]
        blocked = [status.core for status in self.status() if status.state == "blocked"]
        if blocked:
            return f"core {blocked[0]} is blocked until the coordinator runs again; replica show {self.name}"
        if self.how == "paxos" and len(stopped) * 2 >= len(self.cores):
            return f"{len(stopped)} of {len(self.cores)} replicas are off line, and paxos needs a majority"
        return f"replica show {self.name} says what its replicas do"


def _listed(cores: Iterable[int]) -> str:
    return f"cores {', '.join(map(str, cores))}"


class Mailbox(Endpoint):
    """Where an answer arrives that no thread waits for; `told` is called with it."""

    def __init__(self, told: Callable[[object], None] = lambda _: None) -> None:
        super().__init__(poll_ps=0)
        self.messages: list[object] = []
        self._told = told

    def deliver(
        self, message: object, receive_ps: int, now: int, local: CpuDriver | None = None
    ) -> Thread | None:
        self.messages.append(message)
        self._told(message)
        return None


class Client:
    """A thread's way to a replicated service; each method is a part of a program.

    It uses the replica of core `replica` until that is off line, then the nearest. What it has asked by then is
    answered when that core runs again.
    """

    def __init__(self, replicas: Replicas, core: int, replica: int) -> None:
        self._replicas = replicas
        self._core = core
        self._endpoint = Endpoint(replicas.kernel.hardware.cost_ps("poll", core))
        self._to: Link
        self._back: Link
        self._connect(replica)
        self.last: Operation | None = None
        """What the last operation was numbered: `Replicas.cost` tells its cost."""

    def _connect(self, replica: int) -> None:
        self.replica = replica
        kernel, core = self._replicas.kernel, self._core
        monitor = kernel.monitors[replica]
        if replica == core:
            self._to = LmpLink(kernel.hardware, core, monitor.endpoint)
            self._back = LmpLink(kernel.hardware, core, self._endpoint)
        else:
            self._to, self._back = channel(
                kernel.timeline, kernel.hardware, (core, self._endpoint), (replica, monitor.endpoint),
                queueing=True,
            )

    def submit(self, operation: Hashable) -> PartOfProgram:
        """Have an operation carried out on all replicas, however often it takes; the result."""
        retries = self.backoff()
        while True:
            answer = yield from self._call(partial(Submit, self._replicas.name, operation))
            self.last = answer.operation
            if isinstance(answer, Done):
                return answer.result
            yield Spend(next(retries))

    def read(self, query: Hashable) -> PartOfProgram:
        """What this client's replica says: no message between replicas, and it may be behind the others."""
        answer: Done = yield from self._call(partial(Read, self._replicas.name, query))
        return answer.result

    def _call(self, request: Callable[[Link], object]) -> Generator[ThreadOperation, Any, Any]:
        if not self._replicas.kernel.monitors[self.replica].driver.online:
            self._connect(self._replicas.nearest(self._core))
        yield Send(self._to, request(self._back))
        return (yield Receive(self._endpoint))

    def backoff(self) -> Iterator[int]:
        """How long to wait before trying again, in ps: twice as long each time, for every core another time.

        So of clients that are in one another's way one is through first (Barrelfish's intention for busy
        capabilities: exponential by the core's number).
        """
        hardware, cores = self._replicas.kernel.hardware, self._replicas.cores
        longest_ps = max(hardware.message_ps(self.replica, each) for each in cores)
        rank = cores.index(self.replica) + 1
        for tries in count():
            yield longest_ps * rank << min(tries, _LONGEST_BACKOFF)
