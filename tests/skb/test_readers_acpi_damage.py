"""Damaged, cut, mutated and foreign dumps: the ACPI reader gives facts or one clear line, in good time."""

import os
import random
import re
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.facts import fact
from skb.readers import DumpError, acpi
from skb.writers import acpi as writer

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DUMPS = SHARED / "data" / "acpi"
needs_dumps = pytest.mark.skipif(
    not DUMPS.exists(), reason="no ACPI dumps beside the checkout (shared/data/acpi)"
)


def small_dump() -> bytes:
    processors = [writer.Processor(n, 2 * n) for n in range(3)] + [writer.Processor(300, 300)]
    tables = [
        writer.madt(
            processors, [writer.IoApic(8, 0xFEC00000, 0)], [writer.InterruptOverride(0, 2)], [writer.Nmi(1)]
        ),
        writer.srat(
            [writer.ProcessorAffinity(each.apic_id, each.apic_id % 2) for each in processors],
            [writer.MemoryAffinity(0, 1 << 30, 0), writer.MemoryAffinity(1 << 32, 1 << 30, 1)],
        ),
        writer.slit([[10, 21], [21, 10]]),
        writer.mcfg([writer.ConfigurationWindow(0xE0000000)]),
    ]
    return writer.acpidump(tables).encode()


def read_or_refuse(data: bytes) -> str:
    """`facts` or the error's text; anything else that happens is a failure of the reader."""
    try:
        facts = acpi.read(data, "some.dump")
    except DumpError as error:
        assert re.match(r"some\.dump(:\d+|: offset 0x[0-9a-f]+): \S", str(error)), str(error)
        assert "\n" not in str(error)
        return str(error)
    assert facts
    assert all(str(each) for each in facts)
    return "facts"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (b"\1\0", "srat.dat: offset 0x30: SRAT at table offset 0x30: entry of length 0, expected at least 2"),
        (
            b"\0\x08" + bytes(6),
            "srat.dat: offset 0x30: SRAT at table offset 0x30: entry of type 0 has 8 bytes",
        ),
        (
            b"\2\x18",
            "srat.dat: offset 0x30: SRAT at table offset 0x30: entry of type 2 and length 24, expected",
        ),
        (b"\1", "srat.dat: offset 0x30: SRAT at table offset 0x30: 1 bytes after the last entry"),
    ],
)
def test_a_broken_entry_names_its_offset(entry: bytes, message: str) -> None:
    with pytest.raises(DumpError) as caught:
        acpi.read(writer.table("SRAT", 3, struct.pack("<IQ", 1, 0) + entry), "srat.dat")
    assert str(caught.value).startswith(message)


def test_a_broken_entry_in_text_names_its_line() -> None:
    slit = writer.slit([[10]])
    srat = writer.table("SRAT", 3, struct.pack("<IQ", 1, 0) + bytes(63) + b"\1")
    with pytest.raises(DumpError, match=r"^acpi\.txt:10: SRAT at table offset 0x30: entry of length 0"):
        acpi.read(writer.acpidump([slit, srat]).encode(), "acpi.txt")


def test_zeros_at_the_end_are_padding_where_the_checksum_says_that_firmware_wrote_them() -> None:
    processor = struct.pack("<BBBBIB3sI", 0, 16, 1, 7, 1, 0, bytes(3), 0)
    for padding in (1, 2, 16, 64):
        srat = writer.table("SRAT", 3, struct.pack("<IQ", 1, 0) + processor + bytes(padding))
        assert fact("cpu_affinity", 7, 0, 1) in acpi.read(srat, "srat.dat")
        zeroed = srat[:0x30] + bytes(len(srat) - 0x30)  # a disk's or a copy's, not firmware's
        with pytest.raises(DumpError, match=r"^srat\.dat: offset 0x30: .*(entry of length 0|1 bytes after)"):
            acpi.read(zeroed, "srat.dat")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: b"", "x: offset 0x0: empty"),
        (lambda text: b"CPU 0:\n   0x00000000 0x00: eax=0x0000000d", "x: offset 0x0: neither acpidump text"),
        (lambda text: text.replace(b"0010:", b"0020:", 1), "x:3: row 0x0020, expected 0x0010"),
        (lambda text: text.replace(b" 0A", b" 0G", 1), "x:4: expected two hex digits"),
        (lambda text: text.replace(b"    0010:", b"    001z:", 1), "x:3: expected 'OFFSET: HH HH ...'"),
        (
            lambda text: text.replace(b"SLIT @", b"SRAT @", 1),
            "x:2: SLIT at table offset 0x0: signature 'SLIT'",
        ),
        (
            lambda text: b"\n".join(text.split(b"\n")[:-3]),
            "x:3: SLIT at table offset 0x1f: the dump ends after 32",
        ),
        (lambda text: b"SLIT @ 0x0\n\n" + text, "x:1: table SLIT has no bytes"),
        (
            lambda text: text.replace(b"\n    0010", b"\n\n    0010", 1),
            "x:2: SLIT at table offset 0xf: the dump ends",
        ),
        (lambda text: b"    0000: 53 4C\n\n" + text, "x:1: bytes outside a table"),
    ],
)
def test_damaged_text_is_refused_with_the_line(damage, message: str) -> None:  # type: ignore[no-untyped-def]
    text = writer.acpidump([writer.slit([[10]])]).encode()
    with pytest.raises(DumpError) as caught:
        acpi.read(damage(text), "x")
    assert str(caught.value).startswith(message)


