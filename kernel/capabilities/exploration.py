"""The capability protocol under every order of messages there is, or under one drawn at random.

A `World` is some monitors, the messages on their way, and clients that make one request after another. What may
happen next is the delivery of the first message of any channel, or the next request of any client. `explore` visits
every world that can come about, each once, and holds every one against what must be true; it is what the
tests run, and answers whether a change of the protocol is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from kernel.capabilities.agreement import MonitorState
from kernel.capabilities.capability import Object
from kernel.capabilities.database import EXCLUSIVE, Slot
from kernel.capabilities.distributed import step
from kernel.capabilities.errors import ErrorCode
from kernel.capabilities.messages import (
    Answer,
    Message,
    ReceiveCopy,
    Reclaimed,
    Request,
    RevokeSlot,
    Send,
)

Channels = tuple[tuple[tuple[int, int], tuple[Message, ...]], ...]
Step = Callable[[MonitorState, int | None, Message | Request], tuple[MonitorState, list[Any]]]


class TooManyWorlds(Exception):
    """There are more than were to be visited; of the rest nothing is known."""


class Violation(Exception):
    """Something that must always hold does not; the message says what, `trace` how it came about."""

    def __init__(self, what: str, trace: Sequence[str] = ()) -> None:
        super().__init__("\n  ".join([what, *trace]))


@dataclass(frozen=True, slots=True)
class Client:
    """A client on `core` that makes these requests, each when the one before it is answered."""

    core: int
    requests: tuple[Request, ...]


class World(NamedTuple):
    """`monitors` are numbers of interned states; `made` is how many requests each client has made, `answers` what it
    was answered."""

    monitors: tuple[int, ...]
    channels: Channels
    made: tuple[int, ...]
    answers: tuple[tuple[ErrorCode, ...], ...]


class Event(NamedTuple):
    """A delivery from core `sender`, or a request (`sender` None) of a client."""

    sender: int | None
    core: int
    what: Message | Request
    client: int = -1

    def __str__(self) -> str:
        if self.sender is None:
            return f"client {self.client} on core {self.core}: {self.what}"
        return f"core {self.sender} to {self.core}: {self.what}"


class Exploration:
    """Monitors of cores 0, 1, ... with the clients' requests; `step` is the protocol to be explored."""

    def __init__(self, states: Sequence[MonitorState], clients: Sequence[Client], protocol: Step = step) -> None:
        self.clients = tuple(clients)
        self._step = protocol
        self._states: list[MonitorState] = []
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._steps: dict[tuple[int, int | None, Message | Request], tuple[int, tuple[Any, ...]]] = {}
        self._sound: set[tuple[int, ...]] = set()
        nothing: tuple[ErrorCode, ...] = ()
        self.start = World(
            tuple(self._intern(state) for state in states), (), (0,) * len(clients), (nothing,) * len(clients)
        )

    def _intern(self, state: MonitorState) -> int:
        number = self._numbers.setdefault(state.frozen(), len(self._states))
        if number == len(self._states):
            self._states.append(state)
        return number

    def states(self, world: World) -> list[MonitorState]:
        """The monitors' states; not to be changed."""
        return [self._states[number] for number in world.monitors]

    def events(self, world: World) -> list[Event]:
        """What may happen next."""
        events = [Event(pair[0], pair[1], queue[0]) for pair, queue in world.channels]
        for index, client in enumerate(self.clients):
            made = world.made[index]
            if made < len(client.requests) and len(world.answers[index]) == made:
                events.append(Event(None, client.core, client.requests[made], index))
        return events

    def after(self, world: World, event: Event) -> World:
        """The world in which it has happened. Raises Violation."""
        channels = dict(world.channels)
        made = list(world.made)
        if event.sender is None:
            made[event.client] += 1
        else:
            pair = event.sender, event.core
            channels[pair] = channels[pair][1:]
        key = world.monitors[event.core], event.sender, event.what
        known = self._steps.get(key)
        if known is None:
            state, outputs = self._step(self._states[key[0]], event.sender, event.what)
            known = self._steps[key] = self._intern(state), tuple(outputs)
        number, out = known
        monitors = (*world.monitors[: event.core], number, *world.monitors[event.core + 1 :])
        answers = list(world.answers)
        for output in out:
            if isinstance(output, Send):
                pair = event.core, output.core
                channels[pair] = (*channels.get(pair, ()), output.message)
            elif isinstance(output, Answer):
                self._answer(answers, made, output)
        changed = World(
            monitors, tuple(sorted((pair, queue) for pair, queue in channels.items() if queue)),
            tuple(made), tuple(answers),
        )
        for output in out:
            if isinstance(output, Reclaimed):
                self._nobody_has(changed, output.ram)
            elif isinstance(output, Answer) and output.code is ErrorCode.OK:
                self._revoked(changed, output)
        self._always(changed)
        return changed

    def _answer(self, answers: list[tuple[ErrorCode, ...]], made: list[int], answer: Answer) -> None:
        for index, client in enumerate(self.clients):
            if made[index] and client.requests[made[index] - 1].client == answer.client:
                if len(answers[index]) == made[index]:
                    raise Violation(f"client {index} is answered twice")
                answers[index] = (*answers[index], answer.code)
                return
        raise Violation(f"an answer to nobody: {answer}")

    # -- what must hold ----------------------------------------------------------------------------

    def _under_way(self, world: World) -> Iterator[Object]:
        for _, queue in world.channels:
            for message in queue:
                if isinstance(message, ReceiveCopy):
                    yield message.capability.object

    def _nobody_has(self, world: World, ram: Object) -> None:
        everything = {each for state in self.states(world) for each in state.database.locality}
        for each in everything.union(self._under_way(world)):
            if each.overlaps(ram):
                raise Violation(f"{ram} was given back while there is {each}")

    def _revoked(self, world: World, answer: Answer) -> None:
        """When a revocation is answered there is nothing left of the tree, anywhere, but the slot's capability."""
        request, core = next(
            (request, client.core) for client in self.clients for request in client.requests
            if request.client == answer.client
        )
        if not isinstance(request, RevokeSlot):
            return
        kept = self.states(world)[core].database.get(request.slot)
        if kept is None:
            return
        for number, state in enumerate(self.states(world)):
            for each in [kept.object, *state.database.descendants(kept.object)]:
                for slot in state.database.copies(each):
                    if (number, slot) != (core, request.slot):
                        raise Violation(f"core {number} has {each} in {slot} after its revocation")
        for each in self._under_way(world):
            if each == kept.object or kept.object.is_ancestor_of(each):
                raise Violation(f"{each} is under way after its revocation")

    def _always(self, world: World) -> None:
        """No memory is used for two things, and no two cores both may act as owner."""
        if world.monitors in self._sound:
            return
        states = self.states(world)
        everything = sorted({each for state in states for each in state.database.locality})
        for one, two in combinations(everything, 2):
            if one.conflicts_with(two):
                raise Violation(f"{one} and {two} are on the same memory")
        for each in everything:
            owners = [
                state.core for state in states
                if state.database.owns(each) and state.database.locks.get(each) != EXCLUSIVE
            ]
            if len(owners) > 1:
                raise Violation(f"{each} has owners {owners}")
        self._sound.add(world.monitors)

    def at_rest(self, world: World) -> None:
        """Nothing can happen any more: all is answered, nothing is held, and every object has one owner."""
        for index, client in enumerate(self.clients):
            if len(world.answers[index]) < len(client.requests):
                raise Violation(f"client {index} is never answered: {client.requests[world.made[index] - 1]}")
        states = self.states(world)
        for state in states:
            database = state.database
            left = (database.locks, database.marks, state.operations, state.queue, state.reservations, state.unready)
            if any(left):
                raise Violation(f"core {state.core} is left with {left}")
        for each in sorted({each for state in states for each in state.database.locality}):
            holders = [state for state in states if state.database.has(each)]
            owners = {state.database.locality[each].owner for state in holders}
            if len(owners) != 1 or not owners <= {state.core for state in holders}:
                raise Violation(f"{each}, which cores {[state.core for state in holders]} have, has owners {owners}")
            owner = states[owners.pop()]
            self._owner_knows(owner, each, [state for state in states if state is not owner])

    def _owner_knows(self, owner: MonitorState, target: Object, others: list[MonitorState]) -> None:
        known = owner.database.locality[target]
        for state in others:
            database = state.database
            if database.has(target) and not known.remote_copies:
                raise Violation(f"the owner of {target} does not know of the copy on core {state.core}")
            if database.descendants(target) and not known.remote_descendants:
                raise Violation(f"the owner of {target} does not know of descendants on core {state.core}")
            if database.ancestors(target) and not known.remote_ancestors:
                raise Violation(f"the owner of {target} does not know of ancestors on core {state.core}")


