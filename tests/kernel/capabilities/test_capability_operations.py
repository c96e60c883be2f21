"""System calls on capabilities within one core: what they do, and by which names they refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.capabilities.capability import ALL_RIGHTS, Capability, Object, Rights
from kernel.capabilities.cspace import ROOT, Address, CSpace, print_cspace
from kernel.capabilities.database import Database, Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.operations import Retype
from kernel.capabilities.types import CNODE_BYTES, PAGE_BYTES
from kernel.capabilities.types import ObjectType as T
from kernel.capabilities.virtual_memory import PageTables

L1, L2, RAM = 0x10_0000, 0x20_0000, 0x100_0000
RAM_BYTES = 16 * CNODE_BYTES


def a_program() -> Invocations:
    """A dispatcher with a root CNode, one L2 CNode at 0, and some RAM at 0.0."""
    database = Database(0)
    database.insert(Slot(0x1000, 0), Capability(Object(T.L1_CNODE, L1, CNODE_BYTES)), 0)
    database.insert(Slot(L1, 0), Capability(Object(T.L2_CNODE, L2, CNODE_BYTES)), 0)
    database.insert(Slot(L2, 0), Capability(Object(T.RAM, RAM, RAM_BYTES)), 0)
    return Invocations(CSpace(database, Slot(0x1000, 0)), PageTables(database))


def at(slot: int, l1: int = 0) -> Address:
    return Address(l1 << 8 | slot)


def state(program: Invocations) -> object:
    database = program.database
    return copy.deepcopy((database.slots, database.locality, database.locks, database.marks))


def refuses(program: Invocations, code: ErrorCode, call: Callable[[], object]) -> None:
    """The call raises `code`, by Barrelfish's name, and changes nothing."""
    before = state(program)
    with pytest.raises(CapabilityError) as caught:
        call()
    assert caught.value.code is code and str(caught.value).startswith(f"{code.value}: ")
    assert "\n" not in str(caught.value)
    assert state(program) == before


def test_ram_is_retyped_once_and_again_only_when_revoked() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.FRAME, size=PAGE_BYTES, count=4), at(1))
    refuses(program, ErrorCode.REVOKE_FIRST, lambda: program.retype(at(0), Retype(T.VNODE_PTABLE), at(9)))
    program.retype(at(0), Retype(T.VNODE_PTABLE, offset=4 * PAGE_BYTES), at(9))
    program.revoke(at(0))
    assert [str(each) for each, _ in program.space.walk()] == ["0", "0.0"]
    program.retype(at(0), Retype(T.VNODE_PTABLE), at(9))


def test_a_copy_made_of_all_of_the_source_is_no_descendant() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.RAM, size=RAM_BYTES), at(1))
    assert program.database.descendants(Object(T.RAM, RAM, RAM_BYTES)) == []
    program.retype(at(1), Retype(T.FRAME, size=PAGE_BYTES), at(2))
    refuses(program, ErrorCode.REVOKE_FIRST, lambda: program.retype(at(0), Retype(T.FRAME, size=PAGE_BYTES), at(3)))


def test_a_grandchild_forbids_to_retype_even_when_the_child_is_gone() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.RAM, size=4 * PAGE_BYTES), at(1))
    program.retype(at(1), Retype(T.VNODE_PML4, offset=PAGE_BYTES), at(2))
    program.delete(at(1))
    two_pages = Retype(T.FRAME, size=2 * PAGE_BYTES)
    refuses(program, ErrorCode.REVOKE_FIRST, lambda: program.retype(at(0), two_pages, at(3)))
    program.retype(at(0), Retype(T.FRAME, size=PAGE_BYTES), at(3))


def test_a_dispatcher_makes_endpoints_several_times() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.DISPATCHER), at(1))
    for each in range(3):
        program.retype(at(1), Retype(T.ENDPOINT_LMP, fields=(each * 176, 22)), at(2 + each))
    program.revoke(at(1))
    assert program.database.get(Slot(L2, 2)) is None and program.database.get(Slot(L2, 1)) is not None


