"""Message-passing buffers: what reaching them costs by the way over the mesh, and how each design uses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.errors import KernelError
from kernel.hardware import Hardware
from kernel.message_buffers import MessageBuffers
from kernel.messaging.errors import MessageErrorCode
from kernel.messaging.notification import Packet, Payload, Ring, Step, Steps, Tree
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
CYCLE_PS = 10**12 / 533_333_333


@pytest.fixture
def buffers(load: Load) -> MessageBuffers:
    kb = load("scc")
    return MessageBuffers(kb, Hardware(kb), lambda core: None)


def steps_of(steps: Steps[object]) -> tuple[list[tuple[str, int]], object]:
    """What is done one after the other, each with its cycles, and the result."""
    done: list[tuple[str, int]] = []
    while True:
        try:
            step: Step = next(steps)
        except StopIteration as stop:
            return done, stop.value
        done.append((step.what, round(step.ps / CYCLE_PS)))


def collected(design: Ring | Tree, buffers: MessageBuffers, core: int) -> list[int]:
    found: list[int] = []
    steps_of(design.collect(buffers, core, lambda number, what: found.append(number)))
    return found


def test_a_buffer_is_8_kb_in_lines_of_32_bytes(buffers: MessageBuffers) -> None:
    assert len(buffers[0].lines) * buffers[0].line_bytes == 8192
    assert buffers[0].line_bytes == 32


def test_a_machine_without_buffers_is_refused_in_one_line(load: Load) -> None:
    kb = load("amd-4x4")
    with pytest.raises(KernelError, match="has no message-passing buffers"):
        MessageBuffers(kb, Hardware(kb), lambda core: None)


@pytest.mark.parametrize(("of", "read", "write"), [(0, 20, 39), (1, 20, 39), (2, 63, 84), (46, 102, 119)])
def test_the_way_over_the_mesh_is_what_was_measured(buffers: MessageBuffers, of: int, read: int, write: int) -> None:
    """Section 8 of the measurements: own tile, the next tile, the far corner; CL1INVMB takes 2 cycles more."""
    assert round(buffers.read_ps(0, of) / CYCLE_PS) == read + 2
    assert round(buffers.write_ps(0, of) / CYCLE_PS) == write


@pytest.mark.parametrize(("region", "read", "write", "copy"), [(0, 97, 122, 779), (3, 134, 158, 1069)])
def test_memory_is_near_or_far_by_its_controller(
    buffers: MessageBuffers, region: int, read: int, write: int, copy: int
) -> None:
    assert round(buffers.memory_read_ps(0, region) / CYCLE_PS) == read + 2
    assert round(buffers.memory_write_ps(0, region) / CYCLE_PS) == write
    assert round(buffers.memory_copy_ps(0, region) / CYCLE_PS) == copy


def test_the_register_is_set_once_until_it_is_cleared(buffers: MessageBuffers) -> None:
    assert [buffers[3].test_and_set() for _ in range(3)] == [True, False, False]
    buffers[3].clear()
    assert buffers[3].test_and_set()


def test_a_ring_takes_seven_steps(buffers: MessageBuffers) -> None:
    done, code = steps_of(Ring().announce(buffers, 0, 2, 4711, None))
    assert code is None
    assert done == [
        ("acquire the lock", 65), ("read the write position", 65), ("write the channel number", 84),
        ("update the write position", 84), ("read the interrupt status", 65), ("set the interrupt bit", 84),
        ("clear the lock", 84),
    ]  # fmt: skip


def test_who_is_interrupted_already_is_not_again(buffers: MessageBuffers) -> None:
    ring = Ring()
    steps_of(ring.announce(buffers, 0, 2, 1, None))
    again, _ = steps_of(ring.announce(buffers, 4, 2, 2, None))
    assert "set the interrupt bit" not in [what for what, _ in again]
    assert buffers[2].interrupts == 1
    assert collected(ring, buffers, 2) == [1, 2]
    steps_of(ring.announce(buffers, 0, 2, 3, None))
    assert buffers[2].interrupts == 2


def test_a_full_ring_says_so_and_keeps_what_it_has(buffers: MessageBuffers) -> None:
    ring = Ring()
    room = 8192 // 32 - 2
    for number in range(room):
        assert steps_of(ring.announce(buffers, number % 48, 9, number, None))[1] is None
    refused, code = steps_of(ring.announce(buffers, 0, 9, 999, None))
    assert code is MessageErrorCode.NOTIFY
    assert [what for what, _ in refused] == [
        "acquire the lock", "read the write position", "read the read position", "clear the lock",
    ]  # fmt: skip
    assert collected(ring, buffers, 9) == list(range(room))
    assert steps_of(ring.announce(buffers, 0, 9, 999, None))[1] is None
    assert collected(ring, buffers, 9) == [999]


def test_a_tree_takes_ten_steps_and_has_65_280_numbers(buffers: MessageBuffers) -> None:
    tree = Tree(256, 32)
    assert tree.channels == 65_280
    done, code = steps_of(tree.announce(buffers, 0, 2, 65_279, None))
    assert code is None
    assert [what for what, _ in done] == [
        "acquire the lock", "read the root", "set the leaf's bit", "write the root", "read the leaf",
        "set the channel's bit", "write the leaf", "read the interrupt status", "set the interrupt bit",
        "clear the lock",
    ]  # fmt: skip
    ring, _ = steps_of(Ring().announce(buffers, 0, 4, 1, None))
    assert sum(cycles for _, cycles in done) > sum(cycles for _, cycles in ring)


def test_a_tree_never_fails_and_says_each_number_once(buffers: MessageBuffers) -> None:
    tree = Tree(256, 32)
    numbers = [7, 300, 7, 65_279, 256, 0]
    for number in numbers:
        assert steps_of(tree.announce(buffers, 0, 2, number, None))[1] is None
    assert collected(tree, buffers, 2) == sorted(set(numbers))
    assert collected(tree, buffers, 2) == []


def test_messages_in_the_buffer_take_lines_by_their_size_and_are_copied_out(buffers: MessageBuffers) -> None:
    payload = Payload()
    sizes = [1, 28, 29, 200]
    for size in sizes:
        steps_of(payload.announce(buffers, 0, 2, size, Packet(size, f"{size} bytes")))
    assert buffers[2].lines[0] == 1 + 1 + 2 + 7, "a word of header, then the bytes"
    got: list[tuple[int, object]] = []
    done, _ = steps_of(payload.collect(buffers, 2, lambda number, what: got.append((number, what))))
    assert got == [(size, f"{size} bytes") for size in sizes]
    assert [what for what, _ in done].count("copy the line out") == 11


def test_a_message_that_finds_no_room_in_the_buffer_is_not_written_in_part(buffers: MessageBuffers) -> None:
    payload = Payload()
    for _ in range(63):
        assert steps_of(payload.announce(buffers, 0, 2, 1, Packet(124, "four lines")))[1] is None
    assert steps_of(payload.announce(buffers, 0, 2, 1, Packet(92, "three lines")))[1] is MessageErrorCode.NOTIFY
    assert steps_of(payload.announce(buffers, 0, 2, 1, Packet(60, "two lines")))[1] is None
    assert collected(payload, buffers, 2) == [1] * 64
