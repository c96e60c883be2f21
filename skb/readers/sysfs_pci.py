"""PCI functions of a copied /sys: their configuration space, and the node they are next to.

A part of the sysfs reader (sysfs.py). `config` holds the first 64, 256 or 4096 bytes of configuration
space; the PCI reader makes facts of them. `numa_node` is -1 where the firmware does not tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from skb.facts import Fact, compound, fact
from skb.readers.sysfs_files import Tree

_ADDRESS = re.compile(r"([0-9a-f]+):([0-9a-f]+):([0-9a-f]+)\.([0-7])")


def pci_facts(tree: Tree) -> Iterator[Fact]:
    """`device_node(Address, Node)` and what the configuration space says, by address."""
    for place, files in tree.functions():
        match = _ADDRESS.fullmatch(place)
        if match is None:
            continue
        segment, *rest = (int(part, 16) for part in match.groups())
        address = compound("addr", *([segment] if segment else []), *rest)
        node = re.fullmatch(rb"\s*([0-9]{1,9})\s*", files.get("numa_node", b""))
        if node:
            yield fact("device_node", address, int(node[1]))
