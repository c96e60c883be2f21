"""Deadlocks: who can never go on, in a graph of who waits for whom.

The graph alone, without the kernel (`kernel.waiting` draws it). A node waits until all of its needs are met, and each
need is met by any one of those named in it (an AND of ORs). Whoever is in the graph and waits for nothing can do
anything, so it meets every need in which it is named, and so on: those that are left when nothing more can be
met wait for each other for ever. That is exact as far as the graph is: a lock's holder has to release it (one
named, the AND model), of a condition's domain any thread may signal (many named, the OR model).

What is reported is the cause: one cycle, or one end, for each set of nodes that hangs together, in words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

N = TypeVar("N", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Need(Generic[N]):
    """Something a node waits for at the object `at`; any one of `by` can see to it.

    `what` is what it is in words, `mutex a`; `whose` says what it has to do with one of `by`, `held by {}`, if
    that goes without saying nothing; `nobody` is said where there is none, or where all wait at that very object.
    """

    at: Hashable
    by: tuple[N, ...]
    what: str
    whose: str
    nobody: str


Waits = Mapping[N, Sequence[Need[N]]]
"""What each node that waits needs, all of it. A node that is not in it goes on by itself."""


@dataclass(frozen=True, slots=True)
class Deadlock(Generic[N]):
    """Nodes that wait for ever, and why: each of `cause` waits for the next, by its one of `needs`.

    The last waits for the first, or, where not `closed`, for what nobody is left to do.
    """

    cause: tuple[N, ...]
    needs: tuple[Need[N], ...]
    closed: bool
    nodes: tuple[N, ...]


def never(waits: Waits[N]) -> dict[N, Need[N]]:
    """The nodes that can never go on, and for each the first of its needs that nobody can meet."""
    left = dict.fromkeys(waits)
    released = True
    while released:
        released = False
        for node in tuple(left):
            if _unmet(waits[node], left) is None:
                del left[node]
                released = True
    found: dict[N, Need[N]] = {}
    for node in left:
        need = _unmet(waits[node], left)
        assert need is not None
        found[node] = need
    return found


def _unmet(needs: Sequence[Need[N]], left: Mapping[N, None]) -> Need[N] | None:
    return next((need for need in needs if all(by in left for by in need.by)), None)


def deadlocks(waits: Waits[N]) -> list[Deadlock[N]]:
    """All deadlocks, in the order of the graph; no node is in two."""
    unmet = never(waits)
    of: dict[N, int] = {}  # which of `causes` a node waits for in the end
    at_object: dict[Hashable, int] = {}
    causes: list[tuple[tuple[N, ...], bool]] = []
    for start in unmet:
        path: dict[N, None] = {}
        node: N | None = start
        last = start
        while node is not None and node not in path and node not in of:
            path[node] = None
            last, node = node, _next(unmet, node)
        if node is None:  # all that could help wait at the same object
            number = at_object.setdefault(unmet[last].at, len(causes))
            if number == len(causes):
                causes.append(((last,), False))
        elif node in of:
            number = of[node]
        else:
            number = len(causes)
            steps = tuple(path)
            causes.append((steps[steps.index(node):], True))
        of.update(dict.fromkeys(path, number))
    return [
        Deadlock(
            cause, tuple(unmet[node] for node in cause), closed, tuple(node for node in of if of[node] == number)
        )
        for number, (cause, closed) in enumerate(causes)
    ]


def _next(unmet: Mapping[N, Need[N]], node: N) -> N | None:
    """Whom it is to be said that `node` waits for: the first of those that could help but wait elsewhere."""
    need = unmet[node]
    return next((by for by in need.by if unmet[by].at != need.at), None)


def said(node: N, need: Need[N], by: N | None, name: Callable[[N], str]) -> str:
    """What `node` waits for: from `by`, and how many others might help as well."""
    if by is None:
        return f"waits for {need.what}, {need.nobody}"
    others = len(set(need.by) - {node, by})
    also = f" (or {others} other{'s' if others > 1 else ''})" if others else ""
    whose = f", {need.whose.format(name(by))}{also}" if need.whose else ""
    return f"waits for {need.what}{whose}"


def sentence(deadlock: Deadlock[N], name: Callable[[N], str]) -> str:
    """One line: `deadlock: T waits for mutex a, held by U, which waits for mutex b, held by T`."""
    steps = deadlock.cause
    following: list[N | None] = [*steps[1:], steps[0] if deadlock.closed else None]
    each = zip(steps, deadlock.needs, following, strict=True)
    parts = [said(node, need, by, name) for node, need, by in each]
    others = len(deadlock.nodes) - len(steps)
    more = f"; {others} other{'s wait' if others > 1 else ' waits'} in vain, too" if others else ""
    return f"deadlock: {name(steps[0])} {', which '.join(parts)}{more}"
