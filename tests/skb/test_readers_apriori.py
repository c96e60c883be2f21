"""The a priori reader, damaged: a facts.pl of any content is facts, or an error of one line that says where."""

import random
import time

import pytest

from skb import machine
from skb.engine import SkbError
from skb.knowledge import KnowledgeBase

FILES = [path.read_bytes() for path in sorted(machine.SHIPPED.glob("*/facts.pl"))]
WRONG_KINDS = [
    path.read_bytes() for pattern in ("acpi.txt", "cpuid.txt", "pci.txt", "latency.csv", "README.md")
    for path in sorted(machine.SHIPPED.glob(f"*/{pattern}"))[:1]
]
_PIECES = (b"(", b")", b"'", b'"', b"/*", b".\n", b"0'", b"-1", b":- ", b"[", b"\\", b"\0")


def read_or_refuse(kb: KnowledgeBase, data: bytes) -> bool:
    """Whether it was taken; what is refused is refused in one line that names the file."""
    try:
        kb.supposing([], data.decode("utf-8", "replace"), "facts.pl", "true")
    except SkbError as error:
        assert str(error).startswith("facts.pl:") and "\n" not in str(error) and len(str(error)) < 1000
        return False
    return True


def damaged(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(out) or 1)
        match chance.randrange(5):
            case 0:
                del out[at:]
            case 1:
                out[at : at + 1] = bytes([out[at] ^ 1 << chance.randrange(8)]) if out else b""
            case 2:
                out[at:at] = out[at : at + chance.randrange(200)]
            case 3:
                del out[at : at + chance.randrange(40)]
            case _:
                out[at:at] = chance.choice(_PIECES)
    return bytes(out)


def test_what_ships_is_taken_and_an_empty_file_is_none(kb: KnowledgeBase) -> None:
    assert FILES and all(read_or_refuse(kb, data) for data in FILES)
    assert read_or_refuse(kb, b"") and read_or_refuse(kb, b"% nothing\n")


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_damaged_file_gives_facts_or_a_clear_refusal(kb: KnowledgeBase, count: int) -> None:
    chance = random.Random(22)
    slowest, refused = 0.0, 0
    for _ in range(count):
        start = time.process_time()
        refused += not read_or_refuse(kb, damaged(chance.choice(FILES), chance))
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 1 and 0 < refused < count


def test_another_kind_of_dump_is_refused(kb: KnowledgeBase) -> None:
    assert WRONG_KINDS
    for data in WRONG_KINDS:
        assert not read_or_refuse(kb, data)


@pytest.mark.parametrize(
    "text",
    [
        b"f(" * 200_000, b"[" * 200_000, b"- " * 200_000, b"a" * 2_000_000, b"'" + b"x" * 2_000_000, b"/*" * 500_000,
        b"\n" * 2_000_000 + b"x(", b"cpu_clock(0, 1.0Inf).", b"cpu_clock(0, 1e999999).", b":- halt.",
        b"cpu_clock(X, 1).", b"cpu_clock(0, @(X)) :- X.", b"cpu_clock(0, (:- op(700, xfx, =>))).", b"\xff\xfe\x00",
        b"{" * 50_000 + b"}" * 50_000,
    ],
    ids=range(15),
)
def test_enormous_and_odd_text_is_refused_within_a_second(kb: KnowledgeBase, text: bytes) -> None:
    start = time.process_time()
    assert not read_or_refuse(kb, text)
    assert time.process_time() - start < 1


def test_a_large_file_of_facts_is_taken_in_good_time(kb: KnowledgeBase) -> None:
    text = "".join(f"cpu_clock({core}, 1000000000).\n" for core in range(4096)).encode()
    start = time.process_time()
    assert read_or_refuse(kb, text)
    assert time.process_time() - start < 1