BAD_RETYPES = [
    (Retype(T.ENDPOINT_LMP), ErrorCode.INVALID_RETYPE),
    (Retype(T.DEV_FRAME, size=PAGE_BYTES), ErrorCode.INVALID_RETYPE),
    (Retype(T.FRAME_MAPPING), ErrorCode.RETYPE_MAPPING_EXPLICIT),
    (Retype(T.FRAME), ErrorCode.INVALID_SIZE),
    (Retype(T.FRAME, size=5000), ErrorCode.INVALID_SIZE),
    (Retype(T.FRAME, size=-PAGE_BYTES), ErrorCode.INVALID_SIZE),
    (Retype(T.VNODE_PDIR, size=2 * PAGE_BYTES), ErrorCode.INVALID_SIZE),
    (Retype(T.FRAME, size=PAGE_BYTES, count=0), ErrorCode.RETYPE_INVALID_COUNT),
    (Retype(T.FRAME, size=RAM_BYTES, count=2), ErrorCode.RETYPE_INVALID_COUNT),
    (Retype(T.FRAME, offset=8, size=PAGE_BYTES), ErrorCode.RETYPE_INVALID_OFFSET),
    (Retype(T.FRAME, offset=RAM_BYTES, size=PAGE_BYTES), ErrorCode.RETYPE_INVALID_OFFSET),
    (Retype(T.FRAME, offset=-PAGE_BYTES, size=PAGE_BYTES), ErrorCode.RETYPE_INVALID_OFFSET),
    (Retype(T.FRAME, size=PAGE_BYTES, fields=(1,)), ErrorCode.INVALID_ARGUMENTS),
    (Retype(T.FRAME, size=PAGE_BYTES, count=256), ErrorCode.SLOTS_INVALID),
    (Retype(T.FRAME, size=PAGE_BYTES, count=1 << 60), ErrorCode.SLOTS_INVALID),
]


@pytest.mark.parametrize(("request_", "code"), BAD_RETYPES)
def test_a_bad_retype_names_what_is_wrong(request_: Retype, code: ErrorCode) -> None:
    program = a_program()
    refuses(program, code, lambda: program.retype(at(0), request_, at(1)))


def test_bad_addresses_are_refused_by_name() -> None:
    program = a_program()
    refuses(program, ErrorCode.CAP_NOT_FOUND, lambda: program.copy(at(5), at(6)))
    refuses(program, ErrorCode.CNODE_NOT_FOUND, lambda: program.copy(at(0, l1=3), at(6)))
    refuses(program, ErrorCode.L1_CNODE_INDEX, lambda: program.copy(at(0, l1=256), at(6)))
    refuses(program, ErrorCode.CAP_LOOKUP_DEPTH, lambda: program.copy(Address(0, 3), at(6)))
    refuses(program, ErrorCode.CAP_LOOKUP_DEPTH, lambda: program.copy(Address(-1), at(6)))
    refuses(program, ErrorCode.CAP_LOOKUP_DEPTH, lambda: program.copy(Address(1 << 32), at(6)))
    refuses(program, ErrorCode.CAP_LOOKUP_DEPTH, lambda: program.delete(ROOT))
    refuses(program, ErrorCode.SLOT_IN_USE, lambda: program.copy(at(0), at(0)))
    refuses(program, ErrorCode.SLOTS_INVALID, lambda: program.copy(Address(0, 1), ROOT))
    refuses(program, ErrorCode.DEST_TYPE_INVALID, lambda: program.copy(at(0), Address(1 << 8, 1)))
    refuses(program, ErrorCode.CNODE_NOT_ROOT, lambda: program.copy(at(0), at(1), to=at(0)))
    program.retype(at(0), Retype(T.FRAME, size=PAGE_BYTES), at(2))
    refuses(
        program, ErrorCode.SLOTS_IN_USE,
        lambda: program.retype(at(0), Retype(T.FRAME, offset=PAGE_BYTES, size=PAGE_BYTES, count=2), at(1)),
    )  # fmt: skip


def test_a_cnode_without_the_right_to_write_takes_and_gives_up_nothing() -> None:
    program = a_program()
    program.mint(Address(0, 1), Address(1 << 8, 1), Rights.READ)
    assert program.space.lookup(at(0, l1=1)) == program.space.lookup(at(0))
    refuses(program, ErrorCode.CNODE_RIGHTS, lambda: program.copy(at(0), at(1, l1=1)))
    refuses(program, ErrorCode.CNODE_RIGHTS, lambda: program.delete(at(0, l1=1)))
    program.mint(Address(0, 1), Address(2 << 8, 1), Rights.WRITE)
    refuses(program, ErrorCode.CNODE_RIGHTS, lambda: program.copy(at(0, l1=2), at(1)))


