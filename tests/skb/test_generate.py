"""Shipped machines: made from their descriptions, accepted by the system's own tools, read as stated."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from skb import machine
from skb.generate import generate
from skb.knowledge import KnowledgeBase

DESCRIBED = sorted(machine.SHIPPED.glob("*/machine.toml"))

Load = Callable[[str], KnowledgeBase]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, cwd=cwd, check=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("description", DESCRIBED, ids=lambda path: path.parent.name)
def test_the_dumps_of_a_machine_are_those_its_description_makes(description: Path) -> None:
    for name, data in generate(tomllib.loads(description.read_text())).items():
        assert (description.parent / name).read_bytes() == data, name


def test_cpuid_accepts_the_processors() -> None:
    text = run("cpuid", "-f", machine.SHIPPED / "amd-4x4" / "cpuid.txt")
    assert text.count("Quad-Core Opteron (Shanghai RB-C2)") == 16
    places = re.findall(r"\(APIC synth\): PKG_ID=(\d+) CORE_ID=(\d+) SMT_ID=(\d+)", text)
    assert [tuple(map(int, place)) for place in places] == [(core // 4, core % 4, 0) for core in range(16)]


def test_lspci_accepts_the_devices() -> None:
    text = run("lspci", "-F", machine.SHIPPED / "amd-4x4" / "pci.txt", "-Dn")
    assert "0000:01:00.0 0200: 8086:107d (rev 06)" in text
    assert len(re.findall(r"^0000:00:1[89ab]\.[0-4] 0600: 1022:120[0-4]", text, re.MULTILINE)) == 20


def test_iasl_accepts_the_tables(tmp_path: Path) -> None:
    run("acpixtract", "-a", machine.SHIPPED / "amd-4x4" / "acpi.txt", cwd=tmp_path)
    tables = sorted(tmp_path.glob("*.dat"))
    assert [table.stem for table in tables] == ["apic", "facp", "mcfg", "slit", "srat"]
    for table in tables:
        text = run("iasl", "-d", table)
        assert not re.search("error|warning|invalid", text, re.IGNORECASE), text


def test_the_facts_are_those_of_the_dissertation(load: Load) -> None:
    """§2.3.1 and table 2.5, as the readers give them and the rules conclude from them."""
    kb = load("amd-4x4")
    assert kb.once("aggregate_all(count, core(_), N)") == {"N": 16}
    assert kb.all("package_of(C, 3)") == [{"C": core} for core in (12, 13, 14, 15)]
    assert kb.all("shares_cache(0, X, 3)") == [{"X": 1}, {"X": 2}, {"X": 3}]
    assert kb.once("shares_cache(0, _, 2)") is None
    caches = kb.all("cpu_cache(0, _, Level, Type, Size, _, 64, Shared, _)")
    found = {(row["Level"], row["Type"]): (row["Size"], row["Shared"]) for row in caches}
    assert found == {
        (1, "data"): (65536, 1), (1, "instr"): (65536, 1), (2, "unified"): (524288, 1), (3, "unified"): (6291456, 4),
    }
    assert [kb.once(f"distance(0, {other}, D)") for other in (1, 4, 8, 12)] == [
        {"D": 448}, {"D": 545}, {"D": 545}, {"D": 558},
    ]
    assert kb.all("hops(0, C, 2)") == [{"C": core} for core in (12, 13, 14, 15)]
    assert kb.all("node_distance(0, N, D)") == [
        {"N": 0, "D": 10}, {"N": 1, "D": 16}, {"N": 2, "D": 16}, {"N": 3, "D": 22},
    ]
    assert kb.all("closest_memory(13, N)") == [{"N": 3}]
    assert kb.once("contradiction(F, S, G, T)") is None


def test_a_machine_is_loaded_whole_or_not_at_all(load: Load, tmp_path: Path) -> None:
    kb = load("amd-4x4")
    broken = tmp_path / "broken"
    shutil.copytree(machine.SHIPPED / "amd-4x4", broken)
    (broken / "facts.pl").write_text("ht_link(0, 1).\nht_lnk(1, 3).\n")
    with pytest.raises(Exception, match=r"facts.pl:2: no fact ht_lnk/2; did you mean ht_link/2"):
        machine.load(kb, broken)
    assert kb.once("distance(0, 12, D)") == {"D": 558}
    assert kb.once("machine(M)") == {"M": "amd-4x4"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ht_link(0, 1).\nht_link(1\n", r"facts.pl:\d: [sS]yntax error"),
        (":- initialization(halt).\n", "facts.pl:1: expected a fact; facts.pl has no directives"),
        ("p(X) :- q(X).\n", "facts.pl:1: expected a fact; rules are loaded"),
        ("ht_link(a, 1).\n", r"facts.pl:1: ht_link/2"),
    ],
)
def test_what_is_wrong_with_facts_is_told_with_its_line(
    load: Load, tmp_path: Path, text: str, message: str
) -> None:
    kb = load("amd-4x4")
    broken = tmp_path / "broken"
    shutil.copytree(machine.SHIPPED / "amd-4x4", broken)
    (broken / "facts.pl").write_text(text)
    with pytest.raises(Exception, match=message):
        machine.load(kb, broken)
    assert kb.once("machine(M)") == {"M": "amd-4x4"}


@pytest.mark.parametrize(
    ("name", "message"),
    [("amd-4x5", "did you mean amd-4x4"), ("nonsense", "there are amd-4x4"), ("/nowhere/at/all", "no machine")],
)
def test_an_unknown_machine_is_told_with_what_there_is(name: str, message: str) -> None:
    with pytest.raises(machine.MachineError, match=message):
        machine.find(name)


def test_an_empty_folder_is_no_machine(tmp_path: Path) -> None:
    with pytest.raises(machine.MachineError, match="no machine: none of"):
        machine.read(tmp_path)
