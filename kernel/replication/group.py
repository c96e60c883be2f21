"""Group communication by virtual synchrony with total order (dissertation §2.4.3; Birman and Joseph, 1987).

The members of a view all carry out the same commands in the same order, that of the view's sequencer, its first
member; it gives each command its place, and tells all. When a core stops, the lowest member flushes the group: each
member freezes and says what it has, the longest of these is what happened in the view, and the next view begins with
everybody having it. Nobody is waited for in the calm: a command is one message for every other member, and one to
reach the sequencer. No majority is needed, as nobody is taken for stopped who runs.

What only the core that stopped has carried out has not happened for the others. A core that comes back is therefore
told all from the beginning; what its own clients had done and nobody else knows of is then done anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kernel.replication.node import Command, Install, Node, Reset

Attempt = tuple[int, int]
"""The number of the view that is to begin, and the core that has the group flushed for it."""


@dataclass(frozen=True, slots=True)
class View:
    """A view, by its number, and its members; the first is its sequencer.

    `lives` says of each member how often it had stopped before: one that comes back is not the member it was.
    """

    number: int
    members: tuple[int, ...]
    lives: tuple[int, ...]


Entry = Command | View
"""What has happened in a group, one after another."""


@dataclass(frozen=True, slots=True)
class Request:
    """To the sequencer of that view: give this its place."""

    view: int
    command: Command


@dataclass(frozen=True, slots=True)
class Ordered:
    """From the sequencer: this command has that place in all that has happened."""

    view: int
    place: int
    command: Command


@dataclass(frozen=True, slots=True)
class Flush:
    """Take in no more in your view; what has happened, as you know it, from `place` on?

    `life`: how often the sender had stopped before; `view`: the last it knows.
    """

    attempt: Attempt
    life: int
    view: int
    members: tuple[int, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """To who has the group flushed: the last view here, how much has happened, and what from the place asked for on.

    `fresh`: the sender has just come back, and what it knows counts for nothing.
    """

    attempt: Attempt
    view: View
    length: int
    entries: tuple[Entry, ...]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Superseded:
    """To who would have the group flushed: there is a later attempt."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Excluded:
    """To who would have the group flushed: it is no member any more."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class NewView:
    """From `place` on this has happened; the last of it is the view that begins."""

    attempt: Attempt
    place: int
    entries: tuple[Entry, ...]


class Group(Node):
    """A member of a group."""

    repairs = True

    def __init__(self, core: int, cores: Iterable[int]) -> None:
        super().__init__(core, cores)
        self.lives = dict.fromkeys(self.cores, 0)
        self.view = View(1, self.cores, tuple(self.lives.values()))
        self.history: list[Entry] = [self.view]
        """All that has happened, views among it."""
        self.pending: dict[int, Command] = {}  # of this core, and not carried out yet
        self.early: dict[int, Ordered] = {}  # by place: before it there is something that is not here yet
        self.requests: list[Request] = []  # of a view that is to come
        self.attempt: Attempt = (1, self.cores[0])
        self.highest = 1  # of the views that somebody has attempted
        self.frozen_for: Attempt | None = None
        """The flush under way, if this member has said what it has."""
        self.answers: dict[int, Flushed] = {}  # to the flush of this core
        self.fresh = False
        """It has come back, and is in no view yet."""
        self.next_members: tuple[int, ...] = ()

    @property
    def sequencer(self) -> int:
        """Who gives commands their place."""
        return self.view.members[0]

    def _begin(self, command: Command) -> None:
        self.pending[command.number] = command
        self._ask(command)

    def _ask(self, command: Command) -> None:
        if self.frozen_for is not None or self.fresh:
            return
        if self.sequencer == self.core:
            self._order(command)
        else:
            self._send(self.sequencer, Request(self.view.number, command))

    def _receive(self, sender: int, message: Any) -> None:
        match message:
            case Request():
                self._requested(message)
            case Ordered():
                self._ordered(message)
            case Flush():
                self._flush(sender, message)
            case Flushed():
                self._flushed(sender, message)
            case Superseded(attempt):
                if self.frozen_for == self.attempt < attempt and self.attempt[1] == self.core:
                    self.highest = max(self.highest, attempt[0])
                    self._change()
            case Excluded(attempt):
                if self.frozen_for == self.attempt == attempt:
                    self._wait()
            case NewView():
                self._new_view(message)

    # -- in a view ---------------------------------------------------------------------------------

    def _requested(self, message: Request) -> None:
        if message.view > self.view.number:  # who asks is in the next view already
            self.requests.append(message)
        elif message.view == self.view.number and self.frozen_for is None and not self.fresh:
            self._order(message.command)

    def _order(self, command: Command) -> None:
        ordered = Ordered(self.view.number, len(self.history), command)
        self._happened(command)
        self._multicast((core for core in self.view.members if core != self.core), ordered)

    def _ordered(self, message: Ordered) -> None:
        if message.view < self.view.number:
            return
        if message.view == self.view.number and (self.fresh or self.frozen_for is not None):
            return
        known = self.early.get(message.place)
        if known is None or known.view < message.view:
            self.early[message.place] = message
        self._take_early()

    def _take_early(self) -> None:
        """Carry out what has its turn; what is of a view to come waits for that."""
        while not self.fresh and self.frozen_for is None:
            message = self.early.get(len(self.history))
            if message is None or message.view > self.view.number:
                return
            del self.early[len(self.history)]
            if message.view == self.view.number:
                self._happened(message.command)

    def _happened(self, entry: Entry) -> None:
        self.history.append(entry)
        if isinstance(entry, View):
            self.view = entry
            self._outputs.append(Install(entry.number, entry.members))
        else:
            if entry.core == self.core:
                self.pending.pop(entry.number, None)
            self._deliver(entry)

    # -- from one view to the next -----------------------------------------------------------------

    def _change(self) -> None:
        """The lowest member that runs has the group flushed for a view of all that run."""
        members = tuple(core for core in self.cores if core in self.running)
        lives = zip(self.view.members, self.view.lives, strict=True)
        there = [core for core, life in lives if core in self.running and life == self.lives[core]]
        if self.fresh or self.core != min(there, default=None):
            return
        self.attempt = self.frozen_for = max(self.highest, self.attempt[0], self.view.number) + 1, self.core
        self.next_members, self.answers = members, {}
        flush = Flush(self.attempt, self.lives[self.core], self.view.number, members, len(self.history))
        self._multicast((core for core in members if core != self.core), flush, answered=True)
        self._flushed(self.core, Flushed(self.attempt, self.view, len(self.history), (), fresh=False))

    def _flush(self, sender: int, message: Flush) -> None:
        if message.life < self.lives[sender]:  # it has stopped since
            return
        if not self.fresh and message.view < self.view.number and sender not in self.view.members:
            self._send(sender, Excluded(message.attempt))
        elif message.attempt <= self.attempt:
            self._send(sender, Superseded(self.attempt))
        else:
            self.attempt = self.frozen_for = message.attempt
            self.answers = {}
            entries = () if self.fresh else tuple(self.history[message.place :])
            self._send(sender, Flushed(message.attempt, self.view, len(self.history), entries, self.fresh))

    def _flushed(self, sender: int, message: Flushed) -> None:
        if message.attempt != self.attempt or self.attempt[1] != self.core or self.frozen_for != self.attempt:
            return
        self.answers[sender] = message
        if len(self.answers) < len(self.next_members):
            return
        answers, self.answers = self.answers, {}
        latest = max((each.view for each in answers.values() if not each.fresh), key=lambda view: view.number)
        members = {core: each for core, each in answers.items() if core in latest.members and not each.fresh}
        place = len(self.history)
        longest = max(members.values(), key=lambda each: (each.view.number, each.length)).entries
        lives = tuple(self.lives[core] for core in self.next_members)
        news = (*longest, View(self.attempt[0], self.next_members, lives))
        for core in self.next_members:
            if core != self.core:  # whoever is no member is told all, a member from where it ends
                start = min(members[core].length, place) if core in members else 0
                self._send(core, NewView(self.attempt, start, (*self.history[start:], *news)))
        self._install(news)

    def _new_view(self, message: NewView) -> None:
        if message.attempt != self.attempt or self.frozen_for != message.attempt:
            return
        if message.place == 0 and self.history:
            self._forget()
        self._install(message.entries[len(self.history) - message.place :])

    def _forget(self) -> None:
        """What this core's clients had done is pending again, until it is seen to have happened."""
        for entry in self.history:
            if isinstance(entry, Command) and entry.core == self.core:
                self.pending[entry.number] = entry
        self.history = []
        self._outputs.append(Reset())

    def _install(self, news: tuple[Entry, ...]) -> None:
        self.frozen_for, self.fresh = None, False
        for entry in news:
            self._happened(entry)
        for place in [place for place, each in self.early.items() if each.view < self.view.number]:
            del self.early[place]
        for _, command in sorted(self.pending.items()):
            self._ask(command)
        self._take_early()
        requests, self.requests = self.requests, []
        for request in requests:
            self._requested(request)
        if set(self.view.members) != self.running:  # another has stopped or started meanwhile
            self._change()

    # -- cores come and go -------------------------------------------------------------------------

    def _lost(self, core: int) -> None:
        self.lives[core] += 1
        self._change()

    def _joined(self, core: int) -> None:
        self._change()

    def _returned(self) -> None:
        """What was carried out here and nowhere else is not to be: wait to be told all."""
        self.lives[self.core] += 1
        self._wait()

    def _wait(self) -> None:
        self.fresh, self.frozen_for = True, None
        self._forget()
        self.answers.clear()
        self.early.clear()
