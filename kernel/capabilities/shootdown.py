"""TLB shoot-down: after an unmap, every core that may have the old translation forgets it, by messages.

No core may use the memory for something else before all have answered. The message goes down a multicast tree (the
SKB's `multicast_tree/3`) over the cores on which the address space is loaded, and the answers come back up it, each
core answering for its subtree: two messages for each edge, as many steps as the tree is deep. Barrelfish measured
this against the interrupts of other systems (Baumann et al., SOSP 2009, §5.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kernel.capabilities.virtual_memory import LEVELS, Invalidation, Translation
from kernel.multicast import Tree

PAGE_SIZES = tuple(sorted(level.entry_bytes for level in LEVELS.values() if level.maps_frames))


class Tlb:
    """A core's translation look-aside buffer: what it has translated, until told to forget, or a switch of roots."""

    def __init__(self) -> None:
        self.root: int | None = None
        self.entries: dict[tuple[int, int], Translation] = {}  # by size and base of the page

    def load(self, root: int | None) -> None:
        """Another address space is to be used; without tags for them all is forgotten, as on writing CR3."""
        if root != self.root:
            self.root = root
            self.entries = {}

    def look_up(self, address: int) -> Translation | None:
        """The translation of an address, if it is here."""
        for size in PAGE_SIZES:
            found = self.entries.get((size, address - address % size))
            if found is not None:
                return found._replace(physical=found.physical + address % size)
        return None

    def fill(self, address: int, translation: Translation) -> None:
        """Remember what a walk of the page tables has found."""
        size = translation.page_bytes
        within = address % size
        self.entries[size, address - within] = translation._replace(physical=translation.physical - within)

    def invalidate(self, what: Iterable[Invalidation]) -> int:
        """Forget what lies in ranges of the loaded address space; returns how many entries that were."""
        stale = {
            (size, base)
            for each in what if each.root == self.root
            for size, base in self.entries
            if base < each.base + each.size and each.base < base + size
        }  # fmt: skip
        for key in stale:
            del self.entries[key]
        return len(stale)


@dataclass(frozen=True, slots=True)
class Invalidate:
    """To the root of `tree`: forget these, and have the rest of the tree do so."""

    operation: int
    what: tuple[Invalidation, ...]
    tree: Tree


@dataclass(frozen=True, slots=True)
class Invalidated:
    """All of the sender's tree has forgotten."""

    operation: int


@dataclass(frozen=True, slots=True)
class SendShootdown:
    """A message to the monitor of `core`."""

    core: int
    message: Invalidate | Invalidated


@dataclass(frozen=True, slots=True)
class ShotDown:
    """To who asked: no core has any of it any more, the memory can be used anew."""

    client: int


ShootdownOutput = SendShootdown | ShotDown


@dataclass(slots=True)
class _Waiting:
    left: set[int]
    client: int | None
    above: tuple[int, int] | None  # core and its number


class Shootdown:
    """A monitor's part in shoot-downs."""

    def __init__(self, core: int, tlb: Tlb) -> None:
        self.core = core
        self.tlb = tlb
        self._waiting: dict[int, _Waiting] = {}
        self._number = 0

    def begin(self, client: int, what: Sequence[Invalidation], tree: Tree) -> list[ShootdownOutput]:
        """Have all cores of `tree`, whose root is this one, forget; `ShotDown` comes now or by a later `handle`."""
        assert tree.core == self.core, f"core {self.core} begins a tree of core {tree.core}"
        return self._pass_on(tuple(what), tree, client, None)

    def _pass_on(
        self, what: tuple[Invalidation, ...], tree: Tree, client: int | None, above: tuple[int, int] | None
    ) -> list[ShootdownOutput]:
        self._number += 1
        number = self._number
        self._waiting[number] = _Waiting({each.core for each in tree.subtrees}, client, above)
        outputs: list[ShootdownOutput] = [
            SendShootdown(each.core, Invalidate(number, what, each)) for each in tree.subtrees
        ]
        # The messages first: the others work while this core does.
        self.tlb.invalidate(what)
        return outputs + self._done(number)

    def _done(self, number: int) -> list[ShootdownOutput]:
        waiting = self._waiting[number]
        if waiting.left:
            return []
        del self._waiting[number]
        if waiting.above is not None:
            core, theirs = waiting.above
            return [SendShootdown(core, Invalidated(theirs))]
        return [] if waiting.client is None else [ShotDown(waiting.client)]

    def handle(self, sender: int, message: Invalidate | Invalidated) -> list[ShootdownOutput]:
        """A message of another monitor."""
        if isinstance(message, Invalidate):
            return self._pass_on(message.what, message.tree, None, (sender, message.operation))
        self._waiting[message.operation].left.remove(sender)
        return self._done(message.operation)


def pruned(tree: Tree, needed: frozenset[int]) -> Tree:
    """The tree without branches that lead to no core of `needed`; its root stays."""
    return Tree(
        tree.core, tuple(pruned(each, needed) for each in tree.subtrees if each.cores & needed)
    )
