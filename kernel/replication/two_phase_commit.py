"""Two-phase commit: a command is carried out on all replicas that run, or on none.

Gray 1978; that no decision is presumed to be an abort, Mohan et al. 1986. The core on which a client submits
coordinates. It asks all to prepare; who does holds its replica locked until told how it ended. If all have prepared
the command is carried out everywhere; if one has refused, because another transaction has its replica locked, it is
nowhere, and the client may try again. When a coordinator stops, those that have prepared ask one another; if anybody
has refused or knows, all know. If all have prepared and nobody knows they are *blocked* until the coordinator runs
again: it may have told its client that it is done, or not. This is what other protocols are for.

In the calm a command is four messages for every other replica (prepare, vote, commit, acknowledgement); the client
has its answer after the first two. A core that comes back joins by a transaction that brings it all it has missed.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from kernel.replication.node import Command, Node, Output, Refuse, Reset

Transaction = tuple[int, int]
"""The core that coordinates it, and that core's number for it."""


@dataclass(frozen=True, slots=True)
class Join:
    """That core, which was away, takes part again; it had stopped `life` times before."""

    core: int
    life: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """To a participant: may this be done? `log` is what a core that joins has missed.

    What the coordinator numbered lower than `settled` is over everywhere.
    """

    transaction: Transaction
    work: Command | Join
    participants: tuple[int, ...]
    settled: int
    log: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class Vote:
    """To the coordinator: it may, and nothing else is done here until it is decided; or it may not."""

    transaction: Transaction
    ready: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """From the coordinator: it is to be done, or not. Only what is done is acknowledged."""

    transaction: Transaction
    commit: bool


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """To the coordinator: it is done here."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Inquire:
    """To the other participants, where the coordinator has stopped: how did it end?"""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class Outcome:
    """It ended so; None: that is not known here either."""

    transaction: Transaction
    commit: bool | None


@dataclass(frozen=True, slots=True)
class Coordinated:
    """What a coordinator knows of a transaction of its own: whose votes are due, or acknowledgements if `decided`."""

    prepare: Prepare
    waiting: frozenset[int]
    decided: bool = False


class TwoPhaseCommit(Node):
    """A coordinator of its own core's commands, and a participant in all others'."""

    def __init__(self, core: int, cores: Iterable[int]) -> None:
        super().__init__(core, cores)
        self.current = frozenset(self.cores)
        """The cores whose replicas have missed nothing, as far as is known here."""
        self.lives = dict.fromkeys(self.cores, 0)
        self.log: list[Command] = []
        self.prepared: dict[Transaction, Prepare] = {}
        """What this core has voted for, or coordinates, and does not know the outcome of."""
        self.deferred: dict[Transaction, Prepare] = {}
        """What this core is to vote on when nothing is in its way any more: joins, and what `ready` puts off."""
        self.coordinating: dict[Transaction, Coordinated] = {}
        self.outcomes: dict[Transaction, bool] = {}  # as long as somebody may ask
        self.transactions = 0

    @property
    def fresh(self) -> bool:
        """It has come back, and its replica lacks what was done meanwhile."""
        return self.core not in self.current

    @property
    def blocked(self) -> tuple[Transaction, ...]:
        """What is prepared here, and cannot be decided before its coordinator runs again (if others know no more)."""
        return tuple(each for each in sorted(self.prepared) if each[0] not in self.running)

    def ready(self, work: Hashable) -> bool | None:
        """Whether this may be prepared here now: nothing else is. None: that will be told by `vote`."""
        return not self.prepared

    def vote(self, transaction: Transaction) -> list[Output]:
        """What `ready` has put off is prepared now."""
        if transaction in self.deferred:
            self.prepared[transaction] = self.deferred.pop(transaction)
            self._send(transaction[0], Vote(transaction, ready=True))
        elif transaction[0] == self.core:
            self._vote(self.core, transaction, ready=True)
        return self._taken()

    def _begin(self, command: Command) -> None:
        if self.fresh or self.ready(command) is False:
            self._outputs.append(Refuse(command))
        else:
            self._coordinate(command, tuple(core for core in self.cores if core in self.current & self.running))

    def _receive(self, sender: int, message: Any) -> None:
        match message:
            case Prepare():
                self._prepare(message)
            case Vote(transaction, ready):
                self._vote(sender, transaction, ready)
            case Decision(transaction, commit):
                self._decision(sender, transaction, commit)
            case Acknowledge(transaction):
                self._acknowledged(sender, transaction)
            case Inquire(transaction):
                self._inquire(sender, transaction)
            case Outcome(transaction, commit):
                if commit is not None:
                    self._resolve(transaction, commit)

    # -- the coordinator ---------------------------------------------------------------------------

    def _coordinate(self, work: Command | Join, participants: tuple[int, ...]) -> None:
        self.transactions += 1
        transaction = self.core, self.transactions
        settled = min((number for _, number in self.coordinating), default=self.transactions)
        prepare = Prepare(transaction, work, participants, settled)
        others = frozenset(participants) - {self.core}
        self.prepared[transaction] = prepare
        put_off = isinstance(work, Command) and self.ready(work) is None
        self.coordinating[transaction] = Coordinated(prepare, others | ({self.core} if put_off else frozenset()))
        joins = work.core if isinstance(work, Join) else None
        self._multicast((core for core in participants if core in others - {joins}), prepare, answered=True)
        if joins is not None:
            self._send(joins, replace(prepare, log=tuple(self.log)))
        self._decide_if_all_have_voted(transaction)

    def _vote(self, sender: int, transaction: Transaction, ready: bool) -> None:
        known = self.coordinating.get(transaction)
        if known is None and ready:  # it has been given up, and who has prepared since is to be told
            self._send(sender, Decision(transaction, commit=False))
        if known is None or known.decided:
            return
        if not ready:
            self._abort(transaction, refused=sender)
            return
        self.coordinating[transaction] = replace(known, waiting=known.waiting - {sender})
        self._decide_if_all_have_voted(transaction)

    def _decide_if_all_have_voted(self, transaction: Transaction) -> None:
        known = self.coordinating[transaction]
        if known.waiting:
            return
        others = frozenset(known.prepare.participants) & self.running - {self.core}
        self.coordinating[transaction] = replace(known, waiting=others, decided=True)
        self._multicast(sorted(others), Decision(transaction, commit=True), answered=True)
        if not others:
            del self.coordinating[transaction]
        self._resolve(transaction, commit=True)

    def _abort(self, transaction: Transaction, refused: int | None = None) -> None:
        """Also who has stopped is told: it is asked still, when it runs again."""
        known = self.coordinating.pop(transaction)
        others = frozenset(known.prepare.participants) - {self.core, refused}
        self._multicast(sorted(others), Decision(transaction, commit=False))
        if isinstance(known.prepare.work, Command):
            self._outputs.append(Refuse(known.prepare.work))
        self._resolve(transaction, commit=False)

    def _acknowledged(self, sender: int, transaction: Transaction) -> None:
        known = self.coordinating.get(transaction)
        if known is not None and known.decided:
            waiting = known.waiting - {sender}
            self.coordinating[transaction] = replace(known, waiting=waiting)
            if not waiting:
                del self.coordinating[transaction]

    # -- a participant -----------------------------------------------------------------------------

    def _prepare(self, message: Prepare) -> None:
        transaction = message.transaction
        for core, number in [each for each in self.outcomes if each[0] == transaction[0]]:
            if number < message.settled:
                del self.outcomes[core, number]
        if transaction in self.prepared:  # it is asked again, as the answer may be lost
            self._send(transaction[0], Vote(transaction, ready=True))
            return
        if transaction in self.outcomes:  # that it is not to be done was known before it was asked
            return
        if transaction[0] not in self.running:  # which aborts it, if it is started again
            return
        if isinstance(message.work, Join):
            self.deferred[transaction] = message
            self._vote_on_joins()
        elif self.fresh or transaction[0] not in self.current or (ready := self.ready(message.work)) is False:
            self._send(transaction[0], Vote(transaction, ready=False))
        elif ready is None:
            self.deferred[transaction] = message
        else:
            self.prepared[transaction] = message
            self._send(transaction[0], Vote(transaction, ready=True))

    def _vote_on_joins(self) -> None:
        """A join waits for what is in its way; only of two joins that wait for each other one gives in."""
        for transaction, message in sorted(self.deferred.items(), key=lambda each: each[0]):
            if not isinstance(message.work, Join):
                continue
            joins = message.work.core
            mine = [each for each in self.prepared if each in self.coordinating]
            if any(isinstance(self.prepared[each].work, Join) and each < transaction for each in mine):
                del self.deferred[transaction]
                self._send(transaction[0], Vote(transaction, ready=False))
            elif self.lives[joins] != message.work.life:  # one of the two has yet to hear of a stop
                continue
            elif joins == self.core or not (self.fresh or self.prepared or joins not in self.running):
                del self.deferred[transaction]
                self.prepared[transaction] = message
                self._send(transaction[0], Vote(transaction, ready=True))

    def _decision(self, sender: int, transaction: Transaction, commit: bool) -> None:
        self._resolve(transaction, commit)
        if commit:
            self._send(sender, Acknowledge(transaction))

    def _resolve(self, transaction: Transaction, commit: bool) -> None:
        """It is known here now how a transaction has ended."""
        self.deferred.pop(transaction, None)
        known = self.prepared.pop(transaction, None)
        if transaction[0] != self.core and (commit or known is None):
            self.outcomes[transaction] = commit  # if it is none of this core's any more, it is still to come here
        if known is None:
            return
        if transaction[0] not in self.running:  # the others may not know, and have asked already
            others = frozenset(known.participants) & self.running - {self.core}
            self._multicast(sorted(others), Outcome(transaction, commit))
        if commit and isinstance(known.work, Command):
            self.log.append(known.work)
            self._deliver(known.work)
        elif commit and isinstance(known.work, Join):
            self._join(known.work.core, known)
        self._go_on()

    def _inquire(self, sender: int, transaction: Transaction) -> None:
        """Nobody who is asked and has not voted will vote for it any more; of its own a core knows all."""
        commit = self.outcomes.get(transaction)
        if transaction[0] == self.core:
            known = self.coordinating.get(transaction)
            commit = False if known is None else known.decided or None
        elif commit is None and transaction not in self.prepared and not self.fresh:
            self.deferred.pop(transaction, None)
            commit = self.outcomes[transaction] = False
        self._send(sender, Outcome(transaction, commit))

    # -- cores come and go -------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Something was unlocked, or a core has come or gone: what waited may go on."""
        self._vote_on_joins()
        members = sorted(self.current & self.running)
        absent = sorted(self.running - self.current)
        if absent and members and members[0] == self.core and not self.prepared:
            self._coordinate(Join(absent[0], self.lives[absent[0]]), tuple(sorted({*members, absent[0]})))

    def _join(self, core: int, prepare: Prepare) -> None:
        self.current |= {core}
        if core == self.core:
            self.current = frozenset(prepare.participants)
            self.prepared.clear()
            self.log = list(prepare.log)
            self._outputs.append(Reset())
            for command in self.log:
                self._deliver(command)

    def _lost(self, core: int) -> None:
        self.current -= {core}
        self.lives[core] += 1
        for transaction, known in sorted(self.coordinating.items()):
            if known.decided:
                self._acknowledged(core, transaction)
            elif core in known.waiting or (isinstance(known.prepare.work, Join) and known.prepare.work.core == core):
                self._abort(transaction)
        for transaction in [each for each in self.deferred if each[0] == core]:
            del self.deferred[transaction]
            self.outcomes[transaction] = False
        for transaction, prepare in sorted(self.prepared.items()):
            if transaction[0] == core and not self.fresh:
                others = frozenset(prepare.participants) & self.running - {self.core}
                self._multicast(sorted(others), Inquire(transaction), answered=True)
        self._go_on()

    def _joined(self, core: int) -> None:
        for transaction in sorted(self.prepared):
            if transaction[0] == core and not self.fresh:
                self._send(core, Inquire(transaction))
        self._go_on()

    def _returned(self) -> None:
        """Settle what this core was coordinating; then the others let it join."""
        self.current -= {self.core}
        self.lives[self.core] += 1
        for transaction, known in sorted(self.coordinating.items()):
            if known.decided:
                unsure = sorted(known.waiting & self.running)
                self._multicast(unsure, Decision(transaction, commit=True), answered=True)
            else:
                self._abort(transaction)
