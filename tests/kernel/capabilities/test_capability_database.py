"""The mapping database against lists that are searched from end to end."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from kernel.capabilities.capability import ALL_RIGHTS, Capability, Object, Rights
from kernel.capabilities.database import LIMBO, Database, Locality, Slot
from kernel.capabilities.types import KINDS, PAGE_BYTES
from kernel.capabilities.types import ObjectType as T

FIELDS = {T.FRAME_MAPPING: 3, T.ENDPOINT_LMP: 2, T.DOMAIN: 3}
TYPES = [T.PHYS_ADDR, T.RAM, T.FRAME, T.FRAME_MAPPING, T.L2_CNODE, T.DISPATCHER, T.ENDPOINT_LMP, T.PROCESS_MANAGER,
         T.DOMAIN, T.IRQ_SRC]  # fmt: skip


def build(kind: T, base: int, size: int, field: int) -> Object:
    fields = (field % FIELDS[kind],) if kind in FIELDS else ()
    if kind in (T.PROCESS_MANAGER, T.DOMAIN):
        return Object(kind, 0, 0, fields)
    return Object(kind, base * PAGE_BYTES, size * PAGE_BYTES, fields)


objects = st.builds(build, st.sampled_from(TYPES), st.integers(0, 9), st.integers(1, 6), st.integers(0, 2))
steps = st.lists(st.tuples(st.integers(0, 11), objects), max_size=40)


@given(steps, objects)
def test_all_questions_are_answered_as_by_looking_at_everything(
    todo: list[tuple[int, Object]], asked: Object
) -> None:
    database, naive = Database(0), dict[Slot, Object]()
    for number, target in todo:
        slot = Slot(0, number)
        if slot in naive:
            assert database.remove(slot).object == naive.pop(slot)
        else:
            database.insert(slot, Capability(target), owner=0)
            naive[slot] = target
    there = sorted(set(naive.values()))
    for target in [asked, *there]:
        assert sorted(database.copies(target)) == sorted(each for each, one in naive.items() if one == target)
        assert database.descendants(target) == [each for each in there if target.is_ancestor_of(each)]
        assert database.ancestors(target) == [each for each in there if each.is_ancestor_of(target)]
        assert database.relatives(target) == [each for each in there if each != target and each.is_related_to(target)]
        found = database.in_the_way(target, target.base, PAGE_BYTES)
        part = target._replace(size=PAGE_BYTES)
        every = [
            each for each in there
            if target.is_ancestor_of(each) and KINDS[each.type].maps is None
            and (each.overlaps(part) or not each.size)
        ]
        assert (found in every) if every else found is None
    assert set(database.locality) == set(there)
    assert database.clone().descendants(asked) == database.descendants(asked)


def test_what_is_in_limbo_has_no_name_and_keeps_its_relations() -> None:
    database = Database(0)
    ram, frame = Object(T.RAM, 0, 8192), Object(T.FRAME, 4096, 4096)
    database.insert(Slot(0, 1), Capability(ram), 0)
    database.insert(Slot(0, 2), Capability(frame, Rights.READ), 0)
    slot = database.to_limbo(Slot(0, 2))
    assert slot.cnode == LIMBO and database.contents(0) == [Slot(0, 1)]
    assert database.copies(frame) == (slot,) and database.descendants(ram) == [frame]
    assert database.get(slot) == Capability(frame, Rights.READ)


def test_an_owner_is_known_while_there_is_a_copy() -> None:
    database = Database(3)
    frame = Object(T.FRAME, 0, 4096)
    database.insert(Slot(0, 0), Capability(frame, ALL_RIGHTS), 5)
    assert database.locality[frame] == Locality(5) and not database.owns(frame)
    database.remove(Slot(0, 0))
    assert frame not in database.locality and not database.has(frame)


def test_a_question_takes_no_longer_among_many_capabilities() -> None:
    def least_of_five(count: int) -> float:
        database = Database(0)
        for each in range(count):
            database.insert(Slot(0, each), Capability(Object(T.FRAME, each * PAGE_BYTES, PAGE_BYTES)), 0)
        asked = Object(T.RAM, count // 2 * PAGE_BYTES, 4 * PAGE_BYTES)
        assert len(database.descendants(asked)) == 4
        spans = []
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(200):
                database.descendants(asked)
            spans.append(time.perf_counter() - start)
        return min(spans)

    assert least_of_five(20_000) < 5 * least_of_five(200)
