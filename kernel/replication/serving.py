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
from typing import Any

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Link
from kernel.monitor import Handling, Monitor
from kernel.program import Send, Spend
from kernel.replication import node as nodes
from kernel.replication.machines import StateMachine
from kernel.replication.node import Command, Deliver, Install, Multicast, Node, Output, Refuse, Reset
from kernel.replication.spreading import Relay

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
    """The part of one monitor that keeps its core's replicas.

    While the core is off line they do nothing, though another monitor takes its messages (`kernel.hotplug`): what
    comes is kept until it runs again.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._hardware: Hardware = monitor.kernel.hardware
        self.replicas: dict[str, Replica] = {}
        self.away = False
        """The core was taken off line; it notices that it runs again when it next has something to do."""
        self._kept: deque[Callable[[], Handling]] = deque()
        self._update_ps = self._hardware.cost_ps("update", monitor.core)
        handlers: dict[type, Callable[[Any], Handling]] = {
            ReplicaMessage: self._message, Submit: self._submit, Read: self._read, CoreChanged: self._core_changed,
        }  # fmt: skip
        for kind, handler in handlers.items():
            monitor.handlers[kind] = partial(self._while_running, handler)

    # -- what comes in -----------------------------------------------------------------------------

    def _while_running(self, handler: Callable[[Any], Handling], message: Any) -> Handling:
        if not self._monitor.driver.online:
            self._kept.append(partial(handler, message))
            if isinstance(message, ReplicaMessage):
                self._arrived(message)
            return
        yield from self._resume()
        if isinstance(message, ReplicaMessage):
            yield from handler(message)
            self._arrived(message)
        else:
            yield from handler(message)

    def _arrived(self, message: ReplicaMessage) -> None:
        """It is not on its way any more."""
        replica = self.replicas.get(message.name)
        account = None if replica is None else replica.accounts.get(message.operation)
        if account is not None:
            account.under_way -= 1

    def _resume(self) -> Handling:
        """What replicas are to be told of cores comes before anything else, then what has come in the meantime."""
        if self.away:
            self.away = False
            for replica in self.replicas.values():
                replica.notices.append(CoreChanged(self._monitor.core, online=True))
        for replica in list(self.replicas.values()):
            while replica.notices:
                what = replica.notices.popleft()
                tell = replica.node.started if what.online else replica.node.stopped
                yield from self._step(replica, (what.core, 0), partial(tell, what.core))
        while self._kept:
            yield from self._kept.popleft()()

    def _message(self, message: ReplicaMessage) -> Handling:
        replica = self.replicas[message.name]
        replica.received += 1
        step = partial(replica.node.handle, message.sender, message.message)
        yield from self._step(replica, message.operation, step)

    def _submit(self, message: Submit) -> Handling:
        replica = self.replicas[message.name]
        number = replica.node.submitted + 1
        replica.waiting[number] = message.reply
        operation = replica.core, number
        replica.accounts[operation] = Account(self._monitor.kernel.now)
        yield from self._step(replica, operation, partial(replica.node.submit, message.operation))

    def _read(self, message: Read) -> Handling:
        yield Spend(self._update_ps)
        yield Send(message.reply, Done(self.replicas[message.name].machine.read(message.query)))

    def _core_changed(self, message: CoreChanged) -> Handling:
        """The replicas have been told by now."""
        yield from ()

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
                case Multicast(cores, what):
                    sends += [nodes.Send(core, what) for core in cores]
                case _:
                    answers += self._done(replica, output)
        messages = [
            (send.core, ReplicaMessage(replica.name, replica.core, send.message, _sent_for(send.message, operation)))
            for send in sends
        ]
        for _, message in messages:
            account = replica.accounts.get(message.operation)
            if account is not None:
                account.messages += 1
                account.under_way += 1
        replica.sent += len(messages)
        for core, message in messages:
            yield from self._monitor.send(core, message)
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


def _sent_for(message: object, cause: Operation) -> Operation:
    """The operation that a message is for: that of the command it carries, else of what it was sent upon."""
    if isinstance(message, Relay):
        message = message.message
    for carried in ("command", "work"):
        command = getattr(message, carried, None)
        if isinstance(command, Command):
            return command.core, command.number
    return cause
