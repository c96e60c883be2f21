"""The replication protocols under every order of messages, with cores that stop and start, or under orders at random.

A `World` is some nodes, the messages on their way, and clients that submit one operation after another. What may
happen next is a delivery, the next operation of a client, or the stop of a core: between two steps, or in the middle
of one, when only some of its messages are sent. What must hold, in every world and in those at rest, is said by
functions. Visiting all worlds is what `kernel.capabilities.exploration` does for any protocol whose worlds are so
described.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, cast

from kernel.capabilities import exploration
from kernel.capabilities.exploration import TooManyWorlds as TooManyWorlds
from kernel.capabilities.exploration import Violation as Violation
from kernel.replication.node import Command, Deliver, Install, Multicast, Node, Output, Refuse, Reset, Send

MACHINE = -1
"""The sender of what a node is told of cores that stop and start."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """That core has stopped."""

    core: int


@dataclass(frozen=True, slots=True)
class Started:
    """That core runs again."""

    core: int


class World(NamedTuple):
    """`nodes` are numbers of interned states. `history` is what each core's replica was told to do, `answers` how
    each client's operations went (True: carried out). `stops` and `starts` are how many there may be yet."""

    nodes: tuple[int, ...]
    channels: tuple[tuple[tuple[int, int], tuple[Hashable, ...]], ...]
    made: tuple[int, ...]
    history: tuple[tuple[Output, ...], ...]
    answers: tuple[tuple[bool, ...], ...]
    running: frozenset[int]
    stops: int
    starts: int


class Event(NamedTuple):
    """What happens on `core`: a message of `sender`, an operation of client number `client`, a stop, or a start.

    `sent`: it stops in the middle, when it has sent so many messages.
    """

    kind: str
    core: int
    what: Any = None
    sender: int = MACHINE
    client: int = -1
    sent: int | None = None
    position: int = 0

    def __str__(self) -> str:
        cut = "" if self.sent is None else f"; stops after {self.sent} of its messages"
        if self.kind == "message":
            return f"core {self.sender} to {self.core}: {self.what}{cut}"
        return f"core {self.core}: {self.kind} {'' if self.what is None else self.what}{cut}"


@dataclass(frozen=True, slots=True)
class Client:
    """A client on `core` that submits these, each when it has been told of the one before it."""

    core: int
    operations: tuple[Hashable, ...]


Check = Callable[["Exploration", World], None]


def nothing(explored: Exploration, world: World) -> None:
    """No rule."""