def explore(exploration: Exploration, limit: int) -> tuple[int, list[World]]:
    """Visit every world; returns how many, and those at rest. Raises Violation with a trace, or TooManyWorlds.

    Besides what must hold in each, from every world one at rest must be within reach: nothing goes round for ever.
    """
    worlds = [exploration.start]
    numbers = {exploration.start: 0}
    came_from: list[tuple[int, Event] | None] = [None]
    before: list[list[int]] = [[]]
    ends: list[int] = []
    todo = [0]

    def trace(number: int) -> list[str]:
        events = []
        step_back = came_from[number]
        while step_back is not None:
            events.append(str(step_back[1]))
            step_back = came_from[step_back[0]]
        return events[::-1]

    while todo:
        number = todo.pop()
        world = worlds[number]
        try:
            events = exploration.events(world)
            if not events:
                exploration.at_rest(world)
                ends.append(number)
            for event in events:
                changed = exploration.after(world, event)
                known = numbers.setdefault(changed, len(worlds))
                if known == len(worlds):
                    if known >= limit:
                        raise TooManyWorlds(f"more than {limit} worlds")
                    worlds.append(changed)
                    came_from.append((number, event))
                    before.append([])
                    todo.append(known)
                before[known].append(number)
        except Violation as violation:
            raise Violation(str(violation), trace(number)) from None
    within_reach = [False] * len(worlds)
    todo = list(ends)
    while todo:
        number = todo.pop()
        if not within_reach[number]:
            within_reach[number] = True
            todo += before[number]
    if not all(within_reach):
        lost = within_reach.index(False)
        raise Violation("from here nothing comes to rest any more", trace(lost))
    return len(worlds), [worlds[number] for number in ends]


def run(exploration: Exploration, choose: Callable[[int], int]) -> World:
    """One course of events, `choose(n)` telling which of n; returns the world at rest. Raises Violation."""
    world = exploration.start
    while events := exploration.events(world):
        world = exploration.after(world, events[choose(len(events))])
    exploration.at_rest(world)
    return world


def capabilities(state: MonitorState) -> dict[Slot, Object]:
    """What a core holds, by slot."""
    return {slot: capability.object for slot, capability in sorted(state.database.slots.items())}
