"""Machine folders: which files are read, how they are found by name, and what damage to them says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from skb import machine
from skb.facts import Fact
from skb.knowledge import KnowledgeBase
from skb.machine import MachineError
from skb.readers import DumpError

AMD = machine.SHIPPED / "amd-4x4"

CPUINFO = "".join(
    f"processor\t: {cpu}\nvendor_id\t: GenuineIntel\nmodel name\t: Some CPU @ 2.00GHz\nphysical id\t: 0\n"
    f"core id\t\t: {cpu}\napicid\t\t: {cpu}\n\n" for cpu in range(2)
).encode()

SYSFS = {
    "cpu/online": b"0-1\n",
    **{f"cpu/cpu{cpu}/topology/core_cpus": f"{1 << cpu:x}\n".encode() for cpu in range(2)},
    **{f"cpu/cpu{cpu}/topology/core_id": f"{cpu}\n".encode() for cpu in range(2)},
    **{f"cpu/cpu{cpu}/topology/package_cpus": b"3\n" for cpu in range(2)},
    **{f"cpu/cpu{cpu}/topology/physical_package_id": b"0\n" for cpu in range(2)},
}


def tarball(files: dict[str, bytes], above: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(above + path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def facts_by_source(path: Path) -> dict[str, tuple[Fact, ...]]:
    return dict(machine.read(path).facts)


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    home = machine.user_machines()
    home.mkdir(parents=True)
    return home


def test_users_machines_live_in_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert machine.user_machines() == tmp_path / "pilotfish" / "machines"
    for unset in ("", "relative/folder"):  # XDG base directory specification: relative paths are to be ignored
        monkeypatch.setenv("XDG_DATA_HOME", unset)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert machine.user_machines() == tmp_path / "home" / ".local" / "share" / "pilotfish" / "machines"


def test_an_imported_machine_is_listed_with_its_summary_and_found_by_name(data_home: Path) -> None:
    shutil.copytree(AMD, data_home / "mine")
    (data_home / "mine" / "README.md").write_text("# mine\n\nA machine of mine.\n")
    shutil.copytree(AMD, data_home / ".mine-being-written")
    (data_home / "notes").mkdir()
    listed = {info.name: info for info in machine.list_machines()}
    assert listed["mine"].summary == "A machine of mine."
    assert "amd-4x4" in listed
    assert not {".mine-being-written", "notes"} & listed.keys()
    assert machine.find("mine") == data_home / "mine"
    assert machine.find(str(AMD)) == AMD


@pytest.mark.parametrize("name", ["nowhere", "x" * 5000, "~nobody-of-that-name", "a\0b", ""])
def test_no_machine_is_told_in_a_line(name: str, data_home: Path) -> None:
    with pytest.raises(MachineError, match="no machine"):
        machine.find(name)


def test_the_nearest_name_is_suggested(data_home: Path) -> None:
    with pytest.raises(MachineError, match=r"did you mean amd-4x4\?"):
        machine.find("amd-4x5")


def test_a_folder_without_dumps_is_no_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"no machine: none of acpi\.txt"):
        machine.read(tmp_path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_dump_says_what_the_plain_one_says(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    for file in ("acpi.txt", "cpuid.txt", "latency.csv", "facts.pl"):
        (tmp_path / file).write_bytes(compress((AMD / file).read_bytes()))
    there, here = facts_by_source(AMD), facts_by_source(tmp_path)
    assert {source: here[source] for source in ("acpi", "cpuid", "measured")} == {
        source: there[source] for source in ("acpi", "cpuid", "measured")
    }
    assert machine.read(tmp_path).apriori == machine.read(AMD).apriori


@pytest.mark.parametrize("cut", [8, 40, -1])
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_dump_that_breaks_off_is_named(
    tmp_path: Path, compress: Callable[[bytes], bytes], cut: int
) -> None:
    (tmp_path / "acpi.txt").write_bytes(compress((AMD / "acpi.txt").read_bytes())[:cut])
    with pytest.raises(DumpError, match=r"acpi\.txt.*: not a whole compressed file|acpi\.txt:\d+: "):
        machine.read(tmp_path)


def test_a_file_that_unpacks_beyond_all_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LARGEST_FILE_BYTES", 100_000)
    (tmp_path / "acpi.txt").write_bytes(gzip.compress(bytes(1_000_000)))
    with pytest.raises(DumpError, match="larger than 100000 bytes"):
        machine.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "compress"),
    [("sysfs.tar", bytes), ("sysfs.tar.gz", gzip.compress), ("sysfs.tar.bz2", bz2.compress),
     ("sysfs.tar.xz", lzma.compress)],
)
def test_a_copy_of_sysfs_may_be_a_tarball_of_any_compression(
    tmp_path: Path, name: str, compress: Callable[[bytes], bytes]
) -> None:
    (tmp_path / name).write_bytes(compress(tarball(SYSFS, "mine/sys/devices/system/")))
    found = facts_by_source(tmp_path)["sysfs"]
    assert Fact("cpu_thread", (1, 0, 1, 0)) in found


def test_cpuinfo_alone_tells_the_cores(tmp_path: Path, kb: KnowledgeBase) -> None:
    (tmp_path / "cpuinfo.txt").write_bytes(CPUINFO)
    machine.load(kb, tmp_path)
    assert [row["C"] for row in kb.all("core(C)")] == [0, 1]
    assert kb.once("clock_hz(1, H)") == {"H": 2_000_000_000}


@pytest.mark.parametrize("above", ["mine/sys/devices/system/", "sys/devices/system/", "devices/system/", ""])
def test_cpuinfo_beside_a_copy_of_sysfs_is_read_with_it(tmp_path: Path, above: str) -> None:
    (tmp_path / "sysfs.tar").write_bytes(tarball(SYSFS, above))
    (tmp_path / "cpuinfo.txt").write_bytes(CPUINFO)
    found = facts_by_source(tmp_path)["sysfs"]
    assert {each.args[0] for each in found if each.name == "cpu_brand"} == {0, 1}
    assert sum(each.name == "cpu_thread" for each in found) == 2, "each core has one place"


def test_the_cpuinfo_of_the_copy_itself_counts_before_one_beside_it(tmp_path: Path) -> None:
    own = CPUINFO.replace(b"Some CPU", b"Its own CPU")
    files = {f"sys/devices/system/{path}": data for path, data in SYSFS.items()} | {"proc/cpuinfo": own}
    (tmp_path / "sysfs.tar").write_bytes(tarball(files, "mine/"))
    (tmp_path / "cpuinfo.txt").write_bytes(CPUINFO)
    brands = {str(each.args[1]) for each in facts_by_source(tmp_path)["sysfs"] if each.name == "cpu_brand"}
    assert brands == {"Its own CPU @ 2.00GHz"}


def test_raw_acpi_tables_may_have_a_folder(tmp_path: Path) -> None:
    from skb.readers import acpi

    (tmp_path / "acpi").mkdir()
    for table in acpi.tables((AMD / "acpi.txt").read_bytes(), "acpi.txt"):
        (tmp_path / "acpi" / f"{table.signature}.dat").write_bytes(table.data)
    assert set(facts_by_source(tmp_path)["acpi"]) == set(facts_by_source(AMD)["acpi"])


def test_a_broken_dump_leaves_the_knowledge_base_as_it_was(
    tmp_path: Path, load: Callable[[str], KnowledgeBase]
) -> None:
    kb = load("amd-4x4")
    shutil.copytree(AMD, tmp_path / "cut")
    text = (AMD / "acpi.txt").read_text()
    (tmp_path / "cut" / "acpi.txt").write_text(text[: text.index("SRAT") + 200])
    with pytest.raises(DumpError, match=r"acpi\.txt:\d+: "):
        machine.load(kb, tmp_path / "cut")
    assert len(kb.all("core(C)")) == 16
    assert kb.once("machine(N)") == {"N": "amd-4x4"}


def test_text_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    shutil.copytree(AMD, tmp_path / "x")
    (tmp_path / "x" / "facts.pl").write_bytes(b"ht_link(0, 1).\nht_link(\xff, 1).\n")
    with pytest.raises(DumpError, match=r"facts\.pl:2: not UTF-8 text"):
        machine.read(tmp_path / "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    shutil.copytree(AMD, tmp_path / "x")
    (tmp_path / "x" / "acpi.txt").chmod(0)
    with pytest.raises(DumpError, match=r"acpi\.txt: cannot be read: permission denied"):
        machine.read(tmp_path / "x")