class Exploration:
    """Nodes of cores 0, 1, ...; `always` and `at_rest` raise Violation where something must not be.

    `stops` and `starts` say how many there may be. Without `fifo` messages overtake one another on a channel.
    """

    def __init__(
        self, nodes: Sequence[Node], clients: Sequence[Client], always: Sequence[Check] = (),
        rest: Sequence[Check] = (), stops: int = 0, starts: int = 0, fifo: bool = True,
    ) -> None:
        self.clients = tuple(clients)
        self._always, self._rest, self._fifo = tuple(always), tuple(rest), fifo
        self._states: list[Node] = []
        self._numbers: dict[tuple[Hashable, ...], int] = {}
        self._steps: dict[Hashable, tuple[int, tuple[Output, ...]]] = {}
        empty: tuple[tuple[Any, ...], ...] = ((),)
        self.start = World(
            tuple(self._intern(node) for node in nodes), (), (0,) * len(clients), empty * len(nodes),
            empty * len(clients), frozenset(range(len(nodes))), stops, starts,
        )

    def _intern(self, node: Node) -> int:
        number = self._numbers.setdefault(node.frozen(), len(self._states))
        if number == len(self._states):
            self._states.append(node)
        return number

    def nodes(self, world: World) -> list[Node]:
        """The nodes' states; not to be changed."""
        return [self._states[number] for number in world.nodes]

    # -- what may happen ---------------------------------------------------------------------------

    def events(self, world: World) -> list[Event]:
        """What may happen next; nothing more if it is at rest."""
        steps = self._deliveries(world)
        for index, client in enumerate(self.clients):
            made = world.made[index]
            waits = len(world.answers[index]) < made
            if client.core in world.running and made < len(client.operations) and not waits:
                steps.append(Event("submits", client.core, client.operations[made], client=index))
        events = list(steps)
        for core in sorted(world.running if world.stops else ()):
            events.append(Event("stops", core))
        if world.stops:
            events += [event._replace(sent=sent) for event in steps for sent in range(1, self._sends(world, event))]
        if world.starts:
            events += [Event("starts", core) for core in range(len(world.nodes)) if core not in world.running]
        if not steps and (world.stops or world.starts):
            events.append(Event("goes on as it is", 0))
        return events

    def _deliveries(self, world: World) -> list[Event]:
        events = []
        for (sender, core), queue in world.channels:
            if core in world.running:
                count = 1 if self._fifo or sender == MACHINE else len(queue)
                events += [Event("message", core, queue[at], sender, position=at) for at in range(count)]
        return events

    def _sends(self, world: World, event: Event) -> int:
        """How many messages the step that is this event sends."""
        _, outputs = self._step(world, event)
        return sum(len(each.cores) if isinstance(each, Multicast) else isinstance(each, Send) for each in outputs)

    def _step(self, world: World, event: Event) -> tuple[int, tuple[Output, ...]]:
        number = world.nodes[event.core]
        key = number, event.kind, event.sender, event.what
        known = self._steps.get(key)
        if known is None:
            node = self._states[number].clone()
            if event.kind == "submits":
                outputs = node.submit(event.what)
            elif isinstance(event.what, Stopped):
                outputs = node.stopped(event.what.core)
            elif isinstance(event.what, Started):
                outputs = node.started(event.what.core)
            else:
                outputs = node.handle(event.sender, event.what)
            known = self._steps[key] = self._intern(node), tuple(outputs)
        return known

    def after(self, world: World, event: Event) -> World:
        """The world in which it has happened. Raises Violation."""
        if event.kind == "goes on as it is":
            return world._replace(stops=0, starts=0)
        if event.kind == "stops":
            return self._checked(self._stop(world, event.core))
        if event.kind == "starts":
            return self._checked(self._start(world, event.core))
        changed = self._carried_out(world, event)
        return self._checked(changed if event.sent is None else self._stop(changed, event.core))

    def _carried_out(self, world: World, event: Event) -> World:
        core = event.core
        channels, made = dict(world.channels), list(world.made)
        if event.kind == "submits":
            made[event.client] += 1
        else:
            pair = event.sender, core
            queue = channels[pair]
            channels[pair] = queue[: event.position] + queue[event.position + 1 :]
        number, outputs = self._step(world, event)
        history, answers = world.history[core], list(world.answers)
        left = 1 << 30 if event.sent is None else event.sent
        for output in outputs:
            if isinstance(output, Send | Multicast):
                for to in output.cores if isinstance(output, Multicast) else (output.core,):
                    if left > 0:
                        channels[core, to] = (*channels.get((core, to), ()), output.message)
                    left -= 1
            else:  # what concerns this core alone is done before anything is sent
                if not isinstance(output, Refuse):
                    history = (*history, output)
                if isinstance(output, Deliver | Refuse) and output.command.core == core:
                    self._answer(answers, made, output)
        return world._replace(
            nodes=(*world.nodes[:core], number, *world.nodes[core + 1 :]),
            channels=tuple(sorted((pair, queue) for pair, queue in channels.items() if queue)),
            made=tuple(made), history=(*world.history[:core], history, *world.history[core + 1 :]),
            answers=tuple(answers),
        )

    def _answer(self, answers: list[tuple[bool, ...]], made: Sequence[int], output: Deliver | Refuse) -> None:
        """The client whose command this is goes on; a replica that is told all again does not tell it twice."""
        numbers: dict[int, int] = {}
        command = output.command
        for index, client in enumerate(self.clients):
            if client.core == command.core:
                before = numbers.get(client.core, 0)
                at = command.number - before - 1
                numbers[client.core] = before + len(client.operations)
                if 0 <= at < len(client.operations) and at == len(answers[index]) < made[index]:
                    answers[index] = (*answers[index], isinstance(output, Deliver))

    def _stop(self, world: World, core: int) -> World:
        channels = dict(world.channels)
        for other in range(len(world.nodes)):  # one that has stopped is told when it starts
            if other != core:
                channels[MACHINE, other] = (*channels.get((MACHINE, other), ()), Stopped(core))
        return world._replace(
            running=world.running - {core}, stops=world.stops - 1, channels=tuple(sorted(channels.items()))
        )

    def _start(self, world: World, core: int) -> World:
        """First of all it is told of the others, then of itself; the others learn of it in their time."""
        channels = dict(world.channels)
        changed = world._replace(starts=world.starts - 1, running=world.running | {core})
        for what in (*channels.get((MACHINE, core), ()), Started(core)):
            told = tuple(sorted({**dict(changed.channels), (MACHINE, core): (what,)}.items()))
            changed = self._carried_out(changed._replace(channels=told), Event("message", core, what))
        channels = dict(changed.channels)
        for other in range(len(world.nodes)):
            if other != core:
                channels[MACHINE, other] = (*channels.get((MACHINE, other), ()), Started(core))
        return changed._replace(channels=tuple(sorted(channels.items())))

    # -- what must hold ----------------------------------------------------------------------------

    def _checked(self, world: World) -> World:
        for check in self._always:
            check(self, world)
        return world

    def at_rest(self, world: World) -> None:
        """Nothing can happen any more."""
        for check in self._rest:
            check(self, world)

    def submitted(self, world: World) -> set[Hashable]:
        """The operations that clients have submitted."""
        return {
            operation for client, made in zip(self.clients, world.made, strict=True)
            for operation in client.operations[:made]
        }


