"""What the protocols have in common: a node for each core that has a replica, commands in, sends and deliveries out.

A node is a state machine without clock or waiting: `submit` a client's operation, `handle` a message, and it answers
with what is to be sent and which commands are to be carried out, in order. What is assumed of the machine is little.
Messages are not lost or altered, however long they take (UMP channels, dissertation §2.6.3). A core may stop at any
point, between any two of its sends. Of that the others are told, each after any time, but reliably: nobody is
said to have stopped who runs, as it is the monitors that take cores off line (§2.4.3). A core that stops
keeps its memory, and goes on from there if it is started again.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Command:
    """What a client on `core` wants done; its number is the core's own count."""

    core: int
    number: int
    operation: Hashable

    def __str__(self) -> str:
        return f"{self.core}.{self.number} {self.operation}"


@dataclass(frozen=True, slots=True)
class Send:
    """A message to the node of `core`."""

    core: int
    message: Hashable


@dataclass(frozen=True, slots=True)
class Multicast:
    """The same message to the nodes of several cores; `answered` if each is to send one back when it has it."""

    cores: tuple[int, ...]
    message: Hashable
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Deliver:
    """Carry the command out on this core's replica; if it is of this core, its client is to be told."""

    command: Command


@dataclass(frozen=True, slots=True)
class Refuse:
    """The command of a client of this core will be carried out nowhere; it may be tried again."""

    command: Command


@dataclass(frozen=True, slots=True)
class Install:
    """From here on this core is in that view of the group, with these members."""

    view: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """Forget all that was carried out on this core's replica: what counts follows from the beginning."""


Output = Send | Multicast | Deliver | Refuse | Install | Reset


class Node:
    """One core's part in a protocol among `cores`.

    The state is what is in its attributes: immutable values, or dictionaries, sets and lists of such.
    """

    repairs = False
    """Whether, when a core stops, the protocol makes up for all messages that are lost with it."""

    def __init__(self, core: int, cores: Iterable[int]) -> None:
        self.core = core
        self.cores = tuple(sorted(cores))
        self.running = frozenset(self.cores)
        """The cores that run, as far as is known here."""
        self.submitted = 0
        self._outputs: list[Output] = []

    # -- what is called ----------------------------------------------------------------------------

    def submit(self, operation: Hashable) -> list[Output]:
        """A client of this core wants this done: its Command has the next number (`submitted` afterwards)."""
        self.submitted += 1
        self._begin(Command(self.core, self.submitted, operation))
        return self._taken()

    def handle(self, sender: int, message: Any) -> list[Output]:
        """A message of the node of core `sender`."""
        self._receive(sender, message)
        return self._taken()

    def stopped(self, core: int) -> list[Output]:
        """Another core has stopped."""
        if core in self.running:
            self.running -= {core}
            self._lost(core)
        return self._taken()

    def started(self, core: int) -> list[Output]:
        """A core that had stopped runs again: another, or this one, which has been told who else runs."""
        self.running |= {core}
        if core == self.core:
            self._returned()
        else:
            self._joined(core)
        return self._taken()

    # -- what a protocol says ----------------------------------------------------------------------

    def _begin(self, command: Command) -> None:
        raise NotImplementedError

    def _receive(self, sender: int, message: Any) -> None:
        raise NotImplementedError

    def _lost(self, core: int) -> None:
        raise NotImplementedError

    def _joined(self, core: int) -> None:
        raise NotImplementedError

    def _returned(self) -> None:
        raise NotImplementedError

    # -- words of the protocols --------------------------------------------------------------------

    @property
    def others(self) -> tuple[int, ...]:
        """The other cores that run, as far as is known here."""
        return tuple(core for core in self.cores if core in self.running and core != self.core)

    def _send(self, core: int, message: Hashable) -> None:
        self._outputs.append(Send(core, message))

    def _multicast(self, cores: Iterable[int], message: Hashable, answered: bool = False) -> None:
        receivers = tuple(cores)
        if receivers:
            self._outputs.append(Multicast(receivers, message, answered))

    def _deliver(self, command: Command) -> None:
        self._outputs.append(Deliver(command))

    def _taken(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs

    # -- the state as a value ----------------------------------------------------------------------

    def clone(self) -> Self:
        """The same state, to be changed by itself."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set | list):
                setattr(other, name, value.copy())
        return other

    def frozen(self) -> tuple[Hashable, ...]:
        """The state as a value: two nodes of one protocol that are equal behave the same."""
        return tuple(_frozen(value) for value in vars(self).values())


def _frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return frozenset(value.items())
    if isinstance(value, set):
        return frozenset(value)
    return tuple(value) if isinstance(value, list) else value
