"""The type graph, as Barrelfish's Hamlet source has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.capabilities.capability import Object
from kernel.capabilities.types import ANCESTORS, KINDS, MAPPING_OF, PAGE_BYTES, RETYPES_TO, Space
from kernel.capabilities.types import ObjectType as T


def test_ram_makes_every_kernel_object_and_itself() -> None:
    assert set(RETYPES_TO[T.RAM]) == {
        T.RAM, T.L1_CNODE, T.L2_CNODE, T.DISPATCHER, T.FRAME, T.ENDPOINT_UMP, T.KERNEL_CONTROL_BLOCK,
        T.VNODE_PML4, T.VNODE_PDPT, T.VNODE_PDIR, T.VNODE_PTABLE,
    }  # fmt: skip


def test_a_frame_makes_smaller_frames_and_mappings_but_no_kernel_object() -> None:
    assert set(RETYPES_TO[T.FRAME]) == {T.FRAME, T.FRAME_MAPPING}


def test_everything_mappable_has_a_mapping() -> None:
    assert set(MAPPING_OF) == {
        T.FRAME, T.DEV_FRAME, T.ENDPOINT_UMP, T.VNODE_PML4, T.VNODE_PDPT, T.VNODE_PDIR, T.VNODE_PTABLE,
    }  # fmt: skip


def test_no_memory_comes_but_from_physical_addresses() -> None:
    for each, kind in KINDS.items():
        if kind.space is Space.MEMORY and each is not T.PHYS_ADDR:
            assert T.PHYS_ADDR in ANCESTORS[each], each


def test_what_can_move_is_what_has_no_state_in_a_cpu_driver() -> None:
    memory = {each for each, kind in KINDS.items() if kind.space is Space.MEMORY and kind.moveable}
    assert memory == {T.PHYS_ADDR, T.RAM, T.FRAME, T.ENDPOINT_UMP}


RANGED = [T.PHYS_ADDR, T.RAM, T.FRAME, T.DEV_FRAME, T.VNODE_PTABLE, T.L2_CNODE, T.DISPATCHER, T.IRQ_SRC]
objects = st.builds(
    lambda kind, base, size: Object(kind, base * PAGE_BYTES, size * PAGE_BYTES),
    st.sampled_from(RANGED), st.integers(0, 7), st.integers(1, 8),
)  # fmt: skip


@given(objects, objects, objects)
def test_being_an_ancestor_is_a_strict_order(one: Object, two: Object, three: Object) -> None:
    assert not one.is_ancestor_of(one)
    assert not (one.is_ancestor_of(two) and two.is_ancestor_of(one))
    if one.is_ancestor_of(two) and two.is_ancestor_of(three):
        assert one.is_ancestor_of(three)


@given(objects, objects)
def test_objects_conflict_exactly_where_neither_came_of_the_other(one: Object, two: Object) -> None:
    assert one.conflicts_with(two) == two.conflicts_with(one)
    assert one.conflicts_with(two) == (one.overlaps(two) and not one.is_related_to(two))
