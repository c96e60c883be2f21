"""All of one core's capabilities put together: what its monitor keeps, and what reaches it from other cores.

The CPU driver's half is the database and the page tables, which programs reach by `Invocations`. The monitor's half
is the protocol, the memory server and shoot-downs; it is written as Barrelfish's monitors are, each wait a function
to be called with the answer. Whoever runs the monitor hands in what comes (`handle`), sends off what is in `outbox`
in that order, and calls `retry` after a while as long as there are `retries`; time is theirs to charge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from kernel.capabilities import messages
from kernel.capabilities.agreement import MonitorState
from kernel.capabilities.capability import Capability, Object
from kernel.capabilities.cspace import CSpace
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.distributed import CapabilityMonitor
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.memory_server import (
    Denied,
    Granted,
    Homes,
    MemoryOutput,
    MemoryServer,
    Return,
    Steal,
    Stolen,
)
from kernel.capabilities.messages import Answer, Message, Output, Request, Send
from kernel.capabilities.operations import Retype
from kernel.capabilities.shootdown import (
    Invalidate,
    Invalidated,
    SendShootdown,
    Shootdown,
    ShootdownOutput,
    Tlb,
)
from kernel.capabilities.types import CNODE_BYTES, PAGE_BYTES, ObjectType
from kernel.capabilities.virtual_memory import Invalidation, PageTables
from kernel.multicast import Tree

MONITOR = -2
"""The `cnode` of the slots of the monitor itself: its memory server's regions, and the blocks it has handed out."""

SPACE_BITS = 16
"""A new dispatcher's block of RAM: two CNodes, a root page table, the dispatcher, and the rest for the program."""


@dataclass(frozen=True, slots=True)
class StolenBlock:
    """A memory server's answer with the slot into which the block's capability has been copied."""

    answer: Stolen
    slot: Slot | None


@dataclass(frozen=True, slots=True)
class StealInto:
    """A memory server's request with the slot kept free for the capability."""

    request: Steal
    slot: Slot


InterMonitor = Message | Return | StolenBlock | StealInto | Invalidate | Invalidated
Done = Callable[[ErrorCode], None]
Taken = Callable[[Slot | None], None]
"""Called with the slot of a block of RAM, or None if there is none."""

_Submitted = tuple[Callable[[int], Request], Done, int | None]

# Where the capabilities of a new dispatcher are in its task CNode, the L2 CNode at slot 0 of its root.
TASK_DISPATCHER, TASK_PAGE_TABLE, TASK_RAM = range(3)


