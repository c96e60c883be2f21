"""The SKB as a service: programs ask it by messages, as Barrelfish's clients do.

The SKB's domain runs on one core; where, every program knows, as it knows its monitor. It answers questions, keeps
the records under which services are found (skb/records.py), and works out placements. Each costs what its
inferences cost, on that core, before the answer is sent; so answers come when the SKB gets to run.

A program asks through a `Client`, whose methods are parts of programs (`yield from client.ask("core(C)")`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Link
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.lmp import LmpLink
from kernel.messaging.ump import channel
from kernel.monitor import Monitor
from kernel.program import Receive, Send, Spend
from kernel.threads import Code, Operation
from kernel.timeline import Timeline
from skb.engine import SkbError
from skb.knowledge import KnowledgeBase
from skb.records import Blocked, Notice, Record, Records

SKB = -1
"""The domain number of the SKB, under which it waits for records; a user's domains count from 1."""

SERVICE = "service."
"""What the records of services are named by; the service's own name follows."""

_ANSWERS = 1000
"""Answers that a reply carries at most."""

@dataclass(frozen=True, slots=True)
class Decided:
    """A placement was decided; working it out takes `inferences`, then the monitor is told to carry it out."""

    message: object
    inferences: int


@dataclass(frozen=True, slots=True)
class Managing:
    """A request to the placement controller (`kernel.resources`)."""

    reply: Link


@dataclass(frozen=True, slots=True)
class Managed:
    """What came of it: the answer, what the monitor is to do before that is sent, and what it took."""

    answer: object
    then: object | None
    inferences: int


@dataclass(frozen=True, slots=True)
class Query:
    """A question, boxed as a user's; the answer is `Answers`."""

    goal: str
    reply: Link


@dataclass(frozen=True, slots=True)
class Answers:
    """Variable to value, an answer each; `error` says why there are none where the question was refused."""

    answers: tuple[Mapping[str, Any], ...]
    more: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """`domain` has a service of that name; the answer is `Found`, or `Refused` where the name is taken."""

    name: str
    iref: int
    domain: int
    core: int
    reply: Link


@dataclass(frozen=True, slots=True)
class Lookup:
    """Which service has that name? The answer is `Found`; `Refused` if there is none, unless one `waits` for it."""

    name: str
    waits: bool
    domain: int
    reply: Link


@dataclass(frozen=True, slots=True)
class Found:
    """A service's reference."""

    iref: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request was not carried out."""

    error: KernelError


@dataclass(frozen=True, slots=True)
class _Registered:
    """A record that lookups waited for is there now."""

    notice: Notice


class NameReplicas(Protocol):
    """Replicas of the name service (`kernel.replication.names`), if there are any."""

    @property
    def cores(self) -> Container[int]: ...

    def client(self, core: int) -> NamesClient: ...

    def exported(self, name: str, iref: int, domain: int, core: int) -> None: ...

    def owner_died(self, domain: int) -> None: ...


class NamesClient(Protocol):
    """A thread's connection to a replica."""

    def look_up(self, name: str) -> Generator[Operation, Any, int]: ...


