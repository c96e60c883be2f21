"""Importing: what is recognised, what becomes of several dumps, what is refused, and that nothing is left behind."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import random
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernel.multikernel import Multikernel
from skb import importing, machine, machine_writing
from skb.engine import SkbError
from skb.facts import to_prolog
from skb.finding import NO_DUMP, dumps_in
from skb.importing import Imported, import_machine
from skb.knowledge import KnowledgeBase
from skb.machine import MachineError
from skb.readers import DumpError, acpi

AMD = machine.SHIPPED / "amd-4x4"
SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no dumps of real machines beside the checkout")

FUNCTION = bytes.fromhex("8680 7d10 0604 1000 0600 0002 1000 0000").ljust(256, b"\0")
"""Configuration space of an e1000: ids, command, status, revision and class."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where imported machines are put."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return machine.user_machines()


@pytest.fixture
def imports(kb: KnowledgeBase) -> Callable[..., Imported]:
    def import_paths(*paths: Path, name: str = "mine", **options: object) -> Imported:
        return import_machine(kb, name, paths, **options)  # type: ignore[arg-type]

    return import_paths


def written(home: Path) -> list[str]:
    """Everything below the folder of imported machines."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*")) if home.exists() else []


def boots(kb: KnowledgeBase, imported: Imported) -> int:
    """How many cores the machine has once it is booted from its folder."""
    machine.load(kb, machine.find(imported.name))
    return len(Multikernel.boot(kb).drivers)


def tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return packed.getvalue()


# -- one machine of several sources ----------------------------------------------------------------


def test_a_machine_folder_is_imported_whole(
    imports: Callable[..., Imported], kb: KnowledgeBase, home: Path
) -> None:
    imported = imports(AMD)
    assert [(part.kind, part.file) for part in imported.parts] == [
        ("acpi", "acpi.txt"), ("pci", "pci.txt"), ("cpuid", "cpuid.txt"), ("latency", "latency.csv"),
        ("facts", "facts.pl"),
    ]
    assert (imported.cores, imported.packages, imported.nodes) == (16, 4, 4)
    assert imported.clocks_hz == (2_500_000_000,)
    assert imported.remarks == ()
    here, there = machine.read(home / "mine"), machine.read(AMD)
    assert here.apriori == there.apriori
    assert [(s, f) for s, f in here.facts if s != "a_priori"] == [(s, f) for s, f in there.facts if s != "a_priori"]
    assert boots(kb, imported) == 16


def test_the_readme_tells_what_was_imported_and_its_digests(imports: Callable[..., Imported], home: Path) -> None:
    imports(AMD)
    readme = (home / "mine" / "README.md").read_text()
    assert f"| `acpi.txt` | acpi | {AMD / 'acpi.txt'} | 68 |" in readme
    assert time.strftime("%Y-") in readme
    digests = dict(reversed(line.split()) for line in readme.splitlines() if line.startswith("    "))
    files = {path for path in written(home / "mine") if path != "README.md"}
    assert digests.keys() == files
    for name in files:
        assert digests[name] == hashlib.sha256((home / "mine" / name).read_bytes()).hexdigest()
    (summary,) = [info.summary for info in machine.list_machines() if info.name == "mine"]
    assert summary.startswith("16 cores, 4 packages, 4 NUMA nodes, 2.500 GHz; imported on ")


def test_what_is_booted_stays_as_it_is(
    imports: Callable[..., Imported], load: Callable[[str], KnowledgeBase]
) -> None:
    kb = load("amd-4x4")
    imports(AMD / "acpi.txt", AMD / "cpuid.txt")
    assert kb.once("machine(N)") == {"N": "amd-4x4"}
    assert kb.once("ht_link(0, 1)") is not None


def test_sources_named_one_by_one_are_merged(imports: Callable[..., Imported]) -> None:
    imported = imports(*(AMD / file for file in ("latency.csv", "cpuid.txt", "acpi.txt")))
    assert [part.kind for part in imported.parts] == ["acpi", "cpuid", "latency"]
    assert imported.nodes == 4, "SRAT tells the nodes of CPUID's cores"
    assert imported.facts["measured"] == 240


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("file", ["acpi.txt", "pci.txt", "cpuid.txt", "latency.csv"])
def test_a_compressed_file_is_recognised_under_any_name(
    imports: Callable[..., Imported], tmp_path: Path, file: str, compress: Callable[[bytes], bytes], home: Path
) -> None:
    (tmp_path / "dump").write_bytes(compress((AMD / file).read_bytes()))
    core = AMD / ("acpi.txt" if file == "cpuid.txt" else "cpuid.txt")
    imported = imports(tmp_path / "dump", core)
    assert file in {part.file for part in imported.parts if part.origin == str(tmp_path / "dump")}
    assert (home / "mine" / file).read_bytes() == (AMD / file).read_bytes()


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tarball_of_dumps_is_a_folder_of_them(
    imports: Callable[..., Imported], tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    files = {f"box/{file}": (AMD / file).read_bytes() for file in ("acpi.txt", "cpuid.txt", "README.md")}
    (tmp_path / "box.tar").write_bytes(compress(tar(files)))
    imported = imports(tmp_path / "box.tar")
    assert {part.origin for part in imported.parts} == {
        f"{tmp_path}/box.tar/box/acpi.txt", f"{tmp_path}/box.tar/box/cpuid.txt",
    }
    assert imported.left_out == ((f"{tmp_path}/box.tar/box/README.md", NO_DUMP),)


def test_raw_tables_are_one_dump_however_they_are_named(
    imports: Callable[..., Imported], tmp_path: Path, home: Path
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    for table in acpi.tables((AMD / "acpi.txt").read_bytes(), "acpi.txt"):
        (tables / table.signature).write_bytes(table.data)
    as_folder = imports(tables, name="folder")
    one_by_one = imports(*sorted(tables.iterdir()), name="files")
    assert as_folder.facts == one_by_one.facts
    assert {part.file for part in as_folder.parts} == {"acpi/"}
    assert (home / "files" / "acpi" / "SRAT").read_bytes() == (tables / "SRAT").read_bytes()


def test_raw_configuration_space_is_kept_as_lspci_prints_it(
    imports: Callable[..., Imported], tmp_path: Path, home: Path, kb: KnowledgeBase
) -> None:
    for place in ("0000:03:00.0", "0001:04:1f.7"):
        (tmp_path / "devices" / place).mkdir(parents=True)
        (tmp_path / "devices" / place / "config").write_bytes(FUNCTION)
        (tmp_path / "devices" / place / "numa_node").write_text("-1\n")
    (tmp_path / "05:00.1.bin").write_bytes(FUNCTION)
    imported = imports(AMD / "cpuid.txt", tmp_path / "devices", tmp_path / "05:00.1.bin")
    assert "configuration space of 3 functions" in {part.origin for part in imported.parts}
    assert "0000:03:00.0 0200: 8086:107d (rev 06)\n00: 86 80 7d 10" in (home / "mine" / "pci.txt").read_text()
    machine.load(kb, home / "mine")
    devices = kb.all("device(_, A, 0x8086, 0x107d, 2, 0, _, _)")
    assert {to_prolog(row["A"]) for row in devices} == {"addr(3,0,0)", "addr(5,0,1)", "addr(1,4,31,7)"}


def test_configuration_space_without_an_address_cannot_be_placed(
    imports: Callable[..., Imported], tmp_path: Path
) -> None:
    (tmp_path / "config").write_bytes(FUNCTION)
    with pytest.raises(DumpError, match=r"config: configuration space of a PCI function, but of which one\?"):
        imports(AMD / "cpuid.txt", tmp_path / "config")


def test_dumps_of_different_machines_are_remarked_on(imports: Callable[..., Imported], tmp_path: Path) -> None:
    cpus = (AMD / "cpuid.txt").read_text().split("CPU ")
    (tmp_path / "cpuid.txt").write_text("CPU ".join(cpus[:5]))
    (tmp_path / "cpuinfo").write_text("processor : 0\nvendor_id : x\n\nprocessor : 7\nvendor_id : x\n")
    imported = imports(tmp_path / "cpuid.txt", tmp_path / "cpuinfo", clock_hz=10**9)
    assert imported.remarks == (
        "cpuid.txt tells of 4 cores and cpuinfo.txt of 2, not all the same: are they of one machine?",
    )


def test_contradictions_are_counted_but_not_what_one_source_does_not_know(
    imports: Callable[..., Imported], tmp_path: Path
) -> None:
    text = (AMD / "cpuid.txt").read_text()
    (tmp_path / "facts.pl").write_text("cpu_thread(3, 9, 0, 0).\ncpu_clock(0, 2500000000).\n")
    (tmp_path / "cpuid").write_text(text)
    imported = imports(tmp_path / "cpuid", tmp_path / "facts.pl")
    assert imported.contradictions == 1
    assert imports(tmp_path / "cpuid", name="alone").contradictions == 0


@pytest.mark.parametrize("own", [False, True])
def test_cpuinfo_beside_a_copy_of_sysfs_is_read_with_it_as_the_machine_will_be(
    imports: Callable[..., Imported], tmp_path: Path, own: bool
) -> None:
    tree = {f"sys/devices/system/cpu/cpu{cpu}/topology/core_cpus": f"{1 << cpu:x}\n".encode() for cpu in range(2)}
    tree |= {f"sys/devices/system/cpu/cpu{cpu}/topology/package_cpus": b"3\n" for cpu in range(2)}
    names = "".join(f"processor\t: {cpu}\nmodel name\t: A @ 2.00GHz\n\n" for cpu in range(2)).encode()
    if own:
        tree["proc/cpuinfo"] = names.replace(b"2.00", b"3.00")
    (tmp_path / "sys.tar").write_bytes(tar(tree))
    (tmp_path / "cpuinfo").write_bytes(names)
    imported = imports(tmp_path / "sys.tar", tmp_path / "cpuinfo")
    assert imported.clocks_hz == ((3 if own else 2) * 10**9,)
    assert [(part.kind, part.facts) for part in imported.parts] == (
        [("sysfs", 10)] if own else [("sysfs", 6), ("cpuinfo", 4)]
    )
    read = dict(machine.read(imported.path).facts)
    assert len(read["sysfs"]) == imported.facts["sysfs"] == 10
    assert imported.left_out == (
        ((f"{tmp_path}/cpuinfo", f"/proc/cpuinfo is taken from {tmp_path}/sys.tar"),) if own else ()
    )


@pytest.mark.parametrize("folder", ["/proc", "/sys/kernel", "/dev"])
def test_the_kernels_own_folders_are_not_walked(imports: Callable[..., Imported], folder: str) -> None:
    if not Path(folder).is_dir():
        pytest.skip(f"this system has no {folder}")
    with pytest.raises(MachineError, match=f"{folder}: of the kernel's own folders /sys/devices/system"):
        imports(Path(folder))


def test_the_folder_of_the_cpus_alone_is_a_copy_of_sysfs(imports: Callable[..., Imported], tmp_path: Path) -> None:
    for cpu in range(2):
        (tmp_path / "cpu" / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (tmp_path / "cpu" / f"cpu{cpu}" / "topology" / "core_cpus").write_text(f"{1 << cpu:x}\n")
    assert imports(tmp_path / "cpu").cores == 2


# -- clocks and packages ---------------------------------------------------------------------------


def test_a_clock_that_nobody_tells_is_assumed_and_said(
    imports: Callable[..., Imported], kb: KnowledgeBase, home: Path
) -> None:
    imported = imports(AMD / "cpuid.txt")
    assert imported.clocks_hz == (10**9,)
    assert imported.remarks == (
        "no dump tells the clock of all 16 cores: 1 GHz is assumed, so that a cycle is 1 ns; "
        "--clock 2.5GHz states it",
    )
    assert imported.remarks[0] in (home / "mine" / "README.md").read_text()
    assert (home / "mine" / "facts.pl").read_text().startswith("% The clock: assumed: no dump tells it")
    assert boots(kb, imported) == 16


def test_a_clock_that_the_user_states_is_every_cores(
    imports: Callable[..., Imported], kb: KnowledgeBase
) -> None:
    imported = imports(AMD / "cpuid.txt", clock_hz=3 * 10**9)
    assert (imported.clocks_hz, imported.remarks) == ((3 * 10**9,), ())
    machine.load(kb, machine.find("mine"))
    assert kb.once("cpu_clock(7, H), fact_source(cpu_clock(7, H), S)") == {"H": 3 * 10**9, "S": "a_priori"}


def test_a_clock_stated_twice_is_refused(imports: Callable[..., Imported], home: Path) -> None:
    with pytest.raises(MachineError, match=r"facts\.pl: states cpu_clock/2 already"):
        imports(AMD, clock_hz=10**9)
    assert written(home) == []


def test_a_clock_that_cpuinfo_tells_is_that_of_other_dumps_too(
    imports: Callable[..., Imported], tmp_path: Path, home: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(
        "".join(f"processor\t: {cpu}\nmodel name\t: AMD\ncpu MHz\t\t: 2596.126\n\n" for cpu in range(16))
    )
    imported = imports(AMD / "cpuid.txt", tmp_path / "cpuinfo")
    assert (imported.clocks_hz, imported.remarks) == ((2_596_126_000,), ())


def test_a_clock_in_the_name_of_the_processor_counts(imports: Callable[..., Imported], tmp_path: Path) -> None:
    pu = '<object type="PU" os_index="0" cpuset="0x1"/>'
    (tmp_path / "out.xml").write_text(
        '<?xml version="1.0"?>\n<topology version="2.0"><object type="Machine" cpuset="0x1">'
        '<object type="Package" os_index="0" cpuset="0x1"><info name="CPUModel" value="Xeon @ 2.40GHz"/>'
        f"{pu}</object></object></topology>\n"
    )
    assert imports(tmp_path / "out.xml").clocks_hz == (2_400_000_000,)


def test_cores_that_tell_no_clock_have_that_of_the_others(imports: Callable[..., Imported], tmp_path: Path) -> None:
    (tmp_path / "facts.pl").write_text("".join(f"cpu_clock({core}, 2500000000).\n" for core in range(15)))
    imported = imports(AMD / "cpuid.txt", tmp_path / "facts.pl")
    assert imported.clocks_hz == (2_500_000_000,)
    assert imported.remarks == ("no dump tells the clock of 1 of 16 cores: that of the others is taken",)


def test_a_machine_that_only_its_firmware_describes_boots_all_the_same(
    imports: Callable[..., Imported], kb: KnowledgeBase
) -> None:
    imported = imports(AMD / "acpi.txt")
    assert (imported.cores, imported.packages, imported.nodes) == (16, 4, 4)
    assert any("each NUMA node is taken for a package" in remark for remark in imported.remarks)
    assert boots(kb, imported) == 16
    assert kb.once("node_of(6, N), package_of(6, P), apic_of(6, A)") == {"N": 1, "P": 1, "A": 6}


# -- choosing --------------------------------------------------------------------------------------


def test_two_dumps_of_a_kind_that_were_named_are_refused(
    imports: Callable[..., Imported], tmp_path: Path, home: Path
) -> None:
    shutil.copy(AMD / "acpi.txt", tmp_path / "other.txt")
    with pytest.raises(MachineError, match=r"acpi\.txt and .*other\.txt are both acpi: a machine has one; name one"):
        imports(AMD / "acpi.txt", tmp_path / "other.txt")
    assert written(home) == []


@pytest.mark.parametrize("name", ["acpi.txt", "cpuid.txt", "pci.txt"])
def test_text_that_was_kept_as_utf_16_is_the_same_dump(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((AMD / name).read_text().encode("utf-16"))
    (dump,), (other,) = (dumps_in([folder / name]).dumps for folder in (AMD, tmp_path))
    assert dump.kind == other.kind and dump.read() == other.read()


def test_a_file_that_is_named_twice_is_one_file(imports: Callable[..., Imported], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(AMD / "cpuid.txt")
    assert imports(AMD / "cpuid.txt", AMD / ".." / "amd-4x4" / "cpuid.txt", tmp_path / "link").cores == 16


def test_of_two_in_a_folder_the_one_that_says_more_is_taken(imports: Callable[..., Imported], tmp_path: Path) -> None:
    cpus = (AMD / "cpuid.txt").read_text().split("CPU ")
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / "a-few.txt").write_text("CPU ".join(cpus[:5]))
    shutil.copy(AMD / "cpuid.txt", tmp_path / "dumps" / "z-all.txt")
    imported = imports(tmp_path / "dumps")
    assert imported.cores == 16
    assert imported.left_out == (
        (f"{tmp_path}/dumps/a-few.txt", f"cpuid is taken from {tmp_path}/dumps/z-all.txt"),
    )
    named = imports(tmp_path / "dumps", tmp_path / "dumps" / "a-few.txt", name="named")
    assert named.cores == 4, "what is named goes before what lies in a folder"


def test_a_broken_dump_in_a_folder_is_an_error_unless_another_says_the_same(
    imports: Callable[..., Imported], tmp_path: Path, home: Path
) -> None:
    text = (AMD / "acpi.txt").read_text()
    shutil.copy(AMD / "cpuid.txt", tmp_path / "cpuid.txt")
    (tmp_path / "acpi.txt").write_text(text[: text.index("SRAT") + 200])
    with pytest.raises(DumpError, match=r"acpi\.txt:\d+: "):
        imports(tmp_path)
    assert written(home) == []
    shutil.copy(AMD / "acpi.txt", tmp_path / "whole.txt")
    imported = imports(tmp_path)
    assert imported.facts["acpi"] == 68
    assert [origin for origin, _ in imported.left_out] == [f"{tmp_path}/acpi.txt"]


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../up", "/abs", ".hidden", "-x", "a b", "ä", "a\nb", "x" * 65, "a\0b"]
)
def test_a_name_is_a_plain_word(imports: Callable[..., Imported], name: str, home: Path) -> None:
    with pytest.raises(MachineError, match="is no name for a machine") as refused:
        imports(AMD, name=name)
    assert len(str(refused.value)) < 250
    assert written(home) == []


def test_a_shipped_machine_keeps_its_name(imports: Callable[..., Imported]) -> None:
    with pytest.raises(MachineError, match="comes with Pilotfish; take another name"):
        imports(AMD, name="amd-4x4", replace=True)


def test_a_taken_name_says_how_to_replace(imports: Callable[..., Imported], home: Path) -> None:
    imports(AMD)
    before = written(home)
    with pytest.raises(MachineError, match=r"there is a machine mine already.*--replace"):
        imports(AMD / "cpuid.txt")
    assert written(home) == before
    assert imports(AMD / "cpuid.txt", replace=True).cores == 16
    assert set(written(home)) == {"mine", "mine/README.md", "mine/cpuid.txt", "mine/facts.pl"}
    assert imports(AMD, name="new", replace=True).cores == 16, "there need not be one"


REFUSED = [
    ("nowhere", None, "no file or folder"),
    ("empty", b"", "empty; recognised are acpidump text"),
    ("hollow.gz", gzip.compress(b""), "nothing in it; recognised are"),
    ("notes.txt", b"Dear diary,\nnothing happened.\n", f"{NO_DUMP}; recognised are acpidump text or ACPI tables; "),
    ("noise", random.Random(1).randbytes(5000), NO_DUMP),
    ("cut.gz", gzip.compress(b"x" * 10000)[:-9], "not a whole compressed file"),
    ("cut.tar", tar({"sys/devices/system/cpu/online": b"0\n" * 600})[:1000], "not a whole tarball|no dump"),
    ("up.tar", tar({"../../etc/cpuid.txt": b"x"}), "a path that leads out of the tarball"),
    ("broken.tar", b"\xff" + tar({"cpuid.txt": b"x"})[1:], "not a whole tarball: "),
    ("plain.tar", tar({"notes": b"x"}), "no dump in this tarball; recognised are"),
    ("list.json", b'{"a": [1, 2], "b": [3, 4]}\n', NO_DUMP),
]


@pytest.mark.parametrize(("name", "data", "message"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_no_dump_is_told_in_one_line(
    imports: Callable[..., Imported], tmp_path: Path, name: str, data: bytes | None, message: str, home: Path
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises((MachineError, DumpError), match=message) as refused:
        imports(AMD / "cpuid.txt", tmp_path / name)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert written(home) == []


def test_a_folder_without_dumps_and_a_device_are_refused(imports: Callable[..., Imported], tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no dump in this folder"):
        imports(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DumpError, match="pipe: neither a file nor a folder"):
        imports(tmp_path / "pipe")
    with pytest.raises(MachineError, match="nothing to import"):
        imports()


def test_a_folder_that_is_a_whole_disk_is_refused(
    imports: Callable[..., Imported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skb.finding.MOST_FILES", 10)
    for number in range(11):
        (tmp_path / str(number)).write_text("x")
    with pytest.raises(MachineError, match="more than 10 files; name the dumps in it"):
        imports(tmp_path)


@pytest.mark.parametrize("file", ["pci.txt", "latency.csv", "facts.pl"])
def test_a_machine_without_cores_is_refused(imports: Callable[..., Imported], file: str, home: Path) -> None:
    with pytest.raises(MachineError, match="no cores: there is"):
        imports(AMD / file)
    assert written(home) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("ht_link(0, 1).\nht_link(0,\n", r"facts\.pl:2: .*"), ("ht_link(0, 1).\n:- halt.\n", r"facts\.pl:2: "),
     ("ht_link(0, 1).\nnosuch(1).\n", r"facts\.pl:2: .*nosuch/1"), ("ht_link(a, \xff).\n", "facts.pl:1")],
)
def test_broken_facts_are_told_with_their_line(
    imports: Callable[..., Imported], tmp_path: Path, text: str, message: str, home: Path
) -> None:
    (tmp_path / "facts.pl").write_bytes(text.encode("latin-1"))
    with pytest.raises((SkbError, DumpError), match=message):
        imports(AMD / "cpuid.txt", tmp_path / "facts.pl")
    assert written(home) == []


@pytest.mark.parametrize("file", ["acpi.txt", "pci.txt", "cpuid.txt", "latency.csv", "facts.pl"])
def test_a_dump_cut_anywhere_is_read_or_refused_and_never_half_imported(
    imports: Callable[..., Imported], tmp_path: Path, file: str, home: Path
) -> None:
    """A dump that lost whole CPUs or functions cannot be told from a smaller one; everything else can."""
    data = (AMD / file).read_bytes()
    chance = random.Random(file)
    others = [AMD / "cpuid.txt"] if file != "cpuid.txt" else [AMD / "acpi.txt"]
    for number in range(15):
        (tmp_path / file).write_bytes(data[: chance.randrange(1, len(data))])
        try:
            imported = imports(tmp_path / file, *others, name=f"cut{number}", clock_hz=10**9)
        except (SkbError, DumpError) as error:
            assert "\n" not in str(error)
            assert not (home / f"cut{number}").exists()
        else:
            assert machine.read(imported.path)
    assert not [path for path in written(home) if path.startswith(".")]


# -- whole or not at all ---------------------------------------------------------------------------


@pytest.fixture
def tree(home: Path) -> dict[str, bytes]:
    return {"cpuid.txt": (AMD / "cpuid.txt").read_bytes(), "acpi/SRAT": b"x" * 1000, "README.md": b"# mine\n"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int, BaseException], None]]:
    """The n-th call of a function of os fails, as on a full disk, or is interrupted."""

    def fail(name: str, after: int, error: BaseException) -> None:
        real = getattr(os, name)
        calls = iter(range(10**6))

        def broken(*arguments: object, **options: object) -> object:
            if next(calls) == after:
                raise error
            return real(*arguments, **options)

        monkeypatch.setattr(machine_writing.os, name, broken)

    yield fail


@pytest.mark.parametrize("in_one_step", [True, False])
@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize("call", ["fsync", "rename", "chmod"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interruption_leaves_all_as_it_was(
    home: Path, tree: dict[str, bytes], failing: Callable[[str, int, BaseException], None], call: str, after: int,
    error: BaseException, in_one_step: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not in_one_step:
        monkeypatch.setattr(machine_writing, "_exchange", lambda one, other: False)
    machine_writing.write_machine(home / "mine", {"cpuid.txt": b"old", "README.md": b"# old\n"}, False)
    failing(call, after, error)
    done = False
    try:
        machine_writing.write_machine(home / "mine", tree, True)
        done = True
    except MachineError as told:
        assert "no space left on device" in str(told)
    except KeyboardInterrupt:
        pass
    whole = {"mine", "mine/README.md", "mine/cpuid.txt", "mine/acpi", "mine/acpi/SRAT"}
    old = {"mine", "mine/README.md", "mine/cpuid.txt"}
    assert set(written(home)) == (whole if (home / "mine" / "acpi").exists() else old)
    assert not done or (home / "mine" / "acpi").exists()
    if not (home / "mine" / "acpi").exists():
        assert (home / "mine" / "cpuid.txt").read_bytes() == b"old"


def test_a_disk_without_room_is_told_and_nothing_is_left(
    imports: Callable[..., Imported], failing: Callable[[str, int, BaseException], None], home: Path
) -> None:
    failing("fsync", 2, OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(MachineError, match=r"mine: not written: no space left on device; nothing was written"):
        imports(AMD)
    assert written(home) == []


def test_a_machine_that_appears_meanwhile_is_not_replaced(home: Path, tree: dict[str, bytes]) -> None:
    (home / "mine").mkdir(parents=True)
    with pytest.raises(MachineError, match="--replace"):
        machine_writing.write_machine(home / "mine", tree, False)
    assert written(home) == ["mine"]


def test_what_a_killed_import_left_is_swept_up_in_time(home: Path, tree: dict[str, bytes]) -> None:
    old, fresh = home / ".mine-abc", home / ".mine-xyz"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 7200,) * 2)
    machine_writing.write_machine(home / "mine", tree, False)
    assert not old.exists()
    assert fresh.exists(), "another import may be writing it"


def test_a_data_folder_that_is_a_file_is_told(imports: Callable[..., Imported], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(MachineError, match=r"not written: (not a directory|file exists)"):
        imports(AMD)


# -- real machines ---------------------------------------------------------------------------------


def cases() -> list[Path]:
    """The folder of each real machine, and every dump that is a file of its own."""
    if not DATA.is_dir():
        return []
    folders = [p for family in ("acpi", "pci", "hwloc-xml") for p in (DATA / family).iterdir() if p.is_dir()]
    folders += [p for family in ("cpuid", "sysfs") for p in (DATA / family).glob("*/*") if p.is_dir()]
    dumps = [*(DATA / "latency").glob("*.csv*"), *(DATA / "sysfs" / "cpuinfo").glob("*.txt")]
    for folder in folders:
        dumps += [p for p in folder.iterdir() if p.name in ("acpidump.txt", "lspci.txt", "cpuid-r.txt", "tables")]
        dumps += [p for p in folder.iterdir() if p.suffix in (".bz2", ".gz") or p.name == f"{folder.name}.xml"]
    return sorted(folders + dumps)


SAMPLE = (
    "acpi/dell-r820-4x-xeon", "acpi/hp-dl380g5-malformed-madt/acpidump.txt", "acpi/lenovo-tp68-old-acpidump/tables",
    "hwloc-xml/fakecpukinds", "cpuid/cpuid-r/Intel-Nehalem-2xXeon-X5550",
    "cpuid/hwloc/AMD-K8-SantaRosa-2xOpteron-2218", "cpuid/instlatx64/GenuineIntel0090672_AlderLake_01_LC_BC_CPUID",
    "cpuid/libcpuid/cortex-a72", "sysfs/hwloc/2arm-2c", "sysfs/hwloc/20em64t-hybrid-1p6c2t+2ca4co1t",
    "sysfs/hwloc/16amd64-8n2c/16amd64-8n2c.tar.bz2", "sysfs/cpuinfo/huananzhi-x99-qd4.txt",
    "sysfs/hwloc/fakeheteromemtiers", "pci/talos2-power9", "latency/intel-x5650-2s-24t.csv",
)
WITHOUT_CORES = ("acpi/fwts-", "acpi/intel-2s-cxl-hmat", "acpi/intel-s2600wf-padded-slit", "pci/", "latency/")


def imports_and_boots(kb: KnowledgeBase, case: Path) -> None:
    """The case becomes a machine that boots with as many cores, and reads as what was imported; or says why not."""
    if str(case.relative_to(DATA)).startswith(WITHOUT_CORES):
        with pytest.raises((MachineError, DumpError), match=f"no cores: there is (acpi|pci|latency) only|{NO_DUMP}"):
            import_machine(kb, "case", [case])
        return
    imported = import_machine(kb, "case", [case], replace=True)
    said = {source: len(facts) for source, facts in machine.read(imported.path).facts}
    assert {s: n for s, n in said.items() if s != "a_priori"} == {
        s: n for s, n in imported.facts.items() if s != "a_priori"
    }
    assert boots(kb, imported) == imported.cores > 0


@needs_data
@pytest.mark.parametrize("case", SAMPLE)
def test_a_real_machine_is_imported_and_boots(kb: KnowledgeBase, case: str) -> None:
    imports_and_boots(kb, DATA / case)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case.relative_to(DATA)))
def test_every_real_machine_is_imported_and_boots(kb: KnowledgeBase, case: Path) -> None:
    imports_and_boots(kb, case)


@needs_data
def test_one_machine_of_three_families_of_dumps(imports: Callable[..., Imported], kb: KnowledgeBase) -> None:
    """The Huananzhi X99 board: its ACPI tables, its lspci and its /proc/cpuinfo lie apart."""
    imported = imports(
        DATA / "acpi" / "huananzhi-x99-qd4-e5-2666v3" / "acpidump.txt",
        DATA / "pci" / "huananzhi-x99-qd4" / "lspci.txt",
        DATA / "sysfs" / "cpuinfo" / "huananzhi-x99-qd4.txt",
    )
    assert (imported.cores, imported.packages, imported.clocks_hz) == (20, 1, (2_900_000_000,))
    assert (imported.contradictions, imported.remarks) == (0, ())
    assert boots(kb, imported) == 20
    assert len(kb.all("device(_, A, _, _, _, _, _, _)")) + len(kb.all("bridge(_, A, _, _, _, _, _, _)")) == 87


@needs_data
def test_a_tarball_with_sysfs_and_cpuid_gives_both(imports: Callable[..., Imported], kb: KnowledgeBase) -> None:
    (path,) = (DATA / "sysfs" / "hwloc-with-cpuid").glob("*/*.tar.bz2")
    imported = imports(path)
    assert {"cpuid", "sysfs"} <= {part.kind for part in imported.parts}
    assert (imported.cores, imported.packages, imported.nodes) == (64, 4, 8)


def test_importing_assumes_a_gigahertz() -> None:
    """It is documented, and read off: one cycle, one nanosecond."""
    assert importing.ASSUMED_CLOCK_HZ == 10**9
