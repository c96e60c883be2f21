"""Whole cores together: programs, monitors, memory servers and page tables, with messages in any order."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.capabilities.capability import Capability, Object, Rights
from kernel.capabilities.core import (
    MONITOR,
    SPACE_BITS,
    TASK_DISPATCHER,
    TASK_PAGE_TABLE,
    TASK_RAM,
    CoreCapabilities,
    InterMonitor,
)
from kernel.capabilities.cspace import Address, print_cspace
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.memory_server import Homes, partition
from kernel.capabilities.messages import Request
from kernel.capabilities.operations import Retype
from kernel.capabilities.shootdown import Tree
from kernel.capabilities.types import KINDS, PAGE_BYTES, Space
from kernel.capabilities.types import ObjectType as T
from kernel.capabilities.virtual_memory import Translation

MEMORY = [Object(T.RAM, 1 << 24, 1 << 20), Object(T.RAM, 1 << 25, 1 << 19)]
RW = Rights.READ | Rights.WRITE


class Machine:
    """Cores with FIFO channels between their monitors."""

    def __init__(self, cores: int, chance: random.Random, spread: bool = False) -> None:
        homes = Homes(partition(MEMORY, range(cores)))
        self.chance = chance
        self.cores = {
            core: CoreCapabilities(
                core, frozenset(range(cores)), homes,
                lambda core=core: [each for each in range(cores) if each != core],
                (lambda what, core=core: Tree(core, tuple(Tree(each) for each in range(cores) if each != core)))
                if spread else None,
            )
            for core in range(cores)
        }  # fmt: skip
        self.channels: dict[tuple[int, int], deque[InterMonitor]] = {}
        self.fresh = self.picture()

    def picture(self) -> object:
        return [
            (core.memory.buddies.free_blocks(), sorted(each.object for each in core.database.slots.values()))
            for core in self.cores.values()
        ]

    def step(self) -> bool:
        """Deliver one message, or try again what was refused; False if there is nothing to do."""
        for number, core in self.cores.items():
            for to, message in core.outbox:
                self.channels.setdefault((number, to), deque()).append(message)
            core.outbox.clear()
        pairs = [pair for pair, queue in self.channels.items() if queue]
        waiting = [core for core in self.cores.values() if core.retries]
        if waiting and (not pairs or self.chance.random() < 0.2):
            self.chance.choice(waiting).retry()
            return True
        if pairs:
            sender, receiver = self.chance.choice(pairs)
            self.cores[receiver].handle(sender, self.channels[sender, receiver].popleft())
        return bool(pairs)

    def settle(self) -> None:
        for _ in range(200_000):
            if not self.step():
                return
        raise AssertionError("the monitors do not come to rest")

    def ask(self, core: int, request: Callable[[int], Request]) -> ErrorCode:
        """Have the monitors carry it out, and wait."""
        codes: list[ErrorCode] = []
        self.cores[core].submit(request, codes.append)
        self.settle()
        return codes[0]

    def spawn(self, core: int) -> tuple[Invocations, Object]:
        """A dispatcher on the core, and the block of RAM that it is made of."""
        slots: list[Slot | None] = []
        spaces: list[Invocations] = []
        self.cores[core].allocate(SPACE_BITS, slots.append)
        self.settle()
        assert slots[0] is not None
        self.cores[core].new_space(slots[0], spaces.append)
        self.settle()
        return spaces[0], self.cores[core].database.slots[slots[0]].object

    def sound(self) -> None:
        """No memory is used for two things anywhere."""
        everything = {each for core in self.cores.values() for each in core.database.locality}
        for one, two in combinations(sorted(everything), 2):
            assert not one.conflicts_with(two), (one, two)


def at(slot: int) -> Address:
    return Address(slot)


def task_slot(program: Invocations, slot: int) -> Slot:
    """The slot at an address of a program: what a receiver tells of where it keeps a slot free."""
    return program.space.slot(at(slot))


def test_a_new_program_has_its_dispatcher_page_table_and_memory_and_no_more() -> None:
    machine = Machine(2, random.Random(1))
    program, block = machine.spawn(1)
    lines = print_cspace(program.space)
    assert [(each.address, each.type) for each in lines] == [
        ("0", "L2CNode"), (f"0.{TASK_DISPATCHER}", "Dispatcher"), (f"0.{TASK_PAGE_TABLE}", "VNode_x86_64_pml4"),
        (f"0.{TASK_RAM}", "RAM"),
    ]  # fmt: skip
    assert all(block.base <= each.base and each.base + each.size_bytes <= block.end for each in lines)
    machine.cores[1].give_back(block)
    machine.settle()
    assert machine.picture() == machine.fresh


def test_a_frame_shared_with_another_core_is_unmapped_there_when_it_is_revoked_here() -> None:
    machine = Machine(3, random.Random(2))
    (here, _), (there, _) = machine.spawn(0), machine.spawn(2)
    here.retype(at(TASK_RAM), Retype(T.FRAME, size=PAGE_BYTES), at(10))
    frame = here.identify(at(10))
    assert machine.ask(0, lambda client: here.send_to(client, at(10), 2, task_slot(there, 20))) is ErrorCode.OK
    for number, kind in enumerate([T.VNODE_PDPT, T.VNODE_PDIR, T.VNODE_PTABLE]):
        there.retype(at(TASK_RAM), Retype(kind, offset=number * PAGE_BYTES), at(11 + number))
    for number, table in enumerate([TASK_PAGE_TABLE, 11, 12]):
        there.map(at(table), 0, at(11 + number), at(30 + number), RW)
    there.map(at(13), 7, at(20), at(33), Rights.READ)
    core, root = machine.cores[2], there.identify(at(TASK_PAGE_TABLE))
    walked = core.page_tables.translate(root, 7 * PAGE_BYTES)
    assert walked == Translation(frame.base, Rights.READ, PAGE_BYTES)
    core.tlb.load(root.base)
    core.tlb.fill(7 * PAGE_BYTES, walked)
    with pytest.raises(CapabilityError, match="SYS_ERR_RETRY_THROUGH_MONITOR"):
        here.revoke(at(10))
    assert machine.ask(0, lambda client: here.revoke_through_monitor(client, at(10))) is ErrorCode.OK
    assert core.page_tables.translate(root, 7 * PAGE_BYTES) is None and core.tlb.look_up(7 * PAGE_BYTES) is None
    assert not core.database.has(frame) and there.database.get(task_slot(there, 33)) is None
    assert here.identify(at(10)) == frame


def test_memory_of_another_core_is_stolen_and_goes_home() -> None:
    machine = Machine(3, random.Random(3))
    share = machine.cores[1].memory.free_bytes
    slots: list[Slot | None] = []
    while sum(slot is not None for slot in slots) << 17 <= share:
        machine.cores[1].allocate(17, slots.append)
        machine.settle()
    blocks = [machine.cores[1].database.slots[slot].object for slot in slots if slot is not None]
    assert not any(one.overlaps(two) for one, two in combinations(blocks, 2))
    assert {machine.cores[1].memory.homes.of(block) for block in blocks} > {1}
    for block in blocks:
        machine.cores[1].give_back(block)
    machine.settle()
    assert machine.picture() == machine.fresh
    own = next(block for block in blocks if machine.cores[1].memory.homes.of(block) == 1)
    with pytest.raises(CapabilityError, match="MM_ERR_NOT_FOUND"):
        machine.cores[1].give_back(own)


def test_the_revoker_is_answered_when_the_last_tlb_has_forgotten() -> None:
    machine = Machine(3, random.Random(4), spread=True)
    program, _ = machine.spawn(0)
    for number, kind in enumerate([T.VNODE_PDPT, T.VNODE_PDIR, T.VNODE_PTABLE]):
        program.retype(at(TASK_RAM), Retype(kind, offset=number * PAGE_BYTES), at(11 + number))
    program.retype(at(TASK_RAM), Retype(T.FRAME, 3 * PAGE_BYTES, PAGE_BYTES), at(20))
    for number, table in enumerate([TASK_PAGE_TABLE, 11, 12]):
        program.map(at(table), 0, at(11 + number), at(30 + number), RW)
    program.map(at(13), 0, at(20), at(33), RW)
    root = program.identify(at(TASK_PAGE_TABLE))
    walked = machine.cores[0].page_tables.translate(root, 0)
    assert walked is not None
    for core in machine.cores.values():  # the domain spans them all
        core.tlb.load(root.base)
        core.tlb.fill(0, walked)
    left: list[int] = []
    machine.cores[0].submit(
        lambda client: program.revoke_through_monitor(client, at(20)),
        lambda code: left.append(sum(len(core.tlb.entries) for core in machine.cores.values())),
    )
    assert left == []
    machine.settle()
    assert left == [0] and program.identify(at(20)).type is T.FRAME


# -- no program on any core reaches what it was not given --------------------------------------------


def reached(program: Invocations) -> set[Capability]:
    """All that the program can name."""
    return {capability for _, capability in program.space.walk()}


def may_have(capability: Capability, given_: set[Capability]) -> bool:
    return any(
        (each.object == capability.object or each.object.is_ancestor_of(capability.object))
        and capability.rights in each.rights
        for each in given_
    )


addresses = st.builds(Address, st.integers(0, 14), st.sampled_from([2, 2, 2, 2, 2, 2, 1, 0]))
retypes = st.builds(
    Retype,
    st.sampled_from([T.RAM, T.FRAME, T.FRAME, T.VNODE_PDPT, T.ENDPOINT_LMP, T.L2_CNODE, T.DISPATCHER]),
    st.sampled_from([0, 0, PAGE_BYTES, 2 * PAGE_BYTES]), st.sampled_from([0, PAGE_BYTES, 2 * PAGE_BYTES]),
    st.sampled_from([1, 1, 2]), st.sampled_from([(), (0, 22)]),
)  # fmt: skip
calls = st.one_of(
    st.tuples(st.just("copy"), addresses, addresses),
    st.tuples(st.just("mint"), addresses, addresses, st.sampled_from([RW, Rights.READ, RW | Rights.GRANT])),
    st.tuples(st.just("retype"), addresses, retypes, addresses),
    st.tuples(st.just("retype"), st.just(at(TASK_RAM)), retypes, addresses),
    st.tuples(st.just("delete"), addresses),
    st.tuples(st.just("revoke"), addresses),
    st.tuples(st.just("map"), addresses, st.integers(0, 1), addresses, addresses, st.just(RW)),
    st.tuples(st.just("unmap"), addresses, addresses),
)
SENDABLE = {T.RAM, T.FRAME, T.VNODE_PDPT, T.ENDPOINT_LMP}
THROUGH_MONITOR = {ErrorCode.RETRY_THROUGH_MONITOR, ErrorCode.DELETE_LAST_OWNED}


class Programs:
    """Three programs that call, and send one another what they have, while messages are under way."""

    def __init__(self, chance: random.Random) -> None:
        self.machine = Machine(3, chance)
        made = [self.machine.spawn(core) for core in (0, 1, 1)]
        self.programs, self.blocks = [one for one, _ in made], [two for _, two in made]
        self.given = [
            reached(program) | {program.space.database.slots[program.space.root]} for program in self.programs
        ]
        self.kept_free = [5, 5, 5]
        self.asked = self.answered = 0
        self.codes: dict[ErrorCode, int] = {}
        for who, program in enumerate(self.programs):  # a frame and some RAM, which all of them have
            program.retype(at(TASK_RAM), Retype(T.FRAME, 0, PAGE_BYTES), at(3))
            program.retype(at(TASK_RAM), Retype(T.RAM, PAGE_BYTES, 2 * PAGE_BYTES), at(4))
            for to in range(3):
                self.send(who, to, at(3))
                self.send(who, to, at(4))

    def submit(self, program: Invocations, request: Callable[[int], Request]) -> None:
        def finished(code: ErrorCode) -> None:
            self.answered += 1
            self.codes[code] = self.codes.get(code, 0) + 1

        self.asked += 1
        self.machine.cores[program.database.core].submit(request, finished)

    def call(self, who: int, name: str, arguments: Sequence[object]) -> None:
        program = self.programs[who]
        try:
            getattr(program, name)(*arguments)
        except CapabilityError as error:
            if error.code in THROUGH_MONITOR:
                request = getattr(program, f"{name}_through_monitor")(0, *arguments)
                fields = [getattr(request, field) for field in request.__slots__[1:]]
                self.submit(program, lambda client: type(request)(client, *fields))

    def send(self, who: int, to: int, address: Address) -> None:
        program, receiver = self.programs[who], self.programs[to]
        try:
            slot, capability = program.space.lookup(address)
            self.kept_free[to] += 1
            destination = task_slot(receiver, self.kept_free[to])
            request = program.send_to(0, address, receiver.database.core, destination)
        except CapabilityError:
            return
        if capability.type in SENDABLE:
            assert request.source == slot
            self.given[to].add(capability)
            self.submit(program, lambda client: type(request)(client, slot, receiver.database.core, destination))

    def check(self) -> None:
        for program, given_ in zip(self.programs, self.given, strict=True):
            for capability in reached(program):
                assert may_have(capability, given_), capability
        self.machine.sound()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(
        st.tuples(st.integers(0, 2), calls),
        st.tuples(st.integers(0, 2), st.tuples(st.just("send"), st.integers(0, 2), addresses)),
    ), max_size=40),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_no_program_on_any_core_reaches_what_it_was_not_given_and_no_memory_is_lost(
    todo: list[tuple[int, tuple[object, ...]]], chance: random.Random
) -> None:
    programs = Programs(chance)
    machine = programs.machine
    for who, (name, *arguments) in todo:
        if name == "send":
            to, address = arguments
            assert isinstance(to, int) and isinstance(address, Address)
            programs.send(who, to, address)
        else:
            programs.call(who, str(name), arguments)
        for _ in range(chance.randrange(6)):
            machine.step()
        programs.check()
    machine.settle()
    programs.check()
    assert programs.answered == programs.asked
    for block in programs.blocks:  # they end: their memory is taken back, whoever has some of it
        machine.cores[machine.cores[0].memory.homes.of(block)].take_back(block, lambda code: None)
    machine.settle()
    left = [
        (slot, each) for core in machine.cores.values() for slot, each in core.database.slots.items()
        if slot.cnode != MONITOR and KINDS[each.type].space is Space.MEMORY
    ]
    assert left == [] and machine.picture() == machine.fresh
    for core in machine.cores.values():
        assert not core.database.locks and not core.database.marks and not core.monitor.state.operations


# -- names that lead to another's slots by now -------------------------------------------------------


def a_program_with_a_second_cnode(machine: Machine) -> Invocations:
    """Its memory is two CNodes' more; the second CNode, 1, has a frame at 1.0."""
    program, _ = machine.spawn(0)
    slots: list[Slot | None] = []
    machine.cores[0].allocate(17, slots.append)
    machine.settle()
    assert slots[0] is not None
    program.database.insert(task_slot(program, 5), program.database.slots[slots[0]], 0)
    program.retype(at(5), Retype(T.RAM, 0, 1 << 16), at(6))
    program.retype(at(5), Retype(T.FRAME, 1 << 16, PAGE_BYTES), at(7))
    program.retype(at(6), Retype(T.L2_CNODE), Address(1 << 8, 1))
    program.copy(at(7), Address(1 << 8))
    return program


