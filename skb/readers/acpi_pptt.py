"""The PPTT: processors, clusters and packages as a tree, with the caches each of its nodes owns.

Source: ACPI specification 6.5 §5.2.30. Nodes and caches name each other by their offset in the table, and so
do the facts: `processor_node(Node, Parent, Uid, Kinds)` and `processor_node_cache(Node, Cache)` say who is
where, `processor_cache/9` what a cache is. References that lead nowhere, to the wrong kind, or in a
circle are errors: whoever follows them must be able to count on reaching the root.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from skb.facts import Fact, Term, fact
from skb.readers.acpi_dump import Table
from skb.readers.acpi_structures import BYTE_HEADER, Entry, Structure, structures


@dataclass(frozen=True, slots=True)
class ProcessorNode(Structure):
    """Type 0, processor hierarchy node (§5.2.30.1), without its list of private resources."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIIII")
    flags: int
    parent: int
    processor_id: int
    resource_count: int


@dataclass(frozen=True, slots=True)
class Cache(Structure):
    """Type 1, cache (§5.2.30.2): 24 bytes up to revision 2, with a cache id from revision 3 on."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<xxxxIIIIBBHI")
    SHORTEST: ClassVar[int] = 24
    flags: int
    next_level: int
    size: int
    sets: int
    associativity: int
    attributes: int
    line_size: int
    cache_id: int


_KINDS: dict[int, type[Structure]] = {0: ProcessorNode, 1: Cache}
_NODE_KINDS = ((1, "package"), (4, "thread"), (8, "leaf"), (16, "identical"))
_PROCESSOR_ID_VALID = 2


def decode_pptt(table: Table) -> tuple[tuple[Entry, Structure | None], ...]:
    """Every structure of the PPTT in order; None for types that are not known."""
    table.at_least(36)
    return tuple(structures(table, 36, BYTE_HEADER, _KINDS))


def pptt_facts(table: Table) -> Iterator[Fact]:
    """Nodes, caches and who owns what; `none` where the table does not say."""
    decoded = decode_pptt(table)
    nodes = {e.offset: s for e, s in decoded if isinstance(s, ProcessorNode)}
    caches = {e.offset: s for e, s in decoded if isinstance(s, Cache)}
    known = nodes.keys() | caches.keys() | {e.offset for e, s in decoded if s is None}
    _check_chains(table, "parent", {at: node.parent for at, node in nodes.items()})
    _check_chains(table, "next level cache", {at: cache.next_level for at, cache in caches.items()})
    for entry, structure in decoded:
        at = entry.offset
        match structure:
            case ProcessorNode(flags, parent, processor_id, count):
                kinds = tuple(name for bit, name in _NODE_KINDS if flags & bit)
                uid: Term = processor_id if flags & _PROCESSOR_ID_VALID else "none"
                yield fact("processor_node", at, parent or "none", uid, kinds)
                for resource in _resources(table, entry, count):
                    if resource not in known:
                        raise table.error(
                            at, f"private resource {resource:#x}, expected a structure's offset"
                        )
                    if resource in caches:
                        yield fact("processor_node_cache", at, resource)
            case Cache():
                yield _cache_fact(at, structure)


def _resources(table: Table, entry: Entry, count: int) -> tuple[int, ...]:
    if ProcessorNode.LAYOUT.size + 4 * count > entry.length:
        raise table.error(entry.offset, f"{count} private resources do not fit into {entry.length} bytes")
    return struct.unpack_from(f"<{count}I", table.data, entry.offset + ProcessorNode.LAYOUT.size)


def _check_chains(table: Table, what: str, following: Mapping[int, int]) -> None:
    """Raises DumpError unless every chain of references ends (0 ends it); each node is walked once."""
    ending: set[int] = {0}
    for start in following:
        walked: set[int] = set()
        at = start
        while at not in ending:
            if at in walked:
                raise table.error(start, f"{what} references go in a circle")
            walked.add(at)
            if following[at] not in following and following[at] != 0:
                raise table.error(at, f"{what} at {following[at]:#x}, expected 0 or the offset of one")
            at = following[at]
        ending |= walked


def _cache_fact(at: int, cache: Cache) -> Fact:
    def valid(bit: int, value: Term) -> Term:
        return value if cache.flags >> bit & 1 else "none"

    kind = ("data", "instr", "unified", "unified")[cache.attributes >> 2 & 3]
    policy = "write_through" if cache.attributes >> 4 & 1 else "write_back"
    return fact(
        "processor_cache",
        at,
        cache.next_level or "none",
        valid(4, kind),
        valid(0, cache.size),
        valid(1, cache.sets),
        valid(2, cache.associativity),
        valid(6, cache.line_size),
        valid(5, policy),
        valid(7, cache.cache_id),
    )
