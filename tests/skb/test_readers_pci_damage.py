"""The PCI reader on damaged dumps: an error of one line or facts, in time that grows with the size only."""

import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb.facts import Fact, compound, to_prolog_list
from skb.readers import DumpError, pci

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
TEXTS = sorted((SHARED / "data" / "pci").glob("*/lspci.txt"))
SMALL = [path for path in TEXTS if path.stat().st_size < 50_000]

needs_dumps = pytest.mark.skipif(not TEXTS, reason="no lspci dumps beside the checkout (shared/data/pci)")
quick = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

ADDRESS = compound("addr", 0, 1, 0)


def facts_or_error(data: bytes) -> list[Fact]:
    """What reading gives; whatever else than a DumpError of one line comes out fails the test."""
    try:
        facts = pci.read(data, "x")
    except DumpError as error:
        assert "\n" not in str(error)
        assert re.match(r"x(:[0-9]+)?: \S", str(error))
        return []
    assert facts
    to_prolog_list(facts)
    assert len(set(facts)) == len(facts)
    return facts


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to four hurts: cut off, bits flipped, pieces lost, doubled, moved, or made up."""
    hurt = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(hurt) + 1)
        to = min(len(hurt), at + chance.choice((1, 1, 3, 17, 60, 800)))
        match chance.randrange(6):
            case 0:
                del hurt[at:]
            case 1 if at < len(hurt):
                hurt[at] ^= 1 << chance.randrange(8)
            case 2:
                del hurt[at:to]
            case 3:
                hurt[at:at] = hurt[at:to]
            case 4:
                piece = hurt[at:to]
                del hurt[at:to]
                there = chance.randrange(len(hurt) + 1)
                hurt[there:there] = piece
            case _:
                hurt[at:to] = chance.randbytes(to - at)
    return bytes(hurt)


@needs_dumps
@quick
@given(st.sampled_from(SMALL or [Path()]), st.integers(0, 2**32))
def test_a_damaged_dump_gives_an_error_or_facts(path: Path, seed: int) -> None:
    facts_or_error(damaged(path.read_bytes(), random.Random(seed)))


@needs_dumps
@quick
@given(st.sampled_from(SMALL or [Path()]), st.data())
def test_a_dump_cut_off_says_nothing_that_the_whole_does_not(path: Path, data: st.DataObject) -> None:
    """Up to the last function that is whole; of the one cut through, nothing is made up from missing bytes."""
    whole = path.read_bytes()
    end = data.draw(st.integers(0, len(whole)))
    last = whole.rfind(b"\n\n", 0, end) + 1
    facts = set(facts_or_error(whole[:last]))
    assert facts <= set(pci.read(whole, "x"))


@needs_dumps
@pytest.mark.skipif(not shutil.which("lspci"), reason="lspci is not installed")
def test_what_lspci_refuses_as_malformed_is_refused(tmp_path: Path) -> None:
    chance = random.Random(2)
    file = tmp_path / "damaged.txt"
    refused = 0
    for _ in range(300):
        data = damaged(chance.choice(SMALL).read_bytes(), chance)
        file.write_bytes(data)
        done = subprocess.run(["lspci", "-F", str(file)], capture_output=True, check=False)
        if b"Malformed line" in done.stderr:
            refused += 1
            assert facts_or_error(data) == []
    assert refused > 20


@quick
@given(st.text(alphabet="0123456789abcdefABCDEF:.[]() \t\r\n,-x", max_size=400))
def test_text_that_resembles_lspci_gives_an_error_or_facts(text: str) -> None:
    facts_or_error(text.encode())
    facts_or_error(b"00:01.0 Device\n" + text.encode())


@quick
@given(st.binary(max_size=600))
def test_any_bytes_give_an_error_or_facts(data: bytes) -> None:
    facts_or_error(data)
    facts_or_error(b"00:01.0 Device\n\t" + data)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(min_size=64, max_size=320), st.binary(min_size=4096, max_size=4096)), st.booleans())
def test_any_configuration_space_gives_facts(config: bytes, has_capabilities: bool) -> None:
    space = bytearray(config)
    if has_capabilities:
        space[0x06] |= 0x10
        space[0x0E] &= 0x83
    facts = pci.read_config(bytes(space), ADDRESS, "config")
    assert sum(each.name in ("device", "bridge") for each in facts) == 1
    offsets = [each.args[2] for each in facts if each.name == "pci_capability"]
    assert len(set(offsets)) == len(offsets) <= 48 + 960


def seconds(data: bytes) -> float:
    """The best of three readings."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        facts_or_error(data)
        best = min(best, time.perf_counter() - start)
    return best


@pytest.mark.parametrize(
    "piece",
    [
        b"\tCapabilities: [40] Express (v2) Root Port, MSI 00 LnkCap: Speed Speed Speed, Width\n",
        b"\tRegion 0: Memory at 0 (32-bit, prefetchable) [size=1] [size= [size=\n",
        b"\t" + b"[8086:2f00 " * 40 + b"\n",
        b"40: 00 00\n",
        b"00:01.0 Bridge [0604]: [[[[ [8086:1234] (rev 01) (prog-if 00 [x]\n",
        b"\t\tLnkSta: Speed 2.5, Speed 2.5, Width x\n",
    ],
)
def test_reading_takes_time_in_proportion(piece: bytes) -> None:
    """Ten times as much input takes no more than 40 times as long, whatever it repeats."""
    head = b"00:01.0 Device\n"
    few, many = seconds(head + piece * 300), seconds(head + piece * 3000)
    assert many < 40 * few + 0.05


@pytest.mark.parametrize("piece", [b"[8086:", b"(rev 01", b": ", b" (prog-if 00 [", b"]: [", b"Class 0600: "])
@pytest.mark.parametrize("start", [b"", b"x\n\tSubsystem: ", b"x\n\tFlags: IRQ 1", b"x\n\t\tLnkSta: Speed 2.5, "])
def test_a_line_without_end_takes_time_in_proportion(start: bytes, piece: bytes) -> None:
    few, many = (seconds(b"00:01.0 " + start + piece * count + b"\n") for count in (3000, 30000))
    assert many < 40 * few + 0.05


@needs_dumps
@pytest.mark.slow
def test_ten_thousand_damaged_dumps_give_errors_or_facts() -> None:
    chance = random.Random(1)
    contents = [path.read_bytes() for path in TEXTS]
    slowest = 0.0
    for _ in range(10_000):
        data = chance.choice(contents)
        # a piece of a dump: the large ones are alike all through
        start = chance.randrange(len(data))
        hurt = damaged(data[start : start + 20_000], chance)
        began = time.perf_counter()
        facts_or_error(hurt)
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 1.0