def explore(explored: Exploration, limit: int) -> tuple[int, list[World]]:
    """Visit every world: how many there are, and those at rest. Raises Violation with a trace, or TooManyWorlds.

    From every world one at rest must be within reach.
    """
    # The visitor asks for no more than `start`, `events`, `after` and `at_rest`.
    count, ends = exploration.explore(cast("exploration.Exploration", explored), limit)
    return count, cast("list[World]", ends)


def run(explored: Exploration, choose: Callable[[int], int]) -> World:
    """One course of events, `choose(n)` telling which of n; returns the world at rest. Raises Violation."""
    return cast(World, exploration.run(cast("exploration.Exploration", explored), choose))


# -- rules --------------------------------------------------------------------------------------------


def delivered(history: Sequence[Output]) -> list[Command]:
    """The commands that a replica with this history has carried out."""
    commands: list[Command] = []
    for output in history:
        if isinstance(output, Reset):
            commands = []
        elif isinstance(output, Deliver):
            commands.append(output.command)
    return commands


def views(history: Sequence[Output]) -> dict[tuple[int, ...], list[Command]]:
    """By view, named by its number and members: the commands carried out in it."""
    found: dict[tuple[int, ...], list[Command]] = {}
    view: tuple[int, ...] = ()
    for output in history:
        if isinstance(output, Reset):
            found, view = {}, ()
        elif isinstance(output, Install):
            view = (output.view, *output.members)
            found[view] = []
        elif isinstance(output, Deliver):
            found.setdefault(view, []).append(output.command)
    return found


def validity(explored: Exploration, world: World) -> None:
    """Nothing is carried out that nobody submitted, and nothing twice on one replica."""
    for core, history in enumerate(world.history):
        commands = delivered(history)
        if len(set(commands)) < len(commands):
            raise Violation(f"core {core} has carried out something twice: {', '.join(map(str, commands))}")
        for command in commands:
            if command.operation not in explored.submitted(world):
                raise Violation(f"core {core} has carried out {command}, which nobody submitted")


def one_order(explored: Exploration, world: World) -> None:
    """Of any two replicas one has carried out what the other has, in the same order, and perhaps more (agreement)."""
    _prefixes(world, range(len(world.history)))


def one_order_of_survivors(explored: Exploration, world: World) -> None:
    """As `one_order`, but of the cores that run."""
    _prefixes(world, sorted(world.running))


def _prefixes(world: World, cores: Sequence[int]) -> None:
    done = [(core, delivered(world.history[core])) for core in cores]
    for core, commands in done:
        for other, others in done:
            if commands != others[: len(commands)] and others != commands[: len(others)]:
                raise Violation(
                    f"core {core} has carried out {', '.join(map(str, commands))}, "
                    f"but core {other} {', '.join(map(str, others))}"
                )


def all_done(explored: Exploration, world: World) -> None:
    """All replicas that run have carried out the same, and every client on a core that runs has been answered."""
    answered(explored, world)
    done = {core: delivered(world.history[core]) for core in sorted(world.running)}
    for core, commands in done.items():
        if commands != done[min(done)]:
            raise Violation(f"at rest core {core} has carried out {commands}, core {min(done)} {done[min(done)]}")


def answered(explored: Exploration, world: World) -> None:
    """Every client on a core that runs has been answered."""
    for index, client in enumerate(explored.clients):
        if client.core in world.running and len(world.answers[index]) < len(client.operations):
            raise Violation(f"client {index} on core {client.core} is never answered")


def atomicity(explored: Exploration, world: World) -> None:
    """What a client was told is not carried out is carried out nowhere."""
    done = {command.operation for history in world.history for command in delivered(history)}
    for client, answers in zip(explored.clients, world.answers, strict=True):
        for operation, answer in zip(client.operations, answers, strict=False):
            if not answer and operation in done:
                raise Violation(f"{operation} was refused and carried out")


def same_views(explored: Exploration, world: World) -> None:
    """Virtual synchrony: of cores that went from one view to the same next one, all have carried out the same."""
    passed: dict[Hashable, tuple[int, list[Command]]] = {}
    for core, history in enumerate(world.history):
        found = list(views(history).items())
        for (view, commands), (following, _) in pairwise(found):
            other, theirs = passed.setdefault((view, following), (core, commands))
            if commands != theirs:
                raise Violation(f"in view {view[0]} core {core} has carried out {commands}, core {other} {theirs}")
