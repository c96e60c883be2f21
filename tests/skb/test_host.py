"""The host as dumps: what it tells agrees with lstopo, and what it does not tell is said."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

from kernel.multikernel import Multikernel
from skb import host, importing, machine
from skb.host_cpuid import text_of_devices
from skb.knowledge import KnowledgeBase
from skb.machine import MachineError
from skb.readers import DumpError, acpi, cpuid
from skb.readers.cpuid_dumps import parse

AMD = machine.SHIPPED / "amd-4x4"
needs_sysfs = pytest.mark.skipif(
    not Path("/sys/devices/system/cpu/cpu0/topology").exists(), reason="this system has no /sys/devices/system/cpu"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with two cores, two PCI functions (one seen as no root sees it) and ACPI tables."""
    root = tmp_path / "root"
    files = {"sys/devices/system/cpu/online": b"0-1\n", "proc/cpuinfo": b""}
    for cpu in range(2):
        topology = f"sys/devices/system/cpu/cpu{cpu}/topology"
        files |= {
            f"{topology}/core_cpus": f"{1 << cpu:x}\n".encode(), f"{topology}/core_id": f"{cpu}\n".encode(),
            f"{topology}/package_cpus": b"3\n", f"{topology}/physical_package_id": b"0\n",
        }
        files["proc/cpuinfo"] += f"processor\t: {cpu}\nmodel name\t: Some CPU @ 2.00GHz\n\n".encode()
    config = bytes.fromhex("8680 7d10 0604 1000 0600 0002").ljust(256, b"\0")
    files["sys/bus/pci/devices/0000:00:01.0/config"] = config
    files["sys/bus/pci/devices/0000:00:02.0/config"] = config[:64]
    for table in acpi.tables((AMD / "acpi.txt").read_bytes(), "acpi.txt"):
        files[f"sys/firmware/acpi/tables/{table.signature}"] = table.data
    files["sys/firmware/acpi/tables/data/BERT"] = b"\1\2\3"
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder in which tools are sought."""
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def reasons(told: host.Told, kind: str) -> list[str]:
    return [why for what, why in told.not_read if what == kind]


# -- this machine ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lstopo() -> Counter[str]:
    """How many objects of each type lstopo finds here, all cores included."""
    if shutil.which("lstopo") is None:
        pytest.skip("lstopo is not installed")
    done = subprocess.run(["lstopo", "--disallowed", "--of", "xml", "-"], capture_output=True, timeout=60, check=True)
    return Counter(each.get("type", "") for each in ElementTree.fromstring(done.stdout).iter("object"))


@needs_sysfs
@pytest.mark.parametrize("kinds", [{"sysfs"}, {"sysfs", "cpuid", "hwloc", "acpi", "pci"}], ids=["sysfs", "all"])
def test_the_host_has_the_objects_that_lstopo_finds(
    kb: KnowledgeBase, lstopo: Counter[str], kinds: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = host.read_host()
    kept = host.Told([dump for dump in real.dumps if dump.kind in kinds], real.not_read)
    monkeypatch.setattr(host, "read_host", lambda: kept)
    imported = importing.import_machine(kb, "here", from_host=True)
    assert imported.cores == lstopo["PU"]
    assert imported.packages == lstopo["Package"]
    assert imported.nodes == lstopo["NUMANode"]
    machine.load(kb, imported.path)
    physical = {(row["P"], row["C"]) for row in kb.all("cpu_thread(_, P, C, _)")}
    assert len(physical) == lstopo["Core"]
    for level, kind, name in ((1, "data", "L1Cache"), (1, "instr", "L1iCache"), (2, "unified", "L2Cache"),
                              (3, "unified", "L3Cache")):
        found = kb.all(f"cpu_cache_id(_, {level}, {kind}, I)")
        assert len({row["I"] for row in found}) == lstopo[name], name
    assert len(Multikernel.boot(kb).drivers) == lstopo["PU"]


@needs_sysfs
def test_the_host_is_kept_in_files_that_a_machine_folder_has(kb: KnowledgeBase) -> None:
    imported = importing.import_machine(kb, "here", from_host=True)
    read = machine.read(imported.path)
    counts = {source: len(facts) for source, facts in read.facts}
    assert {s: n for s, n in counts.items() if s != "a_priori"} == {
        s: n for s, n in imported.facts.items() if s != "a_priori"
    }
    assert sum(file.stat().st_size for file in imported.path.rglob("*") if file.is_file()) < 64 << 20
    assert any(remark.startswith("latency: not measured") for remark in imported.remarks)


@needs_sysfs
def test_the_host_tells_its_caches_sizes_as_the_kernel_does(kb: KnowledgeBase) -> None:
    size = Path("/sys/devices/system/cpu/cpu0/cache/index0/size")
    if not size.exists():
        pytest.skip("this kernel tells no caches")
    imported = importing.import_machine(kb, "here", from_host=True)
    machine.load(kb, imported.path)
    text = size.read_text().strip()
    assert kb.once("cpu_cache(0, _, 1, T, S, _, _, _, _), T \\== instr")["S"] == int(text[:-1]) << 10  # type: ignore[index]


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
@needs_sysfs
def test_a_process_bound_to_one_core_still_sees_the_machine(tmp_path: Path) -> None:
    first = min(os.sched_getaffinity(0))
    script = (
        "import json; from skb.host import read_host\n"
        "def cores(dump): return len({f.args[0] for f in dump.read() if f.name == 'cpu_thread'})\n"
        "print(json.dumps({dump.kind: cores(dump) for dump in read_host().dumps if dump.kind != 'cpuid'}))"
    )
    command = [sys.executable, "-c", script]
    told = [
        json.loads(subprocess.run([*bound, *command], capture_output=True, timeout=60, check=True).stdout)
        for bound in (["taskset", "-c", str(first)], [])
    ]
    assert told[0] == told[1]


# -- hosts that tell little ------------------------------------------------------------------------


def test_what_can_be_read_is_and_the_rest_is_told(root: Path, tools: Path) -> None:
    told = host.read_host(root, str(tools))
    assert {dump.kind for dump in told.dumps} == {"acpi", "sysfs"}
    assert reasons(told, "cpuid") == ["cpuid is not installed (package cpuid)"]
    assert reasons(told, "hwloc") == ["lstopo is not installed (package hwloc-nox)"]
    assert reasons(told, "pci") == [
        "1 functions show the first 64 bytes of their configuration space only; run as root",
        "lspci is not installed (package pciutils)",
    ]
    (tables,) = [dump for dump in told.dumps if dump.kind == "acpi"]
    assert sorted(tables.files) == ["acpi/APIC", "acpi/FACP", "acpi/MCFG", "acpi/SLIT", "acpi/SRAT"]


def test_a_host_of_a_few_files_is_a_machine(
    root: Path, tools: Path, kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = host.read_host(root, str(tools))
    monkeypatch.setattr(host, "read_host", lambda: told)
    imported = importing.import_machine(kb, "here", from_host=True)
    assert (imported.cores, imported.clocks_hz) == (2, (2_000_000_000,))
    assert {remark.split(":")[0] for remark in imported.remarks} >= {"cpuid", "hwloc", "pci", "latency"}


def test_what_is_named_goes_before_what_the_host_tells(
    root: Path, tools: Path, kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = host.read_host(root, str(tools))
    monkeypatch.setattr(host, "read_host", lambda: told)
    imported = importing.import_machine(kb, "here", [AMD / "acpi.txt"], from_host=True)
    assert imported.facts["acpi"] == 68
    assert [why for _, why in imported.left_out] == [f"acpi is taken from {AMD / 'acpi.txt'}"]


def test_a_container_without_sys_is_told(
    tmp_path: Path, tools: Path, kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = host.read_host(tmp_path, str(tools))
    assert told.dumps == []
    assert "no cpu/ or devices/system/cpu in it; a container without /sys?" in reasons(told, "sysfs")[0]
    assert reasons(told, "acpi") == [
        f"{tmp_path}/sys/firmware/acpi/tables: no such file or directory; a container, or no ACPI firmware"
    ]
    monkeypatch.setattr(host, "read_host", lambda: told)
    with pytest.raises(MachineError, match=r"nothing to import: .*sysfs: .*acpi: .*cpuid is not installed"):
        importing.import_machine(kb, "here", from_host=True)


def test_tables_that_only_root_may_read_say_so(root: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise DumpError(str(path), "cannot be read: permission denied")

    monkeypatch.setattr(host, "read_whole", refuse)
    told = host.read_host(root, str(tools))
    assert reasons(told, "acpi") == [
        f"{root}/sys/firmware/acpi/tables: cannot be read: permission denied (5 tables); run as root"
    ]


def test_a_folder_of_tables_that_is_closed_says_so(root: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.listdir

    def refuse(path: str | Path) -> list[str]:
        if str(path).endswith("tables"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert reasons(host.read_host(root, str(tools)), "acpi") == [
        f"{root}/sys/firmware/acpi/tables: permission denied; run as root"
    ]


def test_a_tool_that_is_there_is_used(root: Path, tools: Path) -> None:
    tool(tools, "cpuid", f"exec /bin/cat {AMD / 'cpuid.txt'}")
    tool(tools, "lspci", f"exec /bin/cat {AMD / 'pci.txt'}")
    told = host.read_host(root, str(tools))
    assert {dump.kind: dump.origin for dump in told.dumps if dump.kind in ("cpuid", "pci")} == {
        "cpuid": "`cpuid -r`", "pci": "`lspci -nnvvv -xxxx`",
    }
    assert reasons(told, "cpuid") == []


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'no cpuid here' >&2; exit 3", "`cpuid -r` failed: no cpuid here"),
        ("exit 3", "`cpuid -r` failed: exit status 3"),
        ("echo hello", "`cpuid -r` told nothing"),
        ("exit 0", "`cpuid -r` told nothing"),
        ("echo 'CPU 0:'; echo 'broken'", "`cpuid -r` prints what cannot be read: `cpuid -r`:2: 'broken' is no line"),
        ("exec /bin/sleep 30", "`cpuid -r` takes longer than 0.3 s"),
    ],
)
def test_a_tool_that_fails_is_told(
    root: Path, tools: Path, script: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "TOOL_SECONDS", 0.3)
    tool(tools, "cpuid", script)
    told = host.read_host(root, str(tools))
    assert "cpuid" not in {dump.kind for dump in told.dumps}
    assert [reason.startswith(why) for reason in reasons(told, "cpuid")] == [True]


def test_an_older_lstopo_is_asked_in_its_own_words(root: Path, tools: Path) -> None:
    xml = (
        '<?xml version="1.0"?><topology version="2.0"><object type="Machine" cpuset="0x1"><object type="Package" '
        'os_index="0" cpuset="0x1"><object type="PU" os_index="0" cpuset="0x1"/></object></object></topology>'
    )
    tool(tools, "lstopo", f"if [ $1 = --disallowed ]; then echo 'Unrecognized option' >&2; exit 1; fi; echo '{xml}'")
    told = host.read_host(root, str(tools))
    assert "`lstopo --whole-system --of xml -`" in {dump.origin for dump in told.dumps}
    assert reasons(told, "hwloc") == []


def test_capabilities_that_lspci_may_not_see_are_told(root: Path, tools: Path) -> None:
    tool(tools, "lspci", "printf '00:00.0 Host bridge [0600]: X [8086:0d57]\\n\\tCapabilities: <access denied>\\n'")
    assert "`lspci -nnvvv -xxxx`: capabilities of 1 functions denied; run as root" in reasons(
        host.read_host(root, str(tools)), "pci"
    )


def test_a_driver_that_hangs_is_given_up(root: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SYSFS_SECONDS", 0.2)
    monkeypatch.setattr(host, "files_of", lambda path: time.sleep(2))
    start = time.monotonic()
    told = host.read_host(root, str(tools))
    assert time.monotonic() - start < 1.5
    assert reasons(told, "sysfs") == [
        f"{root}/sys/devices/system: reading takes longer than 0.2 s; a driver hangs"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_file_of_sys_that_fails_when_read_is_left_out(root: Path, tools: Path) -> None:
    capacity = root / "sys/devices/system/cpu/cpu0/cpu_capacity"
    capacity.symlink_to("/proc/self/mem")  # reading address 0 of it is an I/O error
    told = host.read_host(root, str(tools))
    (copy,) = [dump for dump in told.dumps if dump.kind == "sysfs"]
    assert sum(each.name == "cpu_thread" for each in copy.read()) == 2


# -- CPUID from the kernel's devices ---------------------------------------------------------------


def answers(cpu: int) -> dict[int, tuple[int, int, int, int]]:
    """What a CPU of the shipped machine answers, by position in its device."""
    (dumped,) = (each for each in parse((AMD / "cpuid.txt").read_text(), "cpuid.txt") if each.number == cpu)
    return {leaf | subleaf << 32: quad for (leaf, subleaf), quad in dumped.registers.items()}


@pytest.fixture
def devices(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/dev/cpu of two CPUs of the shipped machine: a regular file cannot answer as a device does."""
    opened: dict[int, dict[int, tuple[int, int, int, int]]] = {}
    real_open = os.open

    def open_device(path: str | Path, flags: int, *more: int, **others: int) -> int:
        number = real_open(path, flags, *more, **others)
        if Path(path).name == "cpuid" and "dev" in Path(path).parts:
            opened[number] = answers(int(Path(path).parent.name))
        return number

    for cpu in range(2):
        (root / f"dev/cpu/{cpu}").mkdir(parents=True)
        (root / f"dev/cpu/{cpu}/cpuid").write_bytes(b"")
    monkeypatch.setattr(os, "open", open_device)
    monkeypatch.setattr(os, "pread", lambda number, _, at: struct.pack("<4I", *opened[number].get(at, (0, 0, 0, 0))))
    return root / "dev/cpu"