def test_a_request_made_before_its_cnode_was_destroyed_touches_nothing_after() -> None:
    machine = Machine(2, random.Random(5))
    program = a_program_with_a_second_cnode(machine)
    core, codes, epoch = machine.cores[0], list[ErrorCode](), program.database.epoch
    request = program.delete_through_monitor(0, Address(1 << 8))
    program.revoke(at(6))  # the CNode goes, and another is made where it was, with the same in it
    program.retype(at(6), Retype(T.L2_CNODE), Address(1 << 8, 1))
    program.copy(at(7), Address(1 << 8))
    core.submit(lambda client: type(request)(client, request.slot), codes.append, epoch)
    machine.settle()
    assert codes == [ErrorCode.REMOTE_CAP_RETRY] and program.identify(Address(1 << 8)).type is T.FRAME


def test_a_delete_that_waited_while_its_cnode_was_destroyed_touches_nothing_after() -> None:
    machine = Machine(2, random.Random(6))
    program = a_program_with_a_second_cnode(machine)
    core, codes = machine.cores[0], list[ErrorCode]()
    frame = program.identify(at(7))
    request = program.delete_through_monitor(0, Address(1 << 8))
    program.database.lock(frame)
    core.submit(lambda client: type(request)(client, request.slot), codes.append, program.database.epoch)
    program.revoke(at(6))
    program.retype(at(6), Retype(T.L2_CNODE), Address(1 << 8, 1))
    program.database.insert(request.slot, program.database.slots[task_slot(program, 7)], 0)
    core.monitor.state.release(frame)
    core.submit(lambda client: type(request)(client, Slot(MONITOR, 999)), codes.append)
    machine.settle()
    assert codes == [ErrorCode.CAP_NOT_FOUND, ErrorCode.REMOTE_CAP_RETRY]
    assert program.identify(Address(1 << 8)) == frame