def test_chatter_between_tables_and_carriage_returns_do_no_harm() -> None:
    text = writer.acpidump([writer.slit([[10]]), writer.slit([[10]])])
    noisy = "acpidump 20200925, run as root\n\n" + text.replace("\n", "\r\n") + "done\r\n"
    assert acpi.read(noisy.encode(), "x") == acpi.read(text.encode(), "x")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_text_that_a_windows_shell_has_stored_is_the_same_text(encoding: str) -> None:
    stored = small_dump().decode().replace("\n", "\r\n").encode(encoding)
    assert acpi.recognises(stored)
    assert acpi.read(stored, "x") == acpi.read(small_dump(), "x")


def test_a_text_column_that_looks_like_bytes_is_no_byte() -> None:
    body = struct.pack("<Q", 2) + b"\n\x15\x15\n" + b" 41 42 43 44"
    text = writer.acpidump([writer.table("SLIT", 1, body)])
    assert " 41" in text
    assert acpi.tables(text.encode(), "x")[0].data.endswith(body)


def test_a_table_cut_anywhere_is_refused() -> None:
    data = writer.madt([writer.Processor(n, n) for n in range(4)], [writer.IoApic(1, 0xFEC00000, 0)])
    for length in range(len(data)):
        assert read_or_refuse(data[:length]) != "facts"


def test_a_text_cut_anywhere_is_refused_or_read_whole_tables() -> None:
    text = small_dump()
    whole = set(acpi.read(text, "x"))
    for length in range(len(text)):
        if read_or_refuse(text[:length]) == "facts":
            assert set(acpi.read(text[:length], "x")) <= whole


def mutated(data: bytes, generator: random.Random) -> bytes:
    """The data after one to four random changes: a bit, a byte, a cut, a piece taken out or doubled."""
    out = bytearray(data)
    for _ in range(generator.randint(1, 4)):
        at = generator.randrange(len(out)) if out else 0
        match generator.randrange(6):
            case 0 | 1 if out:
                out[at] ^= 1 << generator.randrange(8)
            case 2 if out:
                out[at] = generator.choice((0, 1, 0x20, 0x7F, 0xFF))
            case 3 if generator.randrange(4) == 0:
                del out[at:]
            case 4:
                del out[at : at + generator.randrange(64)]
            case 5:
                out[at:at] = out[at : at + generator.randrange(64)]
    return bytes(out)


def test_flipped_bits_give_facts_or_a_clear_error() -> None:
    text = small_dump()
    binary = b"".join(t.data for t in acpi.tables(text, "x"))
    generator = random.Random(1)
    outcomes = set()
    for data in (text, binary):
        for _ in range(250):
            damaged = bytearray(data)
            damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
            outcomes.add(read_or_refuse(bytes(damaged)) == "facts")
    assert outcomes == {True, False}


@given(st.binary(max_size=400))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    read_or_refuse(data)


DECODED = ["APIC", "SRAT", "SLIT", "HMAT", "PPTT", "MCFG", "DMAR", "HPET", "FACP", "RSDT", "XSDT"]


@given(st.sampled_from(DECODED), st.integers(0, 6), st.binary(max_size=300))
@settings(max_examples=400)
def test_random_bytes_under_a_right_header_are_refused_or_read(
    signature: str, revision: int, body: bytes
) -> None:
    read_or_refuse(writer.table(signature, revision, body))


@needs_dumps
@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutations_of_real_dumps_give_facts_or_a_clear_error(count: int) -> None:
    sources = [
        path.read_bytes() for path in sorted([*DUMPS.glob("*/acpidump*.txt"), *DUMPS.glob("*/tables/*.dat")])
    ]
    generator = random.Random(count)
    slowest = 0.0
    for _ in range(count):
        data = mutated(generator.choice(sources), generator)
        start = time.process_time()
        read_or_refuse(data)
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 2


def test_time_grows_with_the_size_of_the_dump_not_faster() -> None:
    def seconds(count: int) -> float:
        data = writer.acpidump([writer.slit([[10]])] * count).encode()
        start = time.process_time()
        acpi.read(data, "x")
        return time.process_time() - start

    seconds(100)
    assert seconds(8_000) < 40 * max(seconds(800), 0.002)


def test_dumps_are_recognised_by_their_content() -> None:
    binary = writer.slit([[10]])
    assert acpi.recognises(binary)
    assert acpi.recognises(b"# made on host x\n" + writer.acpidump([binary]).encode())
    assert acpi.recognises(b"RSD PTR @ 0x000f7240\n  0000: 52 53 44 20\n")
    assert acpi.recognises(b"RSD PTR \0LENOVO\2")
    for other in (
        b"",
        b"CPU 0:\n   0x00000000",
        b"00:00.0 Host bridge",
        b"<?xml version='1.0'?>",
        b"\x1f\x8b\x08\0\0\0\0\0",
    ):
        assert not acpi.recognises(other)


def test_old_root_pointers_are_tables_too() -> None:
    old = bytearray(b"RSD PTR \0LENOVO\0" + struct.pack("<I", 0xBF6D8794))
    old[8] = -sum(old) % 256
    text = "RSD PTR @ 0x000f7240\n" + writer.acpidump([bytes(old)]).partition("\n")[2]
    for data in (bytes(old), text.encode()):
        assert acpi.read(data, "x") == [fact("acpi_table", "RSDP", 1, 20, 0, "LENOVO", "ok")]
