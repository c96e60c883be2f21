"""What can be replicated: a state machine, of which each core keeps one, told of the same operations in one order.

Operations are immutable values. Those of a service that is to be consistent only eventually name a key each, and of
two for one key the later wins.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol


class StateMachine(Protocol):
    """The same operations from the beginning give the same results and the same state."""

    def apply(self, operation: Any) -> Hashable:
        """Carry out an operation; the result goes to who asked for it."""

    def read(self, query: Any) -> Hashable:
        """An answer from this replica as it is."""

    def reset(self) -> None:
        """Be as at the beginning."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Have `key` stand for `value`; the result is what it stood for."""

    key: Hashable
    value: Hashable

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class Remove:
    """Have `key` stand for nothing; the result is what it stood for."""

    key: Hashable


@dataclass(frozen=True, slots=True)
class Get:
    """As an operation: what `key` stands for where all before it, and nothing after it, was carried out."""

    key: Hashable


class ReplicatedMap:
    """A map from keys to values; None stands for nothing."""

    def __init__(self) -> None:
        self.values: dict[Hashable, Hashable] = {}

    def apply(self, operation: Assign | Remove | Get) -> Hashable:
        match operation:
            case Assign(key, value):
                before = self.values.get(key)
                self.values[key] = value
                return before
            case Remove(key):
                return self.values.pop(key, None)
            case Get(key):
                return self.values.get(key)

    def read(self, query: Hashable) -> Hashable:
        return self.values.get(query)

    def reset(self) -> None:
        self.values = {}


def key_of(operation: Any) -> Hashable:
    """The key that an operation concerns."""
    key: Hashable = operation.key
    return key