def test_without_the_program_cpuid_comes_from_the_kernel_s_devices(root: Path, tools: Path, devices: Path) -> None:
    told = host.read_host(root, str(tools))
    assert reasons(told, "cpuid") == []
    (dump,) = (each for each in told.dumps if each.kind == "cpuid")
    assert dump.origin == str(devices)
    facts = dump.read()
    program = [each for each in cpuid.read((AMD / "cpuid.txt").read_bytes(), "x") if each.args[0] in (0, 1)]
    told_apart = ("corename", "cpu_thread", "vendor", "cpu_family", "cpu_brand", "cpu_tlb", "cpu_feature")
    for name in told_apart:
        assert [each for each in facts if each.name == name] == [each for each in program if each.name == name]


def test_devices_that_only_root_may_read_are_told(
    root: Path, tools: Path, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(host, "text_of_devices", refuse)
    (why,) = reasons(host.read_host(root, str(tools)), "cpuid")
    assert why == f"cpuid is not installed (package cpuid); {devices}: permission denied, which root may read"


@pytest.mark.skipif(
    shutil.which("cpuid") is None or not os.access("/dev/cpu/0/cpuid", os.R_OK), reason="no cpuid, or not root"
)
def test_the_devices_here_tell_what_the_program_tells() -> None:
    program = subprocess.run(["cpuid", "-r"], capture_output=True, timeout=60, check=True).stdout
    shown = {each for each in cpuid.read(program, "program") if each.name not in ("corename", "cpu_thread")}
    facts = cpuid.read(text_of_devices(Path("/dev/cpu")).encode(), "devices")
    assert shown <= set(facts)
    assert {each.args[0] for each in facts if each.name == "corename"} >= {each.args[0] for each in shown}
