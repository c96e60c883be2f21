"""The /proc/cpuinfo reader: a file by itself, as kernels of several architectures write it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.facts import Fact, fact
from skb.readers import DumpError, cpuinfo

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
HUANANZHI = SHARED / "data" / "sysfs" / "cpuinfo" / "huananzhi-x99-qd4.txt"
HERE = Path("/proc/cpuinfo")


def paragraph(cpu: int, **fields: object) -> str:
    lines = [f"processor\t: {cpu}", *(f"{key.replace('_', ' ')}\t: {value}" for key, value in fields.items())]
    return "\n".join(lines) + "\n\n"


def named(facts: list[Fact], name: str) -> list[tuple[object, ...]]:
    return [each.args for each in facts if each.name == name]


X86 = "".join(
    paragraph(cpu, model_name="Some Xeon @ 2.50GHz", cpu_MHz="1200.000", physical_id=cpu % 2, core_id=cpu // 4)
    for cpu in range(8)
).encode()


def test_packages_cores_and_threads_are_told_by_their_ids() -> None:
    facts = cpuinfo.read(X86, "cpuinfo")
    assert named(facts, "cpu_thread") == [
        (0, 0, 0, 0), (1, 1, 0, 0), (2, 0, 0, 1), (3, 1, 0, 1),
        (4, 0, 1, 0), (5, 1, 1, 0), (6, 0, 1, 1), (7, 1, 1, 1),
    ]


def test_the_clock_in_the_name_counts_before_the_one_of_the_moment() -> None:
    assert set(cpuinfo.clocks(X86, "cpuinfo").values()) == {(2_500_000_000, "model name")}


def test_without_a_clock_in_the_name_the_highest_of_the_moment_counts() -> None:
    text = "".join(
        paragraph(cpu, model_name="AMD EPYC", cpu_MHz=clock) for cpu, clock in enumerate(("1500.000", "2596.126"))
    )
    assert cpuinfo.clocks(text.encode(), "cpuinfo") == {
        0: (2_596_126_000, "cpu MHz"), 1: (2_596_126_000, "cpu MHz"),
    }


def test_power_writes_its_clock_with_the_unit() -> None:
    text = "processor : 0\ncpu : POWER7 (architected)\nclock : 3864.000000MHz\nrevision : 2.1\n\n"
    assert named(cpuinfo.read(text.encode(), "cpuinfo"), "cpu_clock") == [(0, 3_864_000_000)]


def test_an_arm_kernel_tells_neither_packages_nor_clocks() -> None:
    text = "processor : 0\nBogoMIPS : 50\nCPU implementer : 0x41\n\nprocessor : 1\nBogoMIPS : 50\n\nHardware : x\n"
    facts = cpuinfo.read(text.encode(), "cpuinfo")
    assert facts == [fact("cpu_thread", 0, 0, 0, 0), fact("cpu_thread", 1, 0, 1, 0)]


@pytest.mark.parametrize(
    "text",
    ["", "processor\t: 0\n", "model name: x\n", "processor : zero\nvendor_id : x\n", "\0processor\t: 0\ncpu: 1\n"],
)
def test_other_texts_are_not_recognised(text: str) -> None:
    assert not cpuinfo.recognises(text.encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flags : x\n", "cpuinfo:1: no CPU"),
        ("processor : 1\n\nprocessor : 1\n", "cpuinfo:3: processor 1: a second time"),
        ("processor : 999999\n", "cpuinfo:1: processor 999999: there is no number above"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DumpError, match=f"^{re.escape(message)}"):
        cpuinfo.read(text.encode(), "cpuinfo")


@pytest.mark.parametrize(
    ("name", "hertz"),
    [
        ("Intel(R) Xeon(R) CPU           E5472  @ 3.00GHz", 3_000_000_000),
        ("Quad-Core AMD Opteron(tm) Processor 8380", None), ("ZHAOXIN KaiSheng ZX-C+ FC-1081@2.0GHz", 2_000_000_000),
        ("Pentium III 866MHz", 866_000_000), ("0GHz", None),
        ("VIA Nano X2 U4025 @ 1.2+GHz", 1_200_000_000), ("VIA Nano U3400@800+MHz", 800_000_000),
    ],
)
def test_the_clock_in_a_name(name: str, hertz: int | None) -> None:
    assert cpuinfo.clock_in_name(name) == hertz


@given(st.binary(max_size=400) | st.builds(lambda cut: X86[:cut], st.integers(0, len(X86))))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        facts = cpuinfo.read(data, "cpuinfo")
    except DumpError as error:
        assert error.where.startswith("cpuinfo:")
    else:
        assert named(facts, "cpu_thread")


@pytest.mark.skipif(not HUANANZHI.exists(), reason="no copies of cpuinfo beside the checkout (shared/data/sysfs)")
def test_a_real_machine_of_ten_cores_with_two_threads_each() -> None:
    data = HUANANZHI.read_bytes()
    assert cpuinfo.recognises(data)
    facts = cpuinfo.read(data, HUANANZHI.name)
    places = named(facts, "cpu_thread")
    assert len(places) == 20
    assert len({place[1:3] for place in places}) == 10
    assert {args[1] for args in named(facts, "cpu_clock")} == {2_900_000_000}


@pytest.mark.skipif(not HERE.exists(), reason="this system has no /proc/cpuinfo")
def test_this_machine_has_the_cpus_that_the_kernel_runs() -> None:
    online = Path("/sys/devices/system/cpu/online")
    if not online.exists():
        pytest.skip("this system has no /sys/devices/system/cpu")
    expected = set()
    for part in online.read_text().strip().split(","):
        first, _, last = part.partition("-")
        expected |= set(range(int(first), int(last or first) + 1))
    assert {args[0] for args in named(cpuinfo.read(HERE.read_bytes(), str(HERE)), "cpu_thread")} == expected


def test_loongarch_and_mips_name_their_places_otherwise() -> None:
    loongson = "".join(
        f"processor : {cpu}\npackage : {cpu // 2}\ncore : {cpu % 2}\n"
        "Model Name : Loongson-3A5000\nCPU MHz : 2500.00\n\n"
        for cpu in range(4)
    ).encode()
    assert cpuinfo.recognises(loongson)
    facts = cpuinfo.read(loongson, "x")
    places = [f.args for f in facts if f.name == "cpu_thread"]
    assert places == [(0, 0, 0, 0), (1, 0, 1, 0), (2, 1, 0, 0), (3, 1, 1, 0)]
    assert {f.args[1] for f in facts if f.name == "cpu_clock"} == {2_500_000_000}
    mips = b"processor : 0\nBogoMIPS : 1\nVPE : 0\ncore : 0\n\nprocessor : 1\nBogoMIPS : 1\nVPE : 1\ncore : 0\n\n"
    assert [f.args for f in cpuinfo.read(mips, "x") if f.name == "cpu_thread"] == [(0, 0, 0, 0), (1, 0, 0, 1)]
