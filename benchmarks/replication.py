"""What an operation on replicated state costs, by protocol and number of replicas.

    python benchmarks/replication.py [--machine amd-4x4] [--operations 20] [REPLICAS]...

On a booted machine with nothing else on it, a map is replicated on cores 0, 1, ... and written by a client of the
first replica (which leads, where anybody does) and by one of the last, one operation after another. Printed are
messages between cores and cycles of the asking core, from the request's arrival at its monitor until the answer is
with the client, both the mean over all operations but the first of each; first with messages sent to each replica,
then along the SKB's multicast tree with answers gathered on their way back. Monitors are asleep when a message comes:
in most of the cycles one of them is being woken (an interrupt, a switch of contexts).
"""

from __future__ import annotations

import argparse
import statistics

from kernel.multikernel import Multikernel
from kernel.replication.machines import Assign, ReplicatedMap
from kernel.replication.replicas import PROTOCOLS, Replication
from kernel.replication.serving import Cost
from kernel.replication.spreading import SPREADING
from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase

REPLICAS = (2, 4, 8, 12, 16)


def measure(kb: KnowledgeBase, how: str, spread: str, replicas: int, operations: int) -> list[tuple[float, float]]:
    """Messages and cycles of an operation, asked by the first replica and by the last."""
    kernel = Multikernel.boot(kb)
    cores = sorted(kernel.drivers)[:replicas]
    service = Replication.of(kernel).replicate("measured", cores, how, ReplicatedMap, spread)
    found = []
    for core in (cores[0], cores[-1]):
        costs: list[Cost] = [service.perform(core, Assign("x", number))[1] for number in range(operations + 1)][1:]
        found.append((statistics.mean(c.messages for c in costs), statistics.mean(c.cycles for c in costs)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", default="amd-4x4", metavar="MACHINE")
    parser.add_argument("--operations", type=int, default=20, metavar="N")
    parser.add_argument("replicas", nargs="*", type=int, metavar="REPLICAS")
    given = parser.parse_args()
    kb = KnowledgeBase(Engine.start())
    machine.load(kb, machine.find(given.machine))
    print(f"{given.machine}, {given.operations} operations each: messages and cycles of an operation")
    columns = (f"{spread}, {which}" for spread in SPREADING for which in ("first asks", "last asks"))
    print(f"{'protocol':10}{'replicas':>9}" + "".join(f"{column:>22}" for column in columns))
    for how in PROTOCOLS:
        for replicas in given.replicas or REPLICAS:
            cells = [
                cell for spread in SPREADING for cell in measure(kb, how, spread, replicas, given.operations)
            ]
            shown = "".join(f"{messages:11.0f} {cycles:10.0f}" for messages, cycles in cells)
            print(f"{how:10}{replicas:9}{shown}", flush=True)


if __name__ == "__main__":
    main()
