"""Multicast along a tree, with convergecast: a layer below any of the protocols (after Barrelfish's `lib/routing`).

What a node sends to several cores goes to the first of them only, which pass it on down the tree; what each answers
at once comes back up it, gathered. So the root sends and receives as many messages as it has branches, however many
replicas there are. When a core stops that others were to be reached through, the root sends to those it has not
heard from itself; they may have been reached all the same, and then answer again. A message that nobody answers goes
along the tree only where the protocol makes up for its loss, as it does for the stop of its sender (`Node.repairs`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from kernel.multicast import Tree
from kernel.replication.node import Multicast, Node, Output, Send

SPREADING = ("unicast", "tree")
"""The ways in which a message goes to several cores."""

TreeOf = Callable[[int, tuple[int, ...]], Tree]
"""Who passes on to whom what a core sends to several."""


@dataclass(frozen=True, slots=True)
class Relay:
    """To the root of `tree`: this is for you and the rest of it, from `root`, which has numbered it.

    What it has numbered lower than `settled` is over.
    """

    root: int
    number: int
    tree: Tree
    message: Hashable
    answered: bool
    settled: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """Towards the root: these cores have it, and this is what they answer."""

    root: int
    number: int
    cores: tuple[int, ...]
    answers: tuple[tuple[int, Hashable], ...]


@dataclass(frozen=True, slots=True)
class Gathering:
    """At a core that has passed something on: what has come back so far, and from which cores more is to come."""

    parent: int
    waiting: frozenset[int]
    gathered: Gathered


class Spreading(Node):
    """A node whose multicasts go along trees."""

    def __init__(self, node: Node, tree_of: TreeOf) -> None:
        super().__init__(node.core, node.cores)
        self.node = node
        self.tree_of = tree_of
        self.number = 0
        self.open: dict[int, tuple[Relay, frozenset[int]]] = {}  # of this core; and who has not answered
        self.gathering: dict[tuple[int, int], Gathering] = {}
        self.seen: set[tuple[int, int]] = set()

    def clone(self) -> Self:
        other = super().clone()
        other.node = self.node.clone()
        return other

    def frozen(self) -> tuple[Hashable, ...]:
        mine = super().frozen()
        return tuple(self.node.frozen() if each is self.node else each for each in mine)

    # -- what goes out -----------------------------------------------------------------------------

    def submit(self, operation: Hashable) -> list[Output]:
        outputs = self.node.submit(operation)
        self.submitted = self.node.submitted
        return self._out(outputs)

    def _out(self, outputs: Iterable[Output]) -> list[Output]:
        out: list[Output] = []
        for output in outputs:
            if isinstance(output, Multicast) and len(output.cores) > 1 and (output.answered or self.node.repairs):
                out += self._spread(output)
            else:
                out.append(output)
        return out

    def _spread(self, output: Multicast) -> list[Output]:
        self.number += 1
        tree = self.tree_of(self.core, output.cores)
        settled = min(self.open, default=self.number)
        relay = Relay(self.core, self.number, tree, output.message, output.answered, settled)
        if output.answered and not self.node.repairs:
            self.open[self.number] = relay, frozenset(output.cores)
        return _passed_on(relay)

    # -- what comes in -----------------------------------------------------------------------------

    def handle(self, sender: int, message: Any) -> list[Output]:
        if isinstance(message, Relay):
            return self._relayed(sender, message)
        if isinstance(message, Gathered):
            return self._answered(message) if message.root == self.core else self._gather(sender, message)
        return self._out(self.node.handle(sender, message))

    def _relayed(self, sender: int, message: Relay) -> list[Output]:
        key = message.root, message.number
        known = key in self.seen
        if known and sender != message.root:  # the root has reached this core already, past the one that stopped
            return []
        out = [] if known else _passed_on(message)
        if message.answered and not self.node.repairs:
            self.seen = {each for each in self.seen if each[0] != key[0] or each[1] >= message.settled} | {key}
        outputs = self.node.handle(message.root, message.message)
        if not message.answered:
            return out + self._out(outputs)
        mine = [each for each in outputs if isinstance(each, Send) and each.core == message.root]
        gathered = Gathered(*key, (self.core,), tuple((self.core, each.message) for each in mine))
        waiting = frozenset(each.core for each in message.tree.subtrees) & self.running
        if known:
            out.append(Send(message.root, gathered))
        elif waiting:
            self.gathering[key] = Gathering(sender, waiting, gathered)
        else:
            out.append(Send(sender, gathered))
        return out + self._out(each for each in outputs if each not in mine)

    def _gather(self, sender: int, message: Gathered) -> list[Output]:
        key = message.root, message.number
        known = self.gathering.get(key)
        if known is None:  # the root was told without these
            return [Send(message.root, message)]
        cores, answers = known.gathered.cores + message.cores, known.gathered.answers + message.answers
        self.gathering[key] = replace(
            known, waiting=known.waiting - {sender}, gathered=Gathered(*key, cores, answers)
        )
        return self._send_up(key)

    def _send_up(self, key: tuple[int, int]) -> list[Output]:
        known = self.gathering[key]
        if known.waiting:
            return []
        del self.gathering[key]
        return [Send(known.parent, known.gathered)]

    def _answered(self, message: Gathered) -> list[Output]:
        if message.number in self.open:
            relay, missing = self.open[message.number]
            missing -= frozenset(message.cores)
            self.open[message.number] = relay, missing
            if not missing:
                del self.open[message.number]
        out: list[Output] = []
        for core, answer in message.answers:
            out += self._out(self.node.handle(core, answer))
        return out

    # -- cores come and go -------------------------------------------------------------------------

    def stopped(self, core: int) -> list[Output]:
        out: list[Output] = []
        if core in self.running:
            self.running -= {core}
            for key, known in sorted(self.gathering.items()):
                if core in known.waiting:
                    self.gathering[key] = replace(known, waiting=known.waiting - {core})
                    out += self._send_up(key)
            for number in sorted(self.open):
                out += self._reach(number, core)
        return out + self._out(self.node.stopped(core))

    def _reach(self, number: int, stopped: int) -> list[Output]:
        """Send to those that the stopped core was to pass it on to, and that have not answered."""
        relay, missing = self.open[number]
        missing -= {stopped}
        self.open[number] = relay, missing
        if not missing:
            del self.open[number]
        below = _below(relay.tree, stopped) & missing
        return [Send(core, replace(relay, tree=Tree(core))) for core in sorted(below)]

    def started(self, core: int) -> list[Output]:
        self.running |= {core}
        if core == self.core:  # the protocol asks anew for what it needs
            self.open.clear()
        return self._out(self.node.started(core))


def _passed_on(relay: Relay) -> list[Output]:
    return [Send(tree.core, replace(relay, tree=tree)) for tree in relay.tree.subtrees]


def _below(tree: Tree, core: int) -> frozenset[int]:
    """The cores below `core` in the tree."""
    if tree.core == core:
        return tree.cores - {core}
    return frozenset().union(*(_below(each, core) for each in tree.subtrees))


def chain(root: int, cores: Sequence[int]) -> Tree:
    """The deepest tree: each passes it on to the next."""
    tree: tuple[Tree, ...] = ()
    for core in reversed([core for core in cores if core != root]):
        tree = (Tree(core, tree),)
    return Tree(root, tree)