def test_rights_only_ever_shrink() -> None:
    program = a_program()
    program.mint(at(0), at(1), Rights.READ | Rights.IDENTIFY)
    refuses(program, ErrorCode.INVALID_ARGUMENTS, lambda: program.mint(at(1), at(2), Rights.READ | Rights.WRITE))
    program.retype(at(1), Retype(T.FRAME, size=PAGE_BYTES), at(2))
    assert program.space.lookup(at(2))[1].rights == Rights.READ | Rights.IDENTIFY
    refuses(program, ErrorCode.ILLEGAL_INVOCATION, lambda: program.to_send(at(2)))
    program.mint(at(0), at(3), Rights.READ)
    refuses(program, ErrorCode.ILLEGAL_INVOCATION, lambda: program.identify(at(3)))
    assert program.identify(at(2)) == Object(T.FRAME, RAM, PAGE_BYTES)


def test_the_last_capability_to_memory_gives_it_back() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.FRAME, size=PAGE_BYTES), at(1))
    assert program.delete(at(0)).reclaimed == []
    assert program.delete(at(1)).reclaimed == [Object(T.RAM, RAM, PAGE_BYTES)]


def test_deleting_the_last_of_a_cnode_deletes_what_is_in_it_even_itself() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.L2_CNODE), Address(1 << 8, 1))
    program.copy(Address(1 << 8, 1), at(7, l1=1))  # it holds itself
    program.retype(at(0), Retype(T.FRAME, offset=CNODE_BYTES, size=PAGE_BYTES), at(8, l1=1))
    program.delete(Address(1 << 8, 1))
    assert [str(each) for each, _ in program.space.walk()] == ["0", "0.0"]
    assert len(program.database.slots) == 5  # the CNode that only it names is out of reach, as in Barrelfish
    program.revoke(at(0))
    assert len(program.database.slots) == 3


def test_revoking_the_memory_of_ones_own_capability_space_is_survived() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.L2_CNODE), Address(1 << 8, 1))
    program.copy(at(0), at(0, l1=1))
    aftermath = program.revoke(at(0, l1=1))  # the slot itself lies in what goes
    assert [str(each) for each, _ in program.space.walk()] == ["0"]
    assert aftermath.reclaimed == [Object(T.RAM, RAM, RAM_BYTES)] and aftermath.limbo == []


def test_capabilities_of_other_cores_go_through_the_monitor() -> None:
    program = a_program()
    database = program.database
    target = Object(T.RAM, RAM, RAM_BYTES)
    database.locality[target] = database.locality[target]._replace(remote_copies=True, remote_descendants=True)
    refuses(program, ErrorCode.DELETE_LAST_OWNED, lambda: program.delete(at(0)))
    refuses(program, ErrorCode.RETRY_THROUGH_MONITOR, lambda: program.revoke(at(0)))
    refuses(program, ErrorCode.RETRY_THROUGH_MONITOR, lambda: program.retype(at(0), Retype(T.L2_CNODE), at(1)))
    database.lock(target)
    refuses(program, ErrorCode.REMOTE_CAP_RETRY, lambda: program.copy(at(0), at(1)))
    refuses(program, ErrorCode.REMOTE_CAP_RETRY, lambda: program.delete(at(0)))
    foreign = Object(T.L2_CNODE, 0x30_0000, CNODE_BYTES)
    database.insert(Slot(L1, 4), Capability(foreign), owner=1)
    refuses(program, ErrorCode.CAP_FOREIGN, lambda: program.copy(at(0), at(0, l1=4)))


def test_print_cspace_shows_each_capability_by_its_address() -> None:
    program = a_program()
    program.mint(at(0), at(255), Rights.READ)
    lines = print_cspace(program.space)
    assert [(each.address, each.type, each.size_bytes, each.rights, each.copies) for each in lines] == [
        ("0", "L2CNode", CNODE_BYTES, "rwxgi", 1),
        ("0.0", "RAM", RAM_BYTES, "rwxgi", 2),
        ("0.255", "RAM", RAM_BYTES, "r----", 2),
    ]


# -- no sequence of calls reaches what was not given -------------------------------------------------

