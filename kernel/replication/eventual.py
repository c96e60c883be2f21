"""Eventual consistency: every replica writes at once, and tells the others; they come to agree (§2.4.3, Vogels 2009).

What is replicated is a map; an operation concerns one key (`key_of`), and of two for a key the one with the higher
stamp lasts: Lamport's clock (1978), then the core's number. A version vector says of each core how many of its writes
are known here. While all run each write is one message for every other replica, and nobody waits for any. What a core
that stops has told to some only is found by anti-entropy: neighbours in the ring of cores that run compare their
vectors, as long as there is news. A core that starts compares its own with everybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from kernel.replication.node import Command, Node

Stamp = tuple[int, int]
"""Lamport's clock at the write, and the core that wrote."""

Vector = tuple[tuple[int, int], ...]
"""Of each core, how many of its writes are known: pairs by core."""


@dataclass(frozen=True, slots=True)
class Update:
    """A write, with its stamp."""

    stamp: Stamp
    command: Command


@dataclass(frozen=True, slots=True)
class Digest:
    """What is known at the sender; `asks` for what the receiver knows beyond it, by Delta."""

    known: Vector
    asks: bool


@dataclass(frozen=True, slots=True)
class Delta:
    """What of the sender's map the receiver lacks, and what the sender knows of altogether."""

    known: Vector
    updates: tuple[Update, ...]


class Eventual(Node):
    """A replica of a map that is written without agreement."""

    repairs = True

    def __init__(
        self, core: int, cores: Iterable[int], key_of: Callable[[Hashable], Hashable] = lambda operation: operation
    ) -> None:
        super().__init__(core, cores)
        self.key_of = key_of
        self.clock = 0
        self.known: dict[int, int] = {}
        self.last: dict[Hashable, Update] = {}
        """The write that lasts, by key."""
        self.early: dict[tuple[int, int], Update] = {}  # before which there are others, not here yet

    @property
    def vector(self) -> Vector:
        """What is known here."""
        return tuple(sorted(self.known.items()))

    def _begin(self, command: Command) -> None:
        update = Update((self.clock + 1, self.core), command)
        self._take([update])
        self._multicast(self.others, update)

    def _receive(self, sender: int, message: Any) -> None:
        match message:
            case Update():
                self._take_in_order(message)
            case Digest(known, asks):
                self._compare(sender, dict(known), asks)
            case Delta(known, updates):
                self._merge(dict(known), updates)

    # -- writes ------------------------------------------------------------------------------------

    def _take_in_order(self, update: Update) -> None:
        command = update.command
        if command.number <= self.known.get(command.core, 0):
            return
        self.early[command.core, command.number] = update
        if self._take_early() and command.core not in self.running:  # it cannot tell the others any more
            self._exchange(self.successor)

    def _take_early(self) -> bool:
        """Take what has come before its turn; whether it was any."""
        for core, number in [each for each in self.early if each[1] <= self.known.get(each[0], 0)]:
            del self.early[core, number]
        due = [each for each in sorted(self.early) if each[1] == self.known.get(each[0], 0) + 1]
        for each in due:
            self._take([self.early.pop(each)])
        return bool(due) and (self._take_early() or True)

    def _take(self, updates: Iterable[Update]) -> None:
        for update in updates:
            command = update.command
            self.known[command.core] = max(self.known.get(command.core, 0), command.number)
            self.clock = max(self.clock, update.stamp[0])
            key = self.key_of(command.operation)
            if key not in self.last or self.last[key].stamp < update.stamp:
                self.last[key] = update
                self._deliver(command)

    # -- anti-entropy ------------------------------------------------------------------------------

    @property
    def successor(self) -> int | None:
        """The next core in the ring of those that run."""
        others = self.others
        return next((core for core in others if core > self.core), others[0] if others else None)

    def _exchange(self, core: int | None) -> None:
        if core is not None:
            self._send(core, Digest(self.vector, asks=True))

    def _compare(self, sender: int, known: dict[int, int], asks: bool) -> None:
        """Send what the other lacks, and ask for what is lacking here."""
        if any(count > known.get(core, 0) for core, count in self.known.items()):
            lacking = [u for u in self.last.values() if u.command.number > known.get(u.command.core, 0)]
            self._send(sender, Delta(self.vector, tuple(sorted(lacking, key=lambda update: update.stamp))))
        if asks and any(count > self.known.get(core, 0) for core, count in known.items()):
            self._send(sender, Digest(self.vector, asks=False))

    def _merge(self, known: dict[int, int], updates: Iterable[Update]) -> None:
        """Take what was lacking here; if that is news, the successor may lack it as well."""
        before = dict(self.known)
        self._take(update for update in updates if update.command.number > before.get(update.command.core, 0))
        for core, count in known.items():  # all of these that last are here now
            self.known[core] = max(self.known.get(core, 0), count)
        self._take_early()
        if self.known != before:
            self._exchange(self.successor)

    # -- cores come and go -------------------------------------------------------------------------

    def _lost(self, core: int) -> None:
        self._exchange(self.successor)

    def _joined(self, core: int) -> None:
        self._exchange(core)

    def _returned(self) -> None:
        pass  # all others compare theirs with what is here, when they are told
