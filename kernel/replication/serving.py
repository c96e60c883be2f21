"""Replicated services as a part of the simulated monitors: each core's replica, and the messages that keep it so.

Each service chooses its protocol. Its replicas are state of the monitors themselves: handling a message costs the
update of a line in the core's own cache (cost `update`, dissertation §2.1.3), and what receiving and sending cost
anyway (§2.6.3); no system call is needed. Programs use a service through a `Client`, by local messages to the
monitor of their core, or by a UMP channel to that of the nearest core with a replica.

Every message says which operation it is sent for, so that operations can be told what they cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from functools import partial

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Link
from kernel.monitor import Handling, Monitor
from kernel.program import Send, Spend
from kernel.replication import node as nodes
from kernel.replication.machines import StateMachine
from kernel.replication.node import Deliver, Install, Multicast, Node, Output, Refuse, Reset

Operation = tuple[int, int]
"""The core on which an operation was submitted, and its number there; number 0: that of the protocol itself."""


@dataclass(frozen=True, slots=True)
class ReplicaMessage:
    """Between monitors: a message of the protocol of the service `name`, sent for `operation`."""

    name: str
    sender: int
    message: Hashable
    operation: Operation


@dataclass(frozen=True, slots=True)
class Submit:
    """To a monitor with a replica: have this carried out; the answer is `Done` or `Refused`."""

    name: str
    operation: Hashable
    reply: Link


@dataclass(frozen=True, slots=True)
class Read:
    """To a monitor with a replica: what is there? The answer is `Done`."""

    name: str
    query: Hashable
    reply: Link


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an operation, which was number `operation` there, or of a read."""

    result: Hashable
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not carried out, anywhere, and may be tried again."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class CoreChanged:
    """A core has stopped, or runs again; to a monitor: its replicas have notices of that."""

    core: int
    online: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation took: messages between cores, and cycles of the core that asked until it had the answer."""

    messages: int
    cycles: int


@dataclass(slots=True)
class Account:
    """What is known of an operation's cost so far."""

    started_ps: int
    answered_ps: int | None = None
    messages: int = 0
    under_way: int = 0


@dataclass(slots=True)
class Replica:
    """One core's replica of the service `name`; `accounts` are those of all its replicas' operations."""

    name: str
    node: Node
    machine: StateMachine
    accounts: dict[Operation, Account]
    carried_out: int = 0
    view: tuple[int, ...] = ()
    sent: int = 0
    received: int = 0
    waiting: dict[int, Link] = field(default_factory=dict)
    """To whom the result of an operation of this core goes, by its number."""
    notices: deque[CoreChanged] = field(default_factory=deque)
    """What it is to be told, which has arrived at its core."""

    @property
    def core(self) -> int:
        return self.node.core


class ReplicaService:
    """The part of one monitor that keeps its core's replicas."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._hardware: Hardware = monitor.kernel.hardware
        self.replicas: dict[str, Replica] = {}
        self._update_ps = self._hardware.cost_ps("update", monitor.core)
        monitor.handlers[ReplicaMessage] = self._message
        monitor.handlers[Submit] = self._submit
        monitor.handlers[Read] = self._read
        monitor.handlers[CoreChanged] = self._core_changed

    # -- what comes in -----------------------------------------------------------------------------

    def _message(self, message: ReplicaMessage) -> Handling:
        replica = self.replicas.get(message.name)
        if replica is None:
            return
        yield from self._catch_up(replica)
        replica.received += 1
        account = replica.accounts.get(message.operation)
        step = partial(replica.node.handle, message.sender, message.message)
        yield from self._step(replica, message.operation, step)
        if account is not None:
            account.under_way -= 1

    def _submit(self, message: Submit) -> Handling:
        replica = self.replicas[message.name]
        yield from self._catch_up(replica)
        number = replica.node.submitted + 1
        replica.waiting[number] = message.reply
        operation = replica.core, number
        replica.accounts[operation] = Account(self._monitor.kernel.now)
        yield from self._step(replica, operation, lambda: replica.node.submit(message.operation))

    def _read(self, message: Read) -> Handling:
        replica = self.replicas[message.name]
        yield from self._catch_up(replica)
        yield Spend(self._update_ps)
        yield Send(message.reply, Done(replica.machine.read(message.query)))

    def _core_changed(self, message: CoreChanged) -> Handling:
        for replica in list(self.replicas.values()):
            yield from self._catch_up(replica)

    def _catch_up(self, replica: Replica) -> Handling:
        """What the replica is to be told of cores it is told before anything else, and in the order it happened."""
        while replica.notices:
            what = replica.notices.popleft()
            tell = replica.node.started if what.online else replica.node.stopped
            yield from self._step(replica, (what.core, 0), partial(tell, what.core))

    # -- what goes out -----------------------------------------------------------------------------

    def _step(self, replica: Replica, operation: Operation, step: Callable[[], list[Output]]) -> Handling:
        """One step of the protocol: what concerns this core's replica is done, then the messages are sent."""
        yield Spend(self._update_ps)
        answers: list[tuple[Link, Done | Refused]] = []
        sends: list[nodes.Send] = []
        for output in step():
            match output:
                case nodes.Send():
                    sends.append(output)
                case Multicast(cores, message):
                    sends += [nodes.Send(core, message) for core in cores]
                case _:
                    answers += self._done(replica, output)
        account = replica.accounts.get(operation)
        if account is not None:
            account.messages += len(sends)
            account.under_way += len(sends)
        replica.sent += len(sends)
        for send in sends:
            yield from self._monitor.send(
                send.core, ReplicaMessage(replica.name, replica.core, send.message, operation)
            )
        for reply, answer in answers:
            yield Send(reply, answer)
            assert answer.operation is not None
            replica.accounts[answer.operation].answered_ps = self._monitor.kernel.now

    def _done(self, replica: Replica, output: Output) -> Iterable[tuple[Link, Done | Refused]]:
        """Carry out what concerns this replica; the answers for clients of this core."""
        match output:
            case Deliver(command):
                result = replica.machine.apply(command.operation)
                replica.carried_out += 1
                if command.core == replica.core:
                    yield from self._answer(replica, Done(result, (command.core, command.number)))
            case Refuse(command):
                yield from self._answer(replica, Refused((command.core, command.number)))
            case Install(view, members):
                replica.view = (view, *members)
            case Reset():
                replica.machine.reset()
                replica.carried_out = 0

    def _answer(self, replica: Replica, answer: Done | Refused) -> Iterable[tuple[Link, Done | Refused]]:
        assert answer.operation is not None
        reply = replica.waiting.pop(answer.operation[1], None)
        if reply is not None:
            yield reply, answer
