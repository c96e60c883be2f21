"""Page tables as capabilities, and the shoot-down of what TLBs remember."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.capabilities import operations
from kernel.capabilities.capability import Capability, Object, Rights
from kernel.capabilities.cspace import Address, CSpace
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.operations import Retype
from kernel.capabilities.shootdown import Invalidate, SendShootdown, Shootdown, ShotDown, Tlb, pruned
from kernel.capabilities.types import CNODE_BYTES, PAGE_BYTES
from kernel.capabilities.types import ObjectType as T
from kernel.capabilities.virtual_memory import ENTRIES, Invalidation, PageTables, Translation
from kernel.multicast import Tree

LARGE = PAGE_BYTES * ENTRIES  # 2 MB
RAM = Object(T.RAM, 64 * LARGE, 16 * LARGE)
RW = Rights.READ | Rights.WRITE
PML4, PDPT, PDIR, PTABLE, FRAMES, BIG = (Slot(0, each) for each in range(1, 7))


class Space:
    """One core with an address space of four tables, entered at 3, 1, 0 of one another, and frames to map."""

    def __init__(self) -> None:
        self.database = Database(0)
        self.tables = PageTables(self.database)
        self.database.insert(Slot(0, 0), Capability(RAM), 0)
        for each, (slot, kind) in enumerate(
            [(PML4, T.VNODE_PML4), (PDPT, T.VNODE_PDPT), (PDIR, T.VNODE_PDIR), (PTABLE, T.VNODE_PTABLE)]
        ):
            operations.retype(self.database, Slot(0, 0), Retype(kind, each * PAGE_BYTES), [slot])
        operations.retype(self.database, Slot(0, 0), Retype(T.FRAME, LARGE, 8 * PAGE_BYTES), [FRAMES])
        operations.retype(self.database, Slot(0, 0), Retype(T.FRAME, 2 * LARGE, 2 * LARGE), [BIG])
        self.tables.map(PML4, 3, PDPT, Slot(1, 0), RW)
        self.tables.map(PDPT, 1, PDIR, Slot(1, 1), RW)
        self.tables.map(PDIR, 0, PTABLE, Slot(1, 2), RW)

    @property
    def root(self) -> Object:
        return self.database.slots[PML4].object

    def refuses(self, code: ErrorCode, call: Callable[[], object]) -> None:
        before = dict(self.database.slots)
        with pytest.raises(CapabilityError, match=f"^{code.value}: "):
            call()
        assert self.database.slots == before and not self.tables.invalidations


BASE = (3 * ENTRIES + 1) * ENTRIES * LARGE
FRAME = RAM.base + LARGE


def test_an_address_is_translated_by_four_tables() -> None:
    space = Space()
    space.tables.map(PTABLE, 5, FRAMES, Slot(2, 0), Rights.READ, offset=PAGE_BYTES, count=2)
    assert space.tables.translate(space.root, BASE + 5 * PAGE_BYTES + 7) == Translation(
        FRAME + PAGE_BYTES + 7, Rights.READ, PAGE_BYTES
    )
    assert space.tables.translate(space.root, BASE + 6 * PAGE_BYTES) == Translation(
        FRAME + 2 * PAGE_BYTES, Rights.READ, PAGE_BYTES
    )
    assert space.tables.translate(space.root, BASE + 7 * PAGE_BYTES) is None
    assert space.tables.translate(space.root, 0) is None
    space.tables.map(PDIR, 9, BIG, Slot(2, 1), RW, count=2)  # a superpage
    found = space.tables.translate(space.root, BASE + 10 * LARGE + 4)
    assert found == Translation(RAM.base + 3 * LARGE + 4, RW, LARGE)


def test_deleting_a_frame_unmaps_what_was_mapped_through_that_capability_only() -> None:
    space = Space()
    operations.copy(space.database, FRAMES, Slot(0, 20))
    space.tables.map(PTABLE, 0, FRAMES, Slot(2, 0), RW)
    space.tables.map(PTABLE, 1, Slot(0, 20), Slot(2, 1), RW)
    operations.delete(space.database, FRAMES)
    assert space.tables.translate(space.root, BASE) is None
    assert space.tables.translate(space.root, BASE + PAGE_BYTES) is not None
    assert space.database.get(Slot(2, 0)) is None and space.database.get(Slot(2, 1)) is not None
    assert space.tables.taken_invalidations() == [Invalidation(space.root.base, BASE, PAGE_BYTES)]


def test_revoking_the_ram_clears_tables_and_mappings() -> None:
    space = Space()
    space.tables.map(PTABLE, 0, FRAMES, Slot(2, 0), RW)
    operations.revoke(space.database, Slot(0, 0))
    assert list(space.database.slots) == [Slot(0, 0)]
    assert not (space.tables._tables or space.tables._mappings or space.tables._through or space.tables._above)
    assert any(each.base <= BASE < each.base + each.size for each in space.tables.taken_invalidations())


def test_deleting_a_table_unmaps_all_it_spans() -> None:
    space = Space()
    space.tables.map(PTABLE, 0, FRAMES, Slot(2, 0), RW)
    operations.delete(space.database, PTABLE)
    assert space.tables.translate(space.root, BASE) is None and space.database.get(Slot(2, 0)) is None
    assert space.tables.taken_invalidations() == [Invalidation(space.root.base, BASE, LARGE)]
    assert space.database.has(space.database.slots[FRAMES].object)


def test_a_mapping_of_a_table_that_two_spaces_share_is_forgotten_in_both() -> None:
    space = Space()
    operations.retype(space.database, Slot(0, 0), Retype(T.VNODE_PML4, 4 * PAGE_BYTES), [Slot(0, 30)])
    space.tables.map(Slot(0, 30), 0, PDPT, Slot(1, 9), RW)
    space.tables.map(PTABLE, 2, FRAMES, Slot(2, 0), RW)
    space.tables.unmap(PTABLE, Slot(2, 0))
    other = space.database.slots[Slot(0, 30)].object
    assert space.tables.taken_invalidations() == [
        Invalidation(space.root.base, BASE + 2 * PAGE_BYTES, PAGE_BYTES),
        Invalidation(other.base, ENTRIES * LARGE + 2 * PAGE_BYTES, PAGE_BYTES),
    ]


def test_bad_mappings_are_refused_by_name() -> None:
    space = Space()
    tables, database, free = space.tables, space.database, Slot(9, 9)
    space.refuses(ErrorCode.CAP_NOT_FOUND, lambda: tables.map(PTABLE, 0, Slot(8, 8), free, RW))
    space.refuses(ErrorCode.VNODE_TYPE, lambda: tables.map(FRAMES, 0, FRAMES, free, RW))
    space.refuses(ErrorCode.SLOTS_IN_USE, lambda: tables.map(PTABLE, 0, FRAMES, PML4, RW))
    space.refuses(ErrorCode.WRONG_MAPPING, lambda: tables.map(PTABLE, 0, PDIR, free, RW))
    space.refuses(ErrorCode.WRONG_MAPPING, lambda: tables.map(PML4, 0, FRAMES, free, RW))
    space.refuses(ErrorCode.WRONG_MAPPING, lambda: tables.map(PDIR, 0, PDPT, free, RW))
    space.refuses(ErrorCode.WRONG_MAPPING, lambda: tables.map(PTABLE, 0, Slot(0, 0), free, RW))  # RAM itself
    space.refuses(ErrorCode.VNODE_SLOT_INVALID, lambda: tables.map(PTABLE, 512, FRAMES, free, RW))
    space.refuses(ErrorCode.VNODE_SLOT_INVALID, lambda: tables.map(PTABLE, -1, FRAMES, free, RW))
    space.refuses(ErrorCode.MAP_SIZE, lambda: tables.map(PTABLE, 510, FRAMES, free, RW, count=3))
    space.refuses(ErrorCode.MAP_SIZE, lambda: tables.map(PTABLE, 0, FRAMES, free, RW, count=0))
    space.refuses(ErrorCode.MAP_SIZE, lambda: tables.map(PML4, 4, PDPT, free, RW, count=2))
    space.refuses(ErrorCode.FRAME_OFFSET_INVALID, lambda: tables.map(PTABLE, 0, FRAMES, free, RW, offset=1 << 30))
    space.refuses(ErrorCode.FRAME_UNALIGNED, lambda: tables.map(PTABLE, 0, FRAMES, free, RW, offset=12))
    space.refuses(ErrorCode.FRAME_UNALIGNED, lambda: tables.map(PDIR, 1, BIG, free, RW, offset=PAGE_BYTES))
    space.refuses(ErrorCode.FRAME_TOO_SMALL, lambda: tables.map(PTABLE, 0, FRAMES, free, RW, count=9))
    space.refuses(ErrorCode.FRAME_TOO_SMALL, lambda: tables.map(PDIR, 1, FRAMES, free, RW))
    operations.copy(database, FRAMES, Slot(0, 40), Rights.READ)
    space.refuses(ErrorCode.MAP_RIGHTS, lambda: tables.map(PTABLE, 0, Slot(0, 40), free, RW))
    space.refuses(ErrorCode.MAP_RIGHTS, lambda: tables.map(PTABLE, 0, FRAMES, free, Rights.GRANT))
    operations.copy(database, PTABLE, Slot(0, 41), Rights.READ)
    space.refuses(ErrorCode.MAP_RIGHTS, lambda: tables.map(Slot(0, 41), 0, FRAMES, free, RW))
    space.refuses(ErrorCode.VNODE_SLOT_IN_USE, lambda: tables.map(PML4, 3, PDPT, free, RW))
    space.refuses(ErrorCode.WRONG_MAPPING, lambda: tables.unmap(PML4, Slot(1, 1)))
    space.refuses(ErrorCode.ILLEGAL_INVOCATION, lambda: operations.copy(database, Slot(1, 1), free))
    database.insert(Slot(0, 50), Capability(Object(T.VNODE_PTABLE, 1 << 50, PAGE_BYTES)), owner=3)
    space.refuses(ErrorCode.CAP_FOREIGN, lambda: tables.map(Slot(0, 50), 0, FRAMES, free, RW))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["map", "map", "unmap", "copy", "delete", "limbo"]), st.integers(0, 11),
                          st.integers(0, 7), st.integers(1, 3)), max_size=40))  # fmt: skip
def test_tables_say_what_the_mappings_that_are_left_say(calls: list[tuple[str, int, int, int]]) -> None:
    space = Space()
    database, tables = space.database, space.tables
    frames = [FRAMES]
    naive: dict[int, tuple[int, Slot, Slot]] = {}  # page: physical page, mapping, through
    for number, (call, entry, offset, count) in enumerate(calls):
        frame = frames[offset % len(frames)] if frames else None
        if call == "map" and frame is not None:
            slot = Slot(7, number)
            try:
                tables.map(PTABLE, entry, frame, slot, RW, offset * PAGE_BYTES, count)
            except CapabilityError as error:
                assert error.code in (ErrorCode.VNODE_SLOT_IN_USE, ErrorCode.FRAME_TOO_SMALL)
                continue
            for each in range(count):
                assert entry + each not in naive
                naive[entry + each] = (FRAME // PAGE_BYTES + offset + each, slot, frame)
        elif call == "unmap" and entry in naive:
            slot = naive[entry][1]
            tables.unmap(PTABLE, slot)
            naive = {page: each for page, each in naive.items() if each[1] != slot}
        elif call == "copy" and frame is not None:
            operations.copy(database, frame, Slot(8, number))
            frames.append(Slot(8, number))
        elif call == "delete" and frame is not None:
            operations.delete(database, frame)
            frames.remove(frame)
            naive = {page: each for page, each in naive.items() if each[2] != frame}
        elif call == "limbo" and frame is not None:
            moved = database.to_limbo(frame)
            frames[frames.index(frame)] = moved
            naive = {page: (one, two, moved if by == frame else by) for page, (one, two, by) in naive.items()}
        for page in range(16):
            found = tables.translate(space.root, BASE + page * PAGE_BYTES)
            assert (found and found.physical // PAGE_BYTES) == (naive[page][0] if page in naive else None)
        mapped = {slot for slot, each in database.slots.items() if each.type is T.FRAME_MAPPING}
        assert mapped == {each[1] for each in naive.values()}


def test_a_program_maps_by_addresses_of_its_own_space() -> None:
    database = Database(0)
    database.insert(Slot(0x1000, 0), Capability(Object(T.L1_CNODE, 1 << 20, CNODE_BYTES)), 0)
    database.insert(Slot(1 << 20, 0), Capability(Object(T.L2_CNODE, 2 << 20, CNODE_BYTES)), 0)
    database.insert(Slot(2 << 20, 0), Capability(RAM), 0)
    program = Invocations(CSpace(database, Slot(0x1000, 0)), PageTables(database))
    program.retype(Address(0), Retype(T.VNODE_PTABLE), Address(1))
    program.retype(Address(0), Retype(T.FRAME, PAGE_BYTES, PAGE_BYTES), Address(2))
    program.map(Address(1), 0, Address(2), Address(3), RW)
    assert program.identify(Address(3)).type is T.FRAME_MAPPING
    program.unmap(Address(1), Address(3))
    with pytest.raises(CapabilityError, match="SYS_ERR_CAP_NOT_FOUND"):
        program.identify(Address(3))


# -- shoot-down --------------------------------------------------------------------------------------

trees = st.recursive(
    st.just(()), lambda below: st.lists(below, max_size=3).map(tuple), max_leaves=12
)  # fmt: skip


def a_tree(shape: tuple[object, ...]) -> Tree:
    count = 0

    def build(one: tuple[object, ...]) -> Tree:
        nonlocal count
        core, count = count, count + 1
        return Tree(core, tuple(build(each) for each in one))  # type: ignore[arg-type]

    return build(shape)


@settings(deadline=None)
@given(trees, st.randoms(use_true_random=False))
def test_when_a_shoot_down_is_answered_no_core_has_the_translation(
    shape: tuple[object, ...], chance: random.Random
) -> None:
    space = Space()
    space.tables.map(PTABLE, 0, FRAMES, Slot(2, 0), RW, count=3)
    tree, root = a_tree(shape), space.root
    cores = sorted(tree.cores)
    parts = {core: Shootdown(core, Tlb()) for core in cores}

    def use(core: int, page: int) -> None:
        """A program on the core touches a page."""
        tlb = parts[core].tlb
        if tlb.look_up(BASE + page * PAGE_BYTES) is None:
            walked = space.tables.translate(root, BASE + page * PAGE_BYTES)
            if walked is not None:
                tlb.fill(BASE + page * PAGE_BYTES, walked)

    for core in cores:
        parts[core].tlb.load(root.base)
        for page in range(3):
            use(core, page)
    space.tables.unmap(PTABLE, Slot(2, 0))
    channels: dict[tuple[int, int], deque[SendShootdown]] = {}
    done, sent, todo = [], 0, [(0, parts[0].begin(1, space.tables.taken_invalidations(), tree))]
    while todo:
        core, outputs = todo.pop()
        for output in outputs:
            if isinstance(output, ShotDown):
                done.append(output)
                assert not any(parts[each].tlb.entries for each in cores)
            else:
                channels.setdefault((core, output.core), deque()).append(output)
                sent += 1
        use(chance.choice(cores), chance.randrange(3))
        waiting = [pair for pair, queue in channels.items() if queue]
        if waiting:
            sender, receiver = chance.choice(waiting)
            message = channels[sender, receiver].popleft().message
            todo.append((receiver, parts[receiver].handle(sender, message)))
    assert done == [ShotDown(1)]
    assert sent == 2 * (len(cores) - 1)
    assert not any(part._waiting for part in parts.values())


def test_only_cores_that_have_the_address_space_are_bothered() -> None:
    tree = Tree(0, (Tree(1, (Tree(2),)), Tree(3, (Tree(4), Tree(5)))))
    assert pruned(tree, frozenset({5})) == Tree(0, (Tree(3, (Tree(5),)),))
    part = Shootdown(0, Tlb())
    assert part.begin(1, [], Tree(0)) == [ShotDown(1)]
    (message,) = part.begin(2, [], pruned(tree, frozenset({2})))
    assert message == SendShootdown(1, Invalidate(2, (), Tree(1, (Tree(2),))))


def test_another_address_space_on_the_core_is_left_alone() -> None:
    tlb = Tlb()
    tlb.load(0x1000)
    tlb.fill(0x5000, Translation(0x9000, RW, PAGE_BYTES))
    tlb.fill(0x6008, Translation(0xA008, RW, PAGE_BYTES))
    assert tlb.invalidate([Invalidation(0x2000, 0, 1 << 48)]) == 0
    assert tlb.look_up(0x6010) == Translation(0xA010, RW, PAGE_BYTES)
    assert tlb.invalidate([Invalidation(0x1000, 0x6000, 1)]) == 1
    tlb.load(0x1000)
    assert tlb.look_up(0x5000) is not None
    tlb.load(0x2000)
    assert tlb.look_up(0x5000) is None
