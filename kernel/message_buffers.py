"""The message-passing hardware of a mesh such as the Single-Chip Cloud Computer's (dissertation §2.3.2).

Every core has a part of its tile's buffer, fast SRAM of so many lines, which every core can read and write; one
test-and-set register, by which writers keep out of each other's way; and an interrupt status, by which another core
interrupts it. What reaching them takes depends on the way over the mesh (rules/mesh.pl), and so does reaching the
shared memory behind a controller. The registers sit on the tile as the buffer does, and are taken to cost as much:
no figure of their own is known. Nothing here passes time; `kernel.messaging.notification` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel.errors import KernelError
from kernel.hardware import Hardware
from skb.knowledge import KnowledgeBase

_LINE_OVER_MESH = (
    "memory_controller(Controller, Tile), package_of(Core, Package), package_hops(Package, Tile, Hops), "
    "cost_of({name}, First, cycles, _), cost_of({name}_next_hop, Next, cycles, _), "
    "Cycles is round(First + Hops * Next)"
)
"""As rules/mesh.pl counts reads of a word: a line at the controller's own tile, and more for each link on the way."""


class MessageBuffer:
    """What one core has: `lines` of `line_bytes`, the test-and-set register, the interrupt status."""

    def __init__(self, core: int, lines: int, line_bytes: int, interrupts: Callable[[int], None]) -> None:
        self.core = core
        self.lines: list[Any] = [0] * lines
        self.line_bytes = line_bytes
        self.pending = False
        """Whether the core has been interrupted and has not cleared that."""
        self.interrupts = 0
        """How often it was interrupted."""
        self.locked = False
        """What the test-and-set register says."""
        self._interrupt = interrupts

    def test_and_set(self) -> bool:
        """Whether the register was clear; it is set now."""
        clear, self.locked = not self.locked, True
        return clear

    def clear(self) -> None:
        """Clear the register; whoever has set it does."""
        assert self.locked, "a lock released that nobody holds"
        self.locked = False

    def interrupt(self) -> None:
        """Write the status word with the interrupt bit set."""
        self.pending = True
        self.interrupts += 1
        self._interrupt(self.core)


class MessageBuffers:
    """The buffers of a machine's cores, and what it takes to reach them and its shared memory, in picoseconds.

    `interrupts` is called with the number of a core whose interrupt bit is written. KernelError where the machine has
    no such buffers (facts message_buffer/3).
    """

    def __init__(self, kb: KnowledgeBase, hardware: Hardware, interrupts: Callable[[int], None]) -> None:
        self.hardware = hardware
        self._kb = kb
        rows = kb.all("message_buffer(Core, Bytes, Line)")
        self._buffers = {
            row["Core"]: MessageBuffer(row["Core"], row["Bytes"] // row["Line"], row["Line"], interrupts)
            for row in rows
        }
        if not self._buffers:
            raise KernelError("this machine has no message-passing buffers; facts message_buffer/3 state them")
        self._access: dict[int, dict[tuple[int, str], int]] = {}
        self._lines: dict[tuple[str, int], dict[int, int]] = {}

    def __getitem__(self, core: int) -> MessageBuffer:
        try:
            return self._buffers[core]
        except KeyError:
            raise KernelError(f"core {core} has no message-passing buffer") from None

    def __contains__(self, core: int) -> bool:
        return core in self._buffers

    def read_ps(self, by: int, of: int) -> int:
        """Core `by` invalidates its copy (CL1INVMB) and reads a word, or with it the line, of core `of`'s buffer."""
        return self.hardware.cost_ps("mpb_invalidate", by) + self._reach(by, of, "read")

    def write_ps(self, by: int, of: int) -> int:
        """Core `by` writes a line of core `of`'s buffer, by its write-combining buffer."""
        return self._reach(by, of, "write")

    def _reach(self, by: int, of: int, operation: str) -> int:
        row = self._access.get(by)
        if row is None:
            ps = self.hardware.cores[by].ps
            answers = self._kb.all("mpb_access(From, To, Operation, Cycles)", {"From": by})
            row = {(each["To"], str(each["Operation"])): ps(each["Cycles"]) for each in answers}
            self._access[by] = row
        return row[of, operation]

    def region(self, core: int) -> int:
        """The memory controller of a core's region of shared memory: its node's."""
        return self.hardware.cores[core].node

    def memory_write_ps(self, core: int, region: int) -> int:
        """Core `core` writes a line of shared memory through its write-combining buffer."""
        return self._line("dram_write_line", core, region)

    def memory_read_ps(self, core: int, region: int) -> int:
        """Core `core` invalidates its copy (CL1INVMB) of a line of shared memory and reads it anew."""
        return self.hardware.cost_ps("mpb_invalidate", core) + self._line("dram_read", core, region)

    def memory_copy_ps(self, core: int, region: int) -> int:
        """Core `core` writes a line of its private memory, which its caches do not allocate on a write miss."""
        return self._line("dram_uncached_line", core, region)

    def _line(self, name: str, core: int, region: int) -> int:
        row = self._lines.get((name, core))
        if row is None:
            ps = self.hardware.cores[core].ps
            answers = self._kb.all(_LINE_OVER_MESH.format(name=name), {"Core": core})
            row = {each["Controller"]: ps(each["Cycles"]) for each in answers}
            self._lines[name, core] = row
        if region not in row:
            raise KernelError(f"no cost {name}, or no memory controller {region}, is known; a machine states both")
        return row[region]
