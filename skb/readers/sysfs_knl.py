"""Knights Landing and Knights Mill: what their kernels tell that is not as it sounds.

A part of the sysfs reader (sysfs.py), after the quirks of hwloc's topology-linux.c. The package's 16 GiB of
MCDRAM are memory nodes without cores (flat mode), or a direct-mapped cache in front of the DDR memory, of
which sysfs does not speak. The firmware's distances say which node is MCDRAM, for Linux to leave it to those
who ask for it, and not how far it is: they tell which nodes belong together, but are no distances.
"""

from __future__ import annotations

from collections.abc import Iterator

from skb.readers.cpusets import Cache
from skb.readers.sysfs_cpuinfo import processors
from skb.readers.sysfs_files import Tree
from skb.readers.sysfs_nodes import Nodes

_MODELS = ("87", "133")  # Knights Landing, Knights Mill; family 6
_MCDRAM_BYTES = 16 << 30
_LINE_BYTES = 64


def is_knights_landing(tree: Tree) -> bool:
    """Whether the first processor of proc/cpuinfo is one of the two."""
    first = next(iter(processors(tree).values()), {})
    identity = (first.get("vendor_id"), first.get("cpu family"))
    return identity == ("GenuineIntel", "6") and first.get("model") in _MODELS


def mcdram_caches(nodes: Nodes) -> Iterator[Cache]:
    """The level-3 caches that the MCDRAM is, as far as the nodes tell.

    In cache mode there is a node for each cluster (1, 2 or 4), with CPUs. Two clusters in flat mode have as
    many nodes as four in cache mode, but four different distances.
    """
    clusters = len(nodes.listed)
    if clusters in (1, 2, 4) and all(nodes.own.values()) and len(set(nodes.distances.values())) < 4:
        for cpus in nodes.own.values():
            yield Cache(3, "unified", cpus, _MCDRAM_BYTES // clusters, 1, _LINE_BYTES, 1)