class KnowledgeService:
    """The SKB's domain, on the core of `monitor`."""

    def __init__(
        self, kb: KnowledgeBase, records: Records, hardware: Hardware, timeline: Timeline, monitor: Monitor
    ) -> None:
        self._kb = kb
        self._hardware = hardware
        self._timeline = timeline
        self._monitor = monitor
        self.core = monitor.core
        self.endpoint = Endpoint(hardware.cost_ps("poll", self.core))
        self.records = records
        self.records.listen(SKB, self._notice)
        self._waiting: dict[int, Lookup] = {}  # by ticket
        self.manage: Callable[[Managing], Managed]
        """Decides on a request to the placement controller."""
        self.replicas: NameReplicas | None = None
        """Where names are looked up on the core where they are asked for; the records stay the master."""

    def main(self) -> Code:
        """The program of the SKB's domain."""
        inference_ps = self._hardware.cost_ps("inference", self.core)
        to_monitor = LmpLink(self._hardware, self.core, self._monitor.endpoint)
        while True:
            yield from self._handle((yield Receive(self.endpoint)), inference_ps, to_monitor)

    def _handle(self, message: object, inference_ps: int, to_monitor: Link) -> Generator[Operation, Any, None]:
        if isinstance(message, Decided):
            yield Spend(message.inferences * inference_ps)
            yield Send(to_monitor, message.message)
            return
        if isinstance(message, Managing):
            managed = self.manage(message)
            yield Spend(managed.inferences * inference_ps)
            if managed.then is not None:
                yield Send(to_monitor, managed.then)
            yield Send(message.reply, managed.answer)
            return
        before = self._kb.engine.inferences
        reply, answer = self._answer(message)
        yield Spend((self._kb.engine.inferences - before) * inference_ps)
        if reply is not None:
            yield Send(reply, answer)

    def _answer(self, message: object) -> tuple[Link | None, object]:
        """What is to be answered, and to whom; to nobody where the answer has to wait."""
        match message:
            case Query(goal, reply):
                return reply, self._ask(goal)
            case Register():
                return message.reply, self._register(message)
            case Lookup():
                return self._look_up(message)
            case _Registered(notice):
                waiting = self._waiting.pop(notice.watch)
                return waiting.reply, self._found(notice.record, waiting.name)
        raise KernelError(f"the SKB was sent a {type(message).__name__}, which it does not know")

    def _ask(self, goal: str) -> Answers:
        try:
            reply = self._kb.ask(goal, limit=_ANSWERS)
        except SkbError as error:
            return Answers((), error=str(error))
        return Answers(tuple(reply.answers), reply.more)

    def _register(self, message: Register) -> Found | Refused:
        record = f"{_record_name(message.name)} {{ iref: {message.iref}, core: {message.core} }}"
        try:
            self.records.set(record, owner=message.domain, only="new")
        except SkbError as error:
            return Refused(KernelError(f"{message.name} cannot be exported: {error}"))
        if self.replicas is not None:
            self.replicas.exported(message.name, message.iref, message.domain, message.core)
        return Found(message.iref)

    @property
    def names(self) -> dict[int, str]:
        """The names of services by their reference."""
        found = {}
        for name in self.records.names(f"r'{SERVICE}.*' {{}}"):
            iref = self.records.get(name).attributes.get("iref")
            if isinstance(iref, int):
                found[iref] = name.removeprefix(SERVICE)
        return found

    def owner_died(self, domain: int) -> None:
        """A domain is no more: it waits for no name, and none stands for its services."""
        if self.replicas is not None:
            self.replicas.owner_died(domain)
        for ticket in [ticket for ticket, lookup in self._waiting.items() if lookup.domain == domain]:
            del self._waiting[ticket]
            self.records.remove(ticket, owner=SKB)

    def _look_up(self, lookup: Lookup) -> tuple[Link | None, object]:
        query = f"{_record_name(lookup.name)} {{ iref: _ }}"
        try:
            found = self.records.wait_for(query, owner=SKB) if lookup.waits else self.records.get(query)
        except SkbError:
            return lookup.reply, _unknown(lookup.name)
        if isinstance(found, Blocked):
            self._waiting[found.watch] = lookup
            return None, None
        return lookup.reply, self._found(found, lookup.name)

    def _found(self, record: Record | None, name: str) -> Found | Refused:
        iref = None if record is None else record.attributes.get("iref")
        return Found(iref) if isinstance(iref, int) else _unknown(name)

    def _notice(self, notice: Notice) -> None:
        """A record that was waited for was set: the SKB sends itself a message, to answer from its own thread."""
        if notice.watch in self._waiting:
            self.endpoint.deliver(_Registered(notice), 0, self._timeline.now)

    def links(self, core: int, endpoint: Endpoint) -> tuple[Link, Link]:
        """A channel from an endpoint on `core`, which needs no binding: everybody knows where the SKB is."""
        if core == self.core:
            return LmpLink(self._hardware, core, self.endpoint), LmpLink(self._hardware, core, endpoint)
        # Queueing: the SKB never waits for a client that does not take its answers.
        return channel(self._timeline, self._hardware, (core, endpoint), (self.core, self.endpoint), queueing=True)


class Client:
    """A thread's connection to the SKB and its name service; each method is a part of a program."""

    def __init__(self, service: KnowledgeService, domain: int, core: int) -> None:
        self._service = service
        self._domain = domain
        self._core = core
        self._endpoint = Endpoint(service.endpoint.poll_ps)
        self._to, self._back = service.links(core, self._endpoint)

    def ask(self, goal: str) -> Generator[Operation, Any, Answers]:
        """The answers to a question; KernelError where it is refused."""
        answers: Answers = yield from self._call(Query(goal, self._back))
        if answers.error:
            raise KernelError(answers.error)
        return answers

    def register(self, name: str, iref: int) -> Generator[Operation, Any, None]:
        """Have a service found under a name; KernelError where it is taken."""
        _accepted((yield from self._call(Register(_checked(name), iref, self._domain, self._core, self._back))))

    def look_up(self, name: str, waits: bool = True) -> Generator[Operation, Any, int]:
        """The reference of the service of that name: when there is one, or MessageError if that is not waited for."""
        replicas = self._service.replicas
        if replicas is not None and self._core in replicas.cores:
            try:
                return (yield from replicas.client(self._core).look_up(_checked(name)))
            except MessageError:
                pass  # a replica may be behind: the master knows
        found = _accepted((yield from self._call(Lookup(_checked(name), waits, self._domain, self._back))))
        return found.iref

    def call(self, request: Callable[[Link], object]) -> Generator[Operation, Any, Any]:
        """The answer to what `request` makes of the link on which it is to come."""
        return (yield from self._call(request(self._back)))

    def _call(self, request: object) -> Generator[Operation, Any, Any]:
        yield Send(self._to, request)
        return (yield Receive(self._endpoint))


def _checked(name: str) -> str:
    """The name, if it can be part of a record's: an identifier of the record language."""
    if not name or not all(char.isalnum() or char in "._" for char in name):
        raise MessageError(
            MessageErrorCode.INVALID_NAME, f"'{name}' is no name for a service; letters, digits, . and _"
        )
    return name


def _record_name(name: str) -> str:
    """The record under which a service is found."""
    return f"{SERVICE}{_checked(name)}"


def _unknown(name: str) -> Refused:
    return Refused(MessageError(MessageErrorCode.UNKNOWN_NAME, f"no service {name}"))


def _accepted(answer: object) -> Found:
    if isinstance(answer, Refused):
        raise answer.error
    assert isinstance(answer, Found)
    return answer
