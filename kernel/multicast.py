"""Who sends to whom when one message goes to many cores: the trees of rules/multicast.pl, as the kernel has them."""

from __future__ import annotations

from dataclasses import dataclass

from skb.facts import Compound


@dataclass(frozen=True, slots=True)
class Tree:
    """Who sends to whom, in order: `core`, and the trees of those it sends to."""

    core: int
    subtrees: tuple[Tree, ...] = ()

    @property
    def cores(self) -> frozenset[int]:
        return frozenset({self.core}).union(*(each.cores for each in self.subtrees))


def tree_of(term: Compound) -> Tree:
    """The SKB's tree(Core, Subtrees)."""
    core, subtrees = term.args
    assert isinstance(core, int) and isinstance(subtrees, list)
    return Tree(core, tuple(tree_of(each) for each in subtrees if isinstance(each, Compound)))
