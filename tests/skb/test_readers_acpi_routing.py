"""PCI roots and interrupt routing from the DSDTs of real machines, with acpica's interpreter (acpiexec) as oracle."""

import contextlib
import gzip
import os
import random
import re
import shutil
import struct
import subprocess
import time
from functools import cache
from pathlib import Path

import pytest

from skb.facts import Compound, Fact, Text, compound, fact
from skb.readers import acpi
from skb.readers.acpi_aml import Namespace
from skb.readers.acpi_aml_objects import UNKNOWN, AmlError, Method, Name
from skb.writers import acpi as writer

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))


@cache
def contents(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


DUMPS = [path for path in sorted(SHARED.glob("data/acpi/*/acpidump*")) if b"\nDSDT @" in contents(path)]

needs_dumps = pytest.mark.skipif(not DUMPS, reason="no dumps with a DSDT beside the checkout (shared/data/acpi)")
needs_iasl = pytest.mark.skipif(not shutil.which("iasl"), reason="iasl is not installed")
needs_acpiexec = pytest.mark.skipif(not shutil.which("acpiexec"), reason="acpiexec is not installed")
PREDEFINED = {(name,) for name in ("_GPE", "_PR_", "_SB_", "_SI_", "_TZ_", "_OSI", "_REV", "_OS_", "_GL_")}

every = pytest.mark.parametrize("path", DUMPS, ids=lambda path: path.parent.name)


def definitions(path: Path) -> list[acpi.Table]:
    tables = acpi.tables(contents(path), path.name)
    return [t for t in acpi.counting_tables(tables) if t.signature == "DSDT"] + [
        t for t in tables if t.signature == "SSDT"
    ]


def loaded(tables: list[acpi.Table]) -> Namespace:
    space = Namespace()
    for table in tables:
        space.load(table.data[36 : table.length], tables[0].revision)
    return space


def acpiexec(tables: list[acpi.Table], folder: Path, *commands: str) -> str:
    """What acpica's debugger prints; it has no hardware either."""
    names = []
    for number, table in enumerate(tables):
        names.append(f"{number}.dat")
        (folder / names[-1]).write_bytes(table.data[: table.length])
    command = ["acpiexec", "-b", "; ".join(commands), *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False).stdout


def stated(output: str) -> list[list[object]]:
    """The four elements of each entry in a package of packages as acpiexec prints it; "link" for a reference."""
    entries: list[list[object]] = []
    for kind, value in re.findall(r"^ {4,}\[(Package|Integer|Object Reference|String)\](.*)", output, re.MULTILINE):
        if kind == "Package":
            entries.append([])
        elif kind == "Integer":
            entries[-1].append(int(value.partition("=")[2], 16))
        else:
            entries[-1].append("link")
    return entries


@needs_dumps
@needs_acpiexec
@every
def test_every_routing_table_is_the_one_that_acpica_evaluates(path: Path, tmp_path: Path) -> None:
    tables = definitions(path)
    space = loaded(tables)
    space.evaluate(("_PIC",), 1)
    found = [each for each in space.objects if each[-1] == "_PRT"]
    assert found
    names = ["\\" + ".".join(each) for each in found]
    output = acpiexec(tables, tmp_path, "execute \\_PIC 1", *(f"execute {name}" for name in names))
    answers = dict(re.findall(r"^Evaluating (\S+)\n(.*?)(?=^Evaluating|\Z)", output, re.MULTILINE | re.DOTALL))
    for place, name in zip(found, names, strict=True):
        entries = space.evaluate(place)
        told = [["link" if isinstance(part, Name) else part for part in entry] for entry in entries]
        assert told == stated(answers[name]), name


@needs_dumps
@needs_acpiexec
@every
def test_the_namespace_is_the_one_that_acpica_loads(path: Path, tmp_path: Path) -> None:
    tables = definitions(path)
    expected: dict[tuple[str, ...], str] = {}
    above: list[str] = []
    output = acpiexec(tables, tmp_path, "namespace")
    for depth, segment, kind in re.findall(r"^ *(\d+) +(\w{4}) (\w+) ", output, re.MULTILINE):
        above = [*above[: int(depth)], segment]
        expected[tuple(above)] = kind
    objects = loaded(tables).objects
    assert objects.keys() == {
        place
        for place, kind in expected.items()
        if kind != "Scope" and place not in PREDEFINED and place[0] != "_TI_"  # acpiexec's own
    }
    for kind, type_ in (("Method", Method), ("Integer", int), ("String", str), ("Package", list)):
        found = {place for place, value in objects.items() if isinstance(value, type_)}
        assert found == {place for place in objects if expected[place] == kind}, kind


# --- the facts ----------------------------------------------------------------------------------------------


@needs_dumps
def test_a_server_with_four_sockets_routes_its_pins_to_global_interrupts() -> None:
    (path,) = [each for each in DUMPS if "h8qg6" in each.parent.name]
    routes = [each for each in acpi.read(contents(path), "x") if each.name == "prt"]
    assert fact("prt", compound("addr", 0, 0, "any"), 0, compound("gsi", 0x37)) in routes
    behind = compound("behind", compound("addr", 0, 2, 0))
    places = [each.args[0] for each in routes]
    assert {place.args[0] for place in places if isinstance(place, Compound)} >= {0, behind}


def compiled(folder: Path, source: str) -> bytes:
    """A DSDT as iasl compiles it."""
    text = f'DefinitionBlock ("", "DSDT", 2, "HOUSE", "ROUTES", 1) {{ {source} }}'
    (folder / "dsdt.asl").write_text(text)
    done = subprocess.run(["iasl", "dsdt.asl"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return (folder / "dsdt.aml").read_bytes()


def routing(data: bytes) -> list[Fact]:
    return [each for each in acpi.read(data, "dsdt.aml") if each.name != "acpi_table"]


ROOT = """
    Name (PICM, 0)
    Method (_PIC, 1) { Store (Arg0, PICM) }
    Scope (\\_SB) {
        Device (LNKA) {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_PRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) {5, 10} })
        }
        Device (PCI0) {
            Name (_HID, EisaId ("PNP0A08")) Name (_CID, EisaId ("PNP0A03")) Name (_BBN, 0x20) BODY
        }
    }
"""


@needs_iasl
@pytest.mark.parametrize(
    "body",
    [
        "Name (_PRT, Package () { Package () {0x0003FFFF, 1, 0, 17}, Package () {0x00040002, 0, LNKA, 0} })",
        """Name (AR00, Package () { Package () {0x0003FFFF, 1, 0, 17}, Package () {0x00040002, 0, LNKA, 0} })
           Name (PR00, Package () {})
           Method (_PRT) { If (PICM) { Return (AR00) } Return (PR00) }""",
        """Method (_PRT) { If (LNot (_OSI ("Windows 2015"))) { Return (Package () {}) }
               If (LEqual (PICM, Zero)) { Return (Package () {}) } Else {
               Return (Package () {
                   Package () {0x0003FFFF, 1, 0, 17}, Package () {0x00040002, 0, \\_SB.LNKA, 0} }) } }""",
        """Method (_PRT) {
               Store (Package (2) {}, Local0) Store (Zero, Local1)
               Store (Package () {Zero, Zero, Zero, Zero}, Index (Local0, 0))
               While (LLess (Local1, 1)) {
                   Store (Or (ShiftLeft (3, 16), 0xFFFF), Index (DerefOf (Index (Local0, Local1)), 0))
                   Store (1, Index (DerefOf (Index (Local0, Local1)), 1))
                   Store (Add (16, 1), Index (DerefOf (Index (Local0, Local1)), 3))
                   Increment (Local1)
               }
               Store (Package () {0x00040002, 0, LNKA, 0}, Index (Local0, 1))
               Return (Local0) }""",
    ],
    ids=["package", "by interrupt model", "else", "loop"],
)
def test_a_routing_table_may_be_a_package_or_what_a_method_computes(body: str, tmp_path: Path) -> None:
    link = Text("\\_SB_.LNKA")
    assert routing(compiled(tmp_path, ROOT.replace("BODY", body))) == [
        fact("prt", compound("addr", 0x20, 3, "any"), 1, compound("gsi", 17)),
        fact("prt", compound("addr", 0x20, 4, 2), 0, compound("pir", link)),
        fact("pir", link, 5),
        fact("pir", link, 10),
    ]


WINDOWS = """ResourceTemplate () {
    WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0x20, 0x3F, 0, 0x20)
    DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                 0, 0x000A0000, 0x000BFFFF, 0, 0x20000)
    DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                 0, 0xC0000000, 0xDFFFFFFF, 0, 0x20000000)
    QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Prefetchable, ReadWrite,
                 0, 0x4000000000, 0x7FFFFFFFFF, 0, 0x4000000000)
    WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x1000, 0xFFFF, 0, 0xF000)
}"""


@needs_iasl
def test_the_windows_of_a_root_are_those_that_the_firmware_states(tmp_path: Path) -> None:
    address = compound("addr", 0x20, 0, 0)
    low, high = compound("mem", 0xC0000000, 0xDFFFFFFF), compound("mem", 0x40 << 32, (0x80 << 32) - 1)
    stated = [
        fact("rootbridge_address_window", address, low),
        fact("rootbridge_address_window", address, high),
        fact("rootbridge", address, compound("childbus", 0x20, 0x3F), high),
    ]
    assert routing(compiled(tmp_path, ROOT.replace("BODY", f"Name (_CRS, {WINDOWS})"))) == stated
    method = f"""Name (BUF0, {WINDOWS}) Method (_CRS) {{
        CreateDWordField (BUF0, 52, LMIN) CreateDWordField (BUF0, 64, LLEN)
        Store (0xD0000000, LMIN) Store (0x10000000, LLEN) Return (BUF0) }}"""
    moved = fact("rootbridge_address_window", address, compound("mem", 0xD0000000, 0xDFFFFFFF))
    assert routing(compiled(tmp_path, ROOT.replace("BODY", method))) == [moved, *stated[1:]]
    by_hardware = method.replace("Store (0xD0000000, LMIN)", "Store (TOLM, LMIN)")
    region = "OperationRegion (MCHR, PCI_Config, 0x9C, 4) Field (MCHR, DWordAcc, NoLock, Preserve) { TOLM, 32 }"
    assert routing(compiled(tmp_path, ROOT.replace("BODY", f"{region} {by_hardware}"))) == []


@needs_iasl
def test_what_depends_on_hardware_is_left_out_not_guessed(tmp_path: Path) -> None:
    body = """OperationRegion (GPIO, SystemIO, 0x500, 1) Field (GPIO, ByteAcc, NoLock, Preserve) { STRP, 1 }
        Method (_PRT) { If (STRP) { Return (Package () { Package () {3, 1, 0, 17} }) } Return (Package () {}) }"""
    assert routing(compiled(tmp_path, ROOT.replace("BODY", body))) == []


# --- damage -------------------------------------------------------------------------------------------------


def dsdt(code: bytes) -> bytes:
    return writer.table("DSDT", 2, code)


def package_length(content: bytes) -> bytes:
    """Content behind a PkgLength of four bytes."""
    length = len(content) + 4
    return bytes((0xC0 | length & 0xF, length >> 4 & 0xFF, length >> 12 & 0xFF, length >> 20)) + content


def method(name: bytes, code: bytes) -> bytes:
    return b"\x14" + package_length(name + b"\0" + code)


@pytest.mark.parametrize(
    "code",
    [
        b"\xa2" + package_length(b"\x01"),  # while (1) {}
        b"\xa4_PRT",  # return (_PRT ()): calls itself
        b"\x92" * 5000 + b"\x01",  # lnot (lnot (...
        b"\xa4" + b"\x79\x01\x0e" + b"\xff" * 8 + b"\0",  # 1 << (2**64 - 1)
        b"\xa4\x11" + package_length(b"\x0e" + b"\xff" * 8),  # a buffer of 2**64 bytes
        b"\xa4\x13" + package_length(b"\x0c" + b"\xff" * 4),  # a package of 2**32 elements
        # local0 = package () {0, 0}; while (1) { local0[0] = local0; local0[1] = local0 }
        b"\x70\x12" + package_length(b"\2\0\0") + b"\x60\xa2"
        + package_length(b"\x01\x70\x60\x88\x60\x00\x00\x70\x60\x88\x60\x01\x00"),
    ],
    ids=["endless loop", "endless recursion", "deep", "shift", "buffer", "package", "growing package"],
)  # fmt: skip
def test_code_that_never_ends_or_grows_without_bound_ends(code: bytes) -> None:
    space = Namespace()
    start = time.process_time()
    space.load(method(b"_PRT", code), 2)
    with contextlib.suppress(AmlError):
        assert space.evaluate(("_PRT",)) == 0
    assert time.process_time() - start < 2
    assert acpi.read(dsdt(method(b"_PRT", code)), "x")


def test_blocks_within_blocks_without_end_are_passed_over() -> None:
    code = b""
    for _ in range(3000):
        code = b"\x10" + package_length(b"\\" + code)  # Scope (\) { Scope (\) { ...
    Namespace().load(code, 2)


@needs_dumps
@pytest.mark.parametrize("count", [60, pytest.param(3_000, marks=pytest.mark.slow)])
def test_mutated_code_gives_facts_in_good_time(count: int) -> None:
    chance = random.Random(count)
    sources = [b"".join(t.data[: t.length] for t in definitions(path)) for path in DUMPS]
    slowest = 0.0
    for _ in range(count):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice((1, 4, 40))):
            data[chance.randrange(36, len(data))] = chance.choice((0, 0x5B, 0xA2, 0xA0, chance.randrange(256)))
        struct.pack_into("<I", data, 4, len(data))  # all of it is one DSDT now
        start = time.process_time()
        assert all(str(each) for each in acpi.read(bytes(data), "x"))
        slowest = max(slowest, time.process_time() - start)
    assert slowest < 5


def test_what_is_not_defined_is_unknown() -> None:
    space = Namespace()
    space.load(b"\x08AAAA\x0a\x07" + method(b"BBBB", b"\xa4CCCC"), 2)
    assert space.evaluate(("AAAA",)) == 7
    assert space.evaluate(("BBBB",)) is UNKNOWN
    with pytest.raises(AmlError, match=r"no \\CCCC"):
        space.evaluate(("CCCC",))