class CoreCapabilities:
    """The capabilities of `core`, one of `cores`; `neighbours` says whom to steal memory from, nearest first.

    `spread` gives the multicast tree, from this core, over the cores that have loaded the address spaces named by
    what was unmapped; without it, no address space is used on two cores.
    """

    def __init__(
        self, core: int, cores: frozenset[int], homes: Homes, neighbours: Callable[[], Sequence[int]],
        spread: Callable[[Sequence[Invalidation]], Tree] | None = None,
    ) -> None:
        self.core = core
        self.database = Database(core)
        self.page_tables = PageTables(self.database)
        self.monitor = CapabilityMonitor(MonitorState(self.database, cores))
        self.memory = MemoryServer(core, homes, neighbours)
        self.tlb = Tlb()
        self.shootdown = Shootdown(core, self.tlb)
        self.outbox: list[tuple[int, InterMonitor]] = []
        self.retries: list[_Submitted] = []
        self._done: dict[int, _Submitted] = {}
        self._spread = spread or (lambda what: Tree(core))
        self._shot: dict[int, Callable[[], None]] = {}
        self._taken: dict[int, Taken] = {}
        self._stolen_into: dict[int, Slot] = {}
        self._clients = 0
        self._slots = 0
        self._regions: dict[Object, Slot] = {}
        self._blocks: dict[Object, Slot] = {}  # what the server has handed out, and keeps a capability to
        for region in homes.shares.get(core, ()):
            self._regions[region] = slot = self.new_slot()
            self.database.insert(slot, Capability(region), core)

    def new_slot(self) -> Slot:
        """An empty slot of the monitor's own."""
        self._slots += 1
        return Slot(MONITOR, self._slots)

    # -- requests to the protocol ------------------------------------------------------------------

    def submit(self, request: Callable[[int], Request], done: Done, epoch: int | None = None) -> None:
        """Have the monitors do what `request(client)` says; `done` is told how it went, however often it is tried.

        A program's slots were looked up when the database had `epoch`. If a CNode has been destroyed since, they may
        be another's: then `done` is told REMOTE_CAP_RETRY, and names have to be looked up again.
        """
        if epoch not in (None, self.database.epoch):
            done(ErrorCode.REMOTE_CAP_RETRY)
            return
        self._clients += 1
        client = self._clients
        self._done[client] = request, done, epoch
        self._out(self.monitor.request(request(client)))

    def retry(self) -> None:
        """Try again what another operation was in the way of."""
        again, self.retries = self.retries, []
        for request, done, epoch in again:
            self.submit(request, done, epoch)

    def handle(self, sender: int, message: InterMonitor) -> None:
        """A message has come from the monitor of core `sender`."""
        if isinstance(message, StealInto):
            self._steal(sender, message)
        elif isinstance(message, StolenBlock):
            self._stolen(sender, message)
        elif isinstance(message, Invalidate | Invalidated):
            self._out_shootdown(self.shootdown.handle(sender, message))
        elif isinstance(message, Return):
            self.take_back(message.block, lambda code: None)
        else:
            self._out(self.monitor.handle(sender, message))

    def _out(self, outputs: Sequence[Output]) -> None:
        """Send, then tell who asked, as that may lead to more; that something is gone, when no TLB has it."""
        after: list[Output] = []
        for output in outputs:
            if isinstance(output, Send) and not isinstance(output.message, messages.RevokeDone):
                self.outbox.append((output.core, output.message))
            else:
                after.append(output)
        if self.page_tables.invalidations:
            self.shoot_down(self._spread(self.page_tables.invalidations), partial(self._unmapped, after))
        else:
            self._unmapped(after)

    def _unmapped(self, outputs: Sequence[Output]) -> None:
        """No TLB has any more what was unmapped by what led to these outputs."""
        for output in outputs:
            if isinstance(output, Send):
                self.outbox.append((output.core, output.message))
        for output in outputs:
            if isinstance(output, Answer):
                request, done, epoch = self._done.pop(output.client)
                if output.code is ErrorCode.REMOTE_CAP_RETRY:
                    self.retries.append((request, done, epoch))
                else:
                    done(output.code)

    # -- memory ------------------------------------------------------------------------------------

    def allocate(self, bits: int, taken: Taken) -> None:
        """RAM of 2^bits bytes, from this core's share or another's."""
        self._clients += 1
        self._taken[self._clients] = taken
        self._out_memory(self.memory.allocate(self._clients, bits))

    def _out_memory(self, outputs: Sequence[MemoryOutput]) -> None:
        for output in outputs:
            if isinstance(output, Denied):
                self._taken.pop(output.client)(None)
            elif isinstance(output, Granted):
                taken = self._taken.pop(output.client)
                assert output.region is not None and output.retype is not None
                self._make(output.block, output.region, output.retype, taken)
            elif isinstance(output.message, Steal):
                slot = self._stolen_into.setdefault(output.message.operation, self.new_slot())
                self.outbox.append((output.core, StealInto(output.message, slot)))

    def _make(self, block: Object, region: Object, retype: Retype, taken: Taken) -> None:
        """The block's own capability, which the server keeps to take all of it back one day."""
        slot = self._blocks[block] = self.new_slot()

        def made(code: ErrorCode) -> None:
            assert code is ErrorCode.OK, code
            taken(slot)

        self.submit(lambda client: messages.RetypeSlot(client, self._regions[region], retype, (slot,)), made)

    def _steal(self, sender: int, message: StealInto) -> None:
        for output in self.memory.handle(sender, message.request):
            assert not isinstance(output, Granted | Denied) and isinstance(output.message, Stolen)
            answer = output.message
            if answer.block is None or output.region is None or output.retype is None:
                self.outbox.append((sender, StolenBlock(answer, None)))
            else:
                copied = partial(self._copied, sender, StolenBlock(answer, message.slot))
                copy = partial(self._copy, sender, message.slot, copied)
                self._make(answer.block, output.region, output.retype, copy)

    def _copy(self, core: int, destination: Slot, copied: Done, slot: Slot | None) -> None:
        assert slot is not None
        self.submit(lambda client: messages.CopyTo(client, slot, core, destination), copied)

    def _copied(self, core: int, answer: StolenBlock, code: ErrorCode) -> None:
        assert code is ErrorCode.OK, code
        self.outbox.append((core, answer))

    def _stolen(self, sender: int, message: StolenBlock) -> None:
        number = message.answer.operation
        if message.slot is None:
            self._stolen_into.pop(number)
            self._out_memory(self.memory.handle(sender, message.answer))
            return
        slot = self._stolen_into.pop(number)
        for output in self.memory.handle(sender, message.answer):
            assert isinstance(output, Granted)
            self._taken.pop(output.client)(slot)

    def give_back(self, block: Object) -> None:
        """A block got by `allocate` is not needed any more, nor is what was made of it: it goes back home."""
        home = self.memory.homes.of(block)
        if home == self.core:
            self.take_back(block, lambda code: None)
        else:
            self.outbox.append((home, Return(block)))

    def take_back(self, block: Object, done: Done) -> None:
        """Revoke a block that this core's server has handed out, on all cores, and have it free again.

        A program that has revoked its own capability to the block has revoked the server's copy: then another copy
        will do, or, if there is none here, a new one is made as soon as nobody has any.
        Raises MEMORY_NOT_FOUND for what it has not handed out, or has taken back.
        """
        own = self._blocks.pop(block, None)
        if own is None:
            raise CapabilityError(ErrorCode.MEMORY_NOT_FOUND, f"{block} is not handed out by core {self.core}")
        copies = [own] if self.database.get(own) is not None else list(self.database.copies(block))
        if not copies:
            self._make_anew(block, own, done)
            return
        slot = copies[0]

        def deleted(code: ErrorCode) -> None:
            assert code is ErrorCode.OK, code
            self.memory.buddies.free(block)
            done(code)

        def revoked(code: ErrorCode) -> None:
            assert code is ErrorCode.OK, code
            self.submit(lambda client: messages.DeleteSlot(client, slot), deleted)

        self.submit(lambda client: messages.RevokeSlot(client, slot), revoked)

    def _make_anew(self, block: Object, slot: Slot, done: Done) -> None:
        """Make the capability to a block again, which nobody here has, and then take the block back."""
        region = next(each for each in self._regions if each.base <= block.base < each.end)
        retype = Retype(ObjectType.RAM, block.base - region.base, block.size)

        def made(code: ErrorCode) -> None:
            if code is ErrorCode.OK:
                self._blocks[block] = slot
                self.take_back(block, done)
            else:  # another core has a copy yet: again, when that may be gone
                self.retries.append((request, made, None))

        def request(client: int) -> Request:
            return messages.RetypeSlot(client, self._regions[region], retype, (slot,))

        self.submit(request, made)

    # -- dispatchers -------------------------------------------------------------------------------

    def new_space(self, ram: Slot, done: Callable[[Invocations], None], own_page_table: bool = True) -> None:
        """Make a dispatcher's objects of a block of 2^SPACE_BITS bytes, in a capability space of its own.

        A dispatcher of a domain that has others gets a copy of their root page table, not one of its own.
        """
        base = self.database.slots[ram].object.base
        root, l2 = base, base + CNODE_BYTES
        table, dispatcher, rest = (l2 + CNODE_BYTES + each * PAGE_BYTES for each in range(3))
        kinds = ObjectType
        steps = [
            (Retype(kinds.L1_CNODE, root - base, CNODE_BYTES), Slot(dispatcher, 0)),
            (Retype(kinds.L2_CNODE, l2 - base), Slot(root, 0)),
            (Retype(kinds.DISPATCHER, dispatcher - base), Slot(l2, TASK_DISPATCHER)),
            *([(Retype(kinds.VNODE_PML4, table - base), Slot(l2, TASK_PAGE_TABLE))] if own_page_table else []),
            (Retype(kinds.RAM, rest - base, (1 << SPACE_BITS) - (rest - base)), Slot(l2, TASK_RAM)),
        ]

        def next_step(code: ErrorCode) -> None:
            assert code is ErrorCode.OK, code
            if steps:
                retype, slot = steps.pop(0)
                self.submit(lambda client: messages.RetypeSlot(client, ram, retype, (slot,)), next_step)
            else:
                done(Invocations(CSpace(self.database, Slot(dispatcher, 0)), self.page_tables))

        next_step(ErrorCode.OK)

    # -- shoot-down --------------------------------------------------------------------------------

    def forget_unmapped(self, done: Callable[[], None]) -> None:
        """Have all TLBs forget what programs here have unmapped by system calls of their own."""
        self.shoot_down(self._spread(self.page_tables.invalidations), done)

    def shoot_down(self, tree: Tree, done: Callable[[], None]) -> None:
        """Have the cores of `tree` forget all that was unmapped here since the last time."""
        self._clients += 1
        self._shot[self._clients] = done
        self._out_shootdown(self.shootdown.begin(self._clients, self.page_tables.taken_invalidations(), tree))

    def _out_shootdown(self, outputs: Sequence[ShootdownOutput]) -> None:
        for output in outputs:
            if isinstance(output, SendShootdown):
                self.outbox.append((output.core, output.message))
            else:
                self._shot.pop(output.client)()
