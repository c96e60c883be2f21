"""Multi-Paxos: one log of commands for all replicas, whatever is delayed and whoever stops.

After Lamport, "The part-time parliament" (1998) and "Paxos made simple" (2001). A leader has commands accepted under
its ballot, slot by slot; a slot is decided when a majority has accepted it. When the leader stops, the lowest core
that runs asks a majority what it has accepted, and puts that forward again under a higher ballot, so that no slot is
ever decided twice. Ballots carry their core's number; under the first nobody need be asked: there is none before it.

A majority has to run, or nothing is decided any more; what was decided stays. In the calm each command is three
messages for every other replica (accept, accepted, decided), and one more to reach the leader.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kernel.replication.node import Command, Node

Ballot = tuple[int, int]
"""A round, and the core that leads in it."""

FOLLOWING, PREPARING, LEADING = "following", "preparing", "leading"


@dataclass(frozen=True, slots=True)
class Propose:
    """To the leader: have this decided."""

    command: Command


@dataclass(frozen=True, slots=True)
class Prepare:
    """Take part in no ballot before this one; what have you accepted from slot `first` on?"""

    ballot: Ballot
    first: int


@dataclass(frozen=True, slots=True)
class Vote:
    """What was accepted in a slot, and under which ballot; None is the command that does nothing."""

    slot: int
    ballot: Ballot
    command: Command | None


@dataclass(frozen=True, slots=True)
class Promise:
    """To who prepares: so it will be. All slots before `first` are decided here; these are votes and decisions."""

    ballot: Ballot
    first: int
    votes: tuple[Vote, ...]
    decided: tuple[Decided, ...]


@dataclass(frozen=True, slots=True)
class Accept:
    """Accept this for the slot."""

    ballot: Ballot
    slot: int
    command: Command | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """To the leader: it is."""

    ballot: Ballot
    slot: int


@dataclass(frozen=True, slots=True)
class Outvoted:
    """To a leader or who would be one: there is a higher ballot."""

    ballot: Ballot


@dataclass(frozen=True, slots=True)
class Decided:
    """A majority has accepted this for the slot."""

    slot: int
    command: Command | None


class Paxos(Node):
    """A proposer, acceptor and learner."""

    def __init__(self, core: int, cores: Iterable[int]) -> None:
        super().__init__(core, cores)
        self.promised: Ballot = (0, self.cores[0])
        """The ballot in which this core takes part; its owner is the leader, or about to be."""
        self.role = LEADING if core == self.cores[0] else FOLLOWING
        self.accepted: dict[int, Vote] = {}
        self.log: dict[int, Command | None] = {}
        """What is decided, by slot."""
        self.first = 0
        """All slots before this one are decided, and delivered here."""
        self.next = 0  # the first slot that a leader has not used
        self.pending: dict[tuple[int, int], Command] = {}  # known here and not delivered yet
        self.proposed: set[tuple[int, int]] = set()  # by this leader, in this ballot
        self.done: set[tuple[int, int]] = set()
        self.promises: dict[int, Promise] = {}
        self.votes: dict[int, frozenset[int]] = {}  # for what this leader has put forward, by slot

    @property
    def quorum(self) -> int:
        """How many make a majority."""
        return len(self.cores) // 2 + 1

    @property
    def leader(self) -> int | None:
        """Who leads or is about to, if it runs."""
        return self.promised[1] if self.promised[1] in self.running else None

    def _begin(self, command: Command) -> None:
        self._have_decided(command)

    def _receive(self, sender: int, message: Any) -> None:
        match message:
            case Propose(command):
                self._have_decided(command)
            case Prepare(ballot, first):
                self._prepare(sender, ballot, first)
            case Promise():
                self._promise(sender, message)
            case Accept(ballot, slot, command):
                self._accept(sender, ballot, slot, command)
            case Accepted(ballot, slot):
                if self.role == LEADING and ballot == self.promised and slot not in self.log:
                    self._count(slot, sender)
            case Outvoted(ballot):
                self._follow(ballot)
            case Decided(slot, command):
                if slot in self.votes:  # by the leader before: those that are being asked are to know as well
                    self._multicast(self.others, message)
                self._learn(slot, command)

    def _have_decided(self, command: Command) -> None:
        key = command.core, command.number
        if key in self.done or key in self.pending:
            return
        self.pending[key] = command
        if self.role == LEADING:
            self._put_forward(self._slot(), command)
        elif self.role == FOLLOWING and self.leader is not None:
            self._send(self.leader, Propose(command))

    # -- the acceptor ------------------------------------------------------------------------------

    def _follow(self, ballot: Ballot) -> None:
        """Take part in a higher ballot, and let its owner know what is to be decided."""
        if ballot <= self.promised:
            return
        self.promised, self.role = ballot, FOLLOWING
        self.promises.clear()
        self.votes.clear()
        self.proposed.clear()
        if self.leader is None:
            self._stand()
        elif self.leader != self.core:
            self._propose_all(self.leader)

    def _prepare(self, sender: int, ballot: Ballot, first: int) -> None:
        if ballot < self.promised:
            self._outvote(sender)
            return
        if ballot > self.promised:
            self._follow(ballot)
        else:  # it is asked again, after one of the two had stopped: what was to be proposed may be lost
            self._propose_all(sender)
        if ballot != self.promised:  # its owner has stopped, and this core stands itself
            return
        votes = tuple(vote for slot, vote in sorted(self.accepted.items()) if slot >= first and slot not in self.log)
        decided = tuple(Decided(slot, what) for slot, what in sorted(self.log.items()) if slot >= first)
        self._send(sender, Promise(ballot, self.first, votes, decided))

    def _accept(self, sender: int, ballot: Ballot, slot: int, command: Command | None) -> None:
        if ballot < self.promised:
            self._outvote(sender)
            return
        self._follow(ballot)
        if ballot == self.promised and slot not in self.log:
            self.accepted[slot] = Vote(slot, ballot, command)
            self._send(sender, Accepted(ballot, slot))

    def _outvote(self, core: int) -> None:
        """Who is asked for less than it has promised says so; a leader asks for its own ballot instead."""
        self._send(core, Outvoted(self.promised) if self.role == FOLLOWING else self._prepare_message)

    def _propose_all(self, leader: int) -> None:
        for _, command in sorted(self.pending.items()):
            self._send(leader, Propose(command))

    # -- the leader --------------------------------------------------------------------------------

    @property
    def _prepare_message(self) -> Prepare:
        return Prepare(self.promised, self.first)

    def _stand(self) -> None:
        """Where the leader has stopped, the lowest core that runs is to lead, which may not know of that leader."""
        if self.leader is None and self.core != min(self.running):
            self._send(min(self.running), Outvoted(self.promised))
        elif self.leader is None:
            self.promised, self.role = (self.promised[0] + 1, self.core), PREPARING
            self._multicast(self.others, self._prepare_message, answered=True)
            self._promise(self.core, Promise(self.promised, self.first, self._own_votes(), ()))

    def _own_votes(self) -> tuple[Vote, ...]:
        return tuple(vote for slot, vote in sorted(self.accepted.items()) if slot not in self.log)

    def _promise(self, sender: int, message: Promise) -> None:
        if message.ballot != self.promised or self.role == FOLLOWING:
            return
        for decided in message.decided:
            self._learn(decided.slot, decided.command)
        if self.role == LEADING:
            self._tell(sender, message.first)
            for slot in sorted(self.votes):  # it may not have been asked, if it has just been started
                self._send(sender, Accept(self.promised, slot, self.accepted[slot].command))
            return
        self.promises[sender] = message
        if len(self.promises) >= self.quorum:
            self._lead()

    def _lead(self) -> None:
        """Put forward again what may have been decided, then what is to be."""
        self.role = LEADING
        promises, self.promises = self.promises, {}
        last: dict[int, Vote] = {}
        for promise in promises.values():
            for vote in promise.votes:
                if vote.slot not in last or vote.ballot > last[vote.slot].ballot:
                    last[vote.slot] = vote
        for core, promise in sorted(promises.items()):
            if core != self.core:
                self._tell(core, promise.first)
        self.next = max([self.first - 1, *last, *self.log]) + 1
        for slot in range(self.first, self.next):
            if slot not in self.log:
                self._put_forward(slot, last[slot].command if slot in last else None)
        for key, command in sorted(self.pending.items()):
            if key not in self.proposed:
                self._put_forward(self._slot(), command)

    def _slot(self) -> int:
        self.next += 1
        return self.next - 1

    def _put_forward(self, slot: int, command: Command | None) -> None:
        if command is not None:
            self.proposed.add((command.core, command.number))
        self.accepted[slot] = Vote(slot, self.promised, command)
        self.votes[slot] = frozenset()
        self._multicast(self.others, Accept(self.promised, slot, command), answered=True)
        self._count(slot, self.core)

    def _count(self, slot: int, core: int) -> None:
        self.votes[slot] |= {core}
        if len(self.votes[slot]) >= self.quorum:
            del self.votes[slot]
            command = self.accepted[slot].command
            self._multicast(self.others, Decided(slot, command))
            self._learn(slot, command)

    def _tell(self, core: int, first: int) -> None:
        for slot in sorted(self.log):
            if slot >= first:
                self._send(core, Decided(slot, self.log[slot]))

    # -- the learner -------------------------------------------------------------------------------

    def _learn(self, slot: int, command: Command | None) -> None:
        self.log[slot] = command
        self.accepted.pop(slot, None)
        self.votes.pop(slot, None)
        while self.first in self.log:
            decided = self.log[self.first]
            self.first += 1
            if decided is not None and (key := (decided.core, decided.number)) not in self.done:
                self.done.add(key)  # two leaders may have put it into two slots
                self.pending.pop(key, None)
                self._deliver(decided)

    # -- cores come and go -------------------------------------------------------------------------

    def _lost(self, core: int) -> None:
        self._stand()

    def _joined(self, core: int) -> None:
        """Who leads or would asks a core that runs again, which so learns who that is, and is told what it missed."""
        if self.role != FOLLOWING:
            self._send(core, self._prepare_message)
        elif core == self.leader:
            self._propose_all(core)

    def _returned(self) -> None:
        if self.role != FOLLOWING:
            self._multicast(self.others, self._prepare_message, answered=True)
        self._stand()