addresses = st.builds(
    Address,
    st.one_of(
        st.integers(0, 6), st.integers(0, 4).map(lambda l1: l1 << 8), st.integers(256, 262), st.integers(-2, 1 << 33)
    ),
    st.sampled_from([2, 2, 2, 2, 1, 1, 0, 3]),
)  # fmt: skip
retypes = st.builds(
    Retype,
    st.sampled_from([T.RAM, T.FRAME, T.L2_CNODE, T.L1_CNODE, T.DISPATCHER, T.VNODE_PDIR, T.ENDPOINT_LMP,
                     T.FRAME_MAPPING, T.PHYS_ADDR, T.KERNEL]),
    st.sampled_from([0, 0, PAGE_BYTES, CNODE_BYTES, 2 * CNODE_BYTES, 1, -PAGE_BYTES]),
    st.sampled_from([0, PAGE_BYTES, CNODE_BYTES, 4 * CNODE_BYTES, 77, 1 << 50]),
    st.sampled_from([1, 1, 1, 2, 3, 0, -1, 1 << 40]),
    st.sampled_from([(), (), (0, 22)]),
)  # fmt: skip
calls = st.one_of(
    st.tuples(st.just("copy"), addresses, addresses, st.none() | addresses),
    st.tuples(st.just("mint"), addresses, addresses, st.integers(0, 31).map(Rights), st.none() | addresses),
    st.tuples(st.just("retype"), addresses, retypes, addresses, st.none() | addresses),
    st.tuples(st.just("retype"), st.just(at(0)), retypes, addresses),
    st.tuples(st.just("delete"), addresses),
    st.tuples(st.just("revoke"), addresses),
    st.tuples(st.just("identify"), addresses),
)


def holds(database: Database, container: int) -> set[Capability]:
    """All that can be named from the slots of a CNode or dispatcher, whatever CNodes lie between."""
    found: set[Capability] = set()
    seen: set[int] = set()
    todo = [container]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        for slot in database.contents(one):
            capability = database.slots[slot]
            found.add(capability)
            if capability.type in (T.L1_CNODE, T.L2_CNODE):
                todo.append(capability.object.base)
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(calls, max_size=40))
def test_whatever_a_program_calls_it_reaches_only_what_came_of_what_it_was_given(
    todo: list[tuple[object, ...]]
) -> None:
    program = a_program()
    database = program.database
    given_ = holds(database, 0x1000)
    secret = Object(T.RAM, 0x900_0000, RAM_BYTES)  # another program's, on the same core
    root = Object(T.L1_CNODE, 0x800_0000, CNODE_BYTES)
    other = [Capability(root), Capability(secret), Capability(Object(T.KERNEL))]
    for number, capability in enumerate(other):
        database.insert(Slot(0x80_0000, number), capability, 0)
    for name, *arguments in todo:
        before = state(program)
        try:
            getattr(program, str(name))(*arguments)
        except CapabilityError:
            assert state(program) == before  # all or nothing
    for capability in holds(database, 0x1000):
        assert any(
            (capability.object == each.object or each.object.is_ancestor_of(capability.object))
            and capability.rights in each.rights
            for each in given_
        ), capability
    assert [database.get(Slot(0x80_0000, number)) for number in range(3)] == other
    for one, two in combinations(database.locality, 2):
        assert not one.conflicts_with(two)
    assert all(each.rights in ALL_RIGHTS for each in database.slots.values())


def test_a_local_message_hands_a_capability_on_or_gives_it_away() -> None:
    program = a_program()
    program.retype(at(0), Retype(T.FRAME, size=PAGE_BYTES), at(1))
    program.mint(at(1), at(2), Rights.READ)
    frame, receivers = program.identify(at(1)), [Slot(0x80_0000, 0), Slot(0x80_0000, 1)]
    refuses(program, ErrorCode.LMP_SOURCE_LOOKUP, lambda: program.transfer(at(7), receivers[0]))
    refuses(program, ErrorCode.ILLEGAL_INVOCATION, lambda: program.transfer(at(2), receivers[0]))
    program.transfer(at(1), receivers[0])
    refuses(program, ErrorCode.LMP_SLOT_OCCUPIED, lambda: program.transfer(at(1), receivers[0]))
    program.transfer(at(1), receivers[1], give_away=True)
    refuses(program, ErrorCode.CAP_NOT_FOUND, lambda: program.identify(at(1)))
    assert [program.database.slots[slot].object for slot in receivers] == [frame, frame]
