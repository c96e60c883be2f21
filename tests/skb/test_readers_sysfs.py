"""The sysfs reader: trees as kernels tell them, tarballs as people send them, and damage to both.

That it finds the objects lstopo finds is in test_readers_topology.py.
"""

import bz2
import gzip
import io
import lzma
import os
import random
import re
import tarfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.facts import Compound, Fact, compound, fact, to_prolog_list
from skb.readers import DumpError, sysfs
from skb.readers.cpusets import Nested, cpus_of, first_cpu, from_list, from_mask
from skb.readers.sysfs_files import unpack

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
SNAPSHOTS = {path.parent.name: path for path in (SHARED / "data" / "sysfs").glob("hwloc*/*/*.tar.bz2")}
needs_snapshots = pytest.mark.skipif(
    not SNAPSHOTS, reason="no snapshots beside the checkout (shared/data/sysfs)"
)
VOCABULARY = (Path(__file__).resolve().parents[2] / "rules" / "vocabulary.pl").read_text()
DECLARED = set(re.findall(r"^fact\((\w+),", VOCABULARY, re.MULTILINE))


def tree_of(cpus: int = 4, threads: int = 2) -> dict[str, bytes]:
    """devices/system of one package: `threads` neighbouring CPUs a core, an L1d a core, one L2."""
    everyone = f"{(1 << cpus) - 1:x}\n".encode()
    files = {"cpu/online": f"0-{cpus - 1}\n".encode()}
    for cpu in range(cpus):
        first = cpu - cpu % threads
        core = f"{((1 << threads) - 1) << first:x}\n".encode()
        topology, cache = f"cpu/cpu{cpu}/topology", f"cpu/cpu{cpu}/cache"
        files |= {
            f"{topology}/core_cpus": core,
            f"{topology}/core_id": f"{first // threads}\n".encode(),
            f"{topology}/package_cpus": everyone,
            f"{topology}/physical_package_id": b"0\n",
            f"{cache}/index0/level": b"1\n",
            f"{cache}/index0/type": b"Data\n",
            f"{cache}/index0/size": b"32K\n",
            f"{cache}/index0/coherency_line_size": b"64\n",
            f"{cache}/index0/ways_of_associativity": b"8\n",
            f"{cache}/index0/shared_cpu_map": core,
            f"{cache}/index1/level": b"2\n",
            f"{cache}/index1/type": b"Unified\n",
            f"{cache}/index1/size": b"1M\n",
            f"{cache}/index1/shared_cpu_map": everyone,
        }
    return files


def read(files: dict[str, bytes]) -> list[Fact]:
    return sysfs.read_tree(files, "sysfs")


def named(facts: list[Fact], name: str) -> list[tuple]:
    return [f.args for f in facts if f.name == name]


def tar_of(files: dict[str, bytes], **more: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in more.values():
            tar.addfile(info)
    return buffer.getvalue()


def test_positions_and_caches_come_as_facts() -> None:
    facts = read(tree_of())
    assert named(facts, "cpu_thread") == [(0, 0, 0, 0), (1, 0, 0, 1), (2, 0, 1, 0), (3, 0, 1, 1)]
    assert fact("cpu_cache", 3, "l1d", 1, "data", 32768, 8, 64, 2, "unknown") in facts
    assert fact("cpu_cache", 0, "l2", 2, "unified", 1 << 20, 0, 0, 4, "unknown") in facts
    assert named(facts, "cpu_cache_id")[:4] == [
        (0, 1, "data", 0),
        (1, 1, "data", 0),
        (2, 1, "data", 1),
        (3, 1, "data", 1),
    ]
    assert named(facts, "cpu_node") == [(cpu, 0) for cpu in range(4)]


@pytest.mark.parametrize(
    "above",
    ["", "devices/system/", "sys/devices/system/", "host7/sys/devices/system/", "/sys/devices/system/", "./"],
)
def test_a_tree_may_start_anywhere_above_cpu(above: str) -> None:
    assert read({above + path: content for path, content in tree_of().items()}) == read(tree_of())


def test_old_names_and_lists_in_place_of_masks_say_the_same() -> None:
    old = {
        path.replace("core_cpus", "thread_siblings").replace("package_cpus", "core_siblings"): content
        for path, content in tree_of().items()
    }
    assert read(old) == read(tree_of())
    lists = {}
    for path, content in tree_of().items():
        if path.endswith(("_cpus", "shared_cpu_map")):
            path = path.replace("shared_cpu_map", "shared_cpu") + "_list"
            content = ",".join(map(str, cpus_of(int(content, 16)))).encode()
        lists[path] = content
    assert read(lists) == read(tree_of())


def test_cpus_off_line_are_told_but_have_no_place() -> None:
    files = tree_of() | {"cpu/online": b"0,2-3\n", "cpu/present": b"0-4\n"}
    facts = read(files)
    assert named(facts, "cpu_online") == [(0, 1), (1, 0), (2, 1), (3, 1), (4, 0)]
    assert [args[0] for args in named(facts, "cpu_thread")] == [0, 2, 3]
    assert fact("cpu_cache", 0, "l1d", 1, "data", 32768, 8, 64, 1, "unknown") in facts


def test_without_a_list_each_cpu_says_whether_it_is_on_line() -> None:
    files = tree_of() | {"cpu/cpu1/online": b"0\n", "cpu/cpu2/online": b"1\n"}
    del files["cpu/online"]
    assert [args[0] for args in named(read(files), "cpu_thread")] == [0, 2, 3]


def test_core_ids_that_repeat_within_a_package_are_counted_afresh() -> None:
    files = tree_of(cpus=4, threads=1) | {f"cpu/cpu{cpu}/topology/core_id": b"7\n" for cpu in range(4)}
    assert named(read(files), "cpu_thread") == [(cpu, 0, cpu, 0) for cpu in range(4)]


def test_package_ids_that_repeat_or_are_missing_are_told_apart() -> None:
    files = tree_of(cpus=4, threads=1)
    for cpu in range(4):
        files[f"cpu/cpu{cpu}/topology/package_cpus"] = b"3" if cpu < 2 else b"c"
        files[f"cpu/cpu{cpu}/topology/physical_package_id"] = b"5\n"
        for index in (0, 1):
            del files[f"cpu/cpu{cpu}/cache/index{index}/level"]
    assert [args[1] for args in named(read(files), "cpu_thread")] == [5, 5, 6, 6]
    files |= {f"cpu/cpu{cpu}/topology/physical_package_id": b"-1\n" for cpu in range(4)}
    assert [args[1] for args in named(read(files), "cpu_thread")] == [0, 0, 1, 1]


def test_a_cache_said_to_be_shared_beyond_what_it_can_be_is_not_believed() -> None:
    files = tree_of(cpus=4, threads=2)
    files["cpu/cpu1/cache/index0/shared_cpu_map"] = b"6"  # cuts two cores
    files["cpu/cpu0/cache/index0/shared_cpu_map"] = b"1"
    facts = read(files)
    assert (1, 1, "data", 1) not in named(facts, "cpu_cache_id")
    assert [args[0] for args in named(facts, "cpu_cache_id") if args[1] == 1] == [0, 2, 3]


def test_a_bulldozer_s_siblings_are_two_cores_where_the_kernel_says_so() -> None:
    files = tree_of(cpus=4, threads=2) | {f"cpu/cpu{cpu}/topology/core_id": b"%d" % cpu for cpu in range(4)}
    amd = b"processor: 0\nvendor_id: AuthenticAMD\ncpu family: 21\nmodel: 1\nstepping: 2\napicid: 32\nflags: fpu lm\n"
    system = {f"sys/devices/system/{path}": content for path, content in files.items()}
    facts = read(system | {"proc/cpuinfo": amd})
    assert [args[2:] for args in named(facts, "cpu_thread")] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert fact("corename", 0, "x86_64", compound("apic", 32)) in facts
    assert fact("cpu_family", 0, "amd", 21, 1, 2) in facts
    intel = amd.replace(b"AuthenticAMD", b"GenuineIntel")
    assert [args[3] for args in named(read(system | {"proc/cpuinfo": intel}), "cpu_thread")] == [0, 1, 0, 1]


def test_dies_within_a_package_are_told_and_a_die_that_is_the_package_is_not() -> None:
    files = tree_of(cpus=4, threads=1)
    halves = {f"cpu/cpu{cpu}/topology/die_cpus": b"3" if cpu < 2 else b"c" for cpu in range(4)}
    assert named(read(files | halves), "cpu_die") == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert not named(read(files | {f"cpu/cpu{cpu}/topology/die_cpus": b"f" for cpu in range(4)}), "cpu_die")
    clusters = {path.replace("die_cpus", "cluster_cpus"): content for path, content in halves.items()}
    assert named(read(files | clusters), "cpu_cluster") == [(0, 0), (1, 0), (2, 1), (3, 1)]


def nodes_of(masks: dict[int, str], distances: dict[int, str]) -> dict[str, bytes]:
    files = {f"node/node{node}/cpumap": f"{mask}\n".encode() for node, mask in masks.items()}
    files |= {f"node/node{node}/distance": f"{row}\n".encode() for node, row in distances.items()}
    return files | {
        f"node/node{node}/meminfo": b"Node 0 MemTotal:  1024 kB\nNode 0 MemFree: 1 kB\n" for node in masks
    }


def test_rows_of_distances_are_over_the_nodes_on_line_whatever_their_numbers() -> None:
    files = (
        tree_of(cpus=4, threads=1)
        | nodes_of({0: "3", 8: "c"}, {0: "10 40", 8: "40 10"})
        | {"node/online": b"0,8"}
    )
    facts = read(files)
    assert named(facts, "node_distance") == [(0, 0, 10), (0, 8, 40), (8, 0, 40), (8, 8, 10)]
    assert named(facts, "cpu_node") == [(0, 0), (1, 0), (2, 8), (3, 8)]
    assert named(facts, "node_memory") == [(0, 1 << 20), (8, 1 << 20)]


def test_of_nodes_that_all_claim_every_cpu_the_first_is_believed() -> None:
    files = tree_of() | nodes_of({0: "f", 1: "f"}, {0: "10 20", 1: "20 10"})
    assert {args[1] for args in named(read(files), "cpu_node")} == {0}
    assert not named(read(files), "node_distance")


def test_memory_without_cores_is_local_to_the_cores_of_its_best_initiators() -> None:
    files = tree_of(cpus=4, threads=1)
    files |= nodes_of({0: "3", 1: "c", 2: "0"}, {0: "10 20 30", 1: "20 10 17", 2: "30 17 10"})
    assert named(read(files), "node_local_core") == [(2, 2), (2, 3)]
    best = "node/node2/access0/initiators/"
    files |= {best + "node0": b"", best + "read_latency": b"120\n", best + "write_bandwidth": b"30000\n"}
    facts = read(files)
    assert named(facts, "node_local_core") == [(2, 0), (2, 1)]
    assert fact("memory_latency", 0, 2, "read", 0, 120_000) in facts
    assert fact("memory_bandwidth", 0, 2, "write", 0, 30000) in facts


def test_a_node_with_cores_is_near_its_other_initiators_too() -> None:
    files = tree_of(cpus=4, threads=1) | nodes_of({0: "3", 1: "c"}, {0: "10 20", 1: "20 10"})
    files |= {"node/node1/access1/initiators/node0": b"", "node/node1/access1/initiators/node1": b""}
    facts = read(files)
    assert named(facts, "cpu_node") == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert named(facts, "node_local_core") == [(1, 0), (1, 1)]


def rooted_tree(files: dict[str, bytes], proc: dict[str, bytes]) -> dict[str, bytes]:
    system = {f"sys/devices/system/{path}": content for path, content in files.items()}
    return system | {f"proc/{path}": content for path, content in proc.items()}


def test_the_memory_of_graphics_cards_is_no_node() -> None:
    files = tree_of(cpus=4, threads=1)
    files |= nodes_of({0: "3", 8: "c", 255: "0"}, {0: "10 40 80", 8: "40 10 80", 255: "80 80 10"})
    card = {"driver/nvidia/gpus/0004:05:00.0/numa_status": b"Node:      255\nStatus:    online\n"}
    facts = read(rooted_tree(files, card))
    assert [args[0] for args in named(facts, "node_memory")] == [0, 8]
    assert {args[:2] for args in named(facts, "node_distance")} == {(0, 0), (0, 8), (8, 0), (8, 8)}
    assert [args[0] for args in named(read(files), "node_memory")] == [0, 8, 255]


KNIGHTS_LANDING = b"processor: 0\nvendor_id: GenuineIntel\ncpu family: 6\nmodel: 87\nbogomips: 2600.11\n"


def test_a_knights_landing_in_cache_mode_has_its_mcdram_as_third_level() -> None:
    files = tree_of(cpus=4, threads=1)
    files |= nodes_of({0: "f"}, {})
    for name, content in (("level", b"3"), ("size", b"0K"), ("type", b"Unified"), ("shared_cpu_map", b"f")):
        files[f"cpu/cpu0/cache/index2/{name}"] = content  # of which the kernel says nothing
    facts = read(rooted_tree(files, {"cpuinfo": KNIGHTS_LANDING}))
    assert fact("cpu_cache", 3, "l3", 3, "unified", 16 << 30, 1, 64, 4, 1) in facts
    assert len([args for args in named(facts, "cpu_cache") if args[2] == 3]) == 4
    assert fact("cpu_clock", 0, 1_300_000_000) in facts


def test_a_knights_landing_in_flat_mode_has_memory_near_its_cores_and_no_distances() -> None:
    files = tree_of(cpus=4, threads=1) | nodes_of({0: "f", 1: "0"}, {0: "10 31", 1: "31 10"})
    facts = read(rooted_tree(files, {"cpuinfo": KNIGHTS_LANDING}))
    assert named(facts, "node_local_core") == [(1, cpu) for cpu in range(4)]
    assert not named(facts, "node_distance")
    assert all(args[2] < 3 for args in named(facts, "cpu_cache"))


def test_the_kinds_of_a_hybrid_come_from_its_monitoring_units() -> None:
    files = {f"sys/devices/system/{path}": content for path, content in tree_of().items()}
    files |= {"sys/devices/cpu_core/cpus": b"0-1\n", "sys/devices/cpu_atom/cpus": b"2-3\n"}
    assert [args[1] for args in named(read(files), "cpu_kind")] == ["performance"] * 2 + ["efficiency"] * 2


def test_the_clock_is_the_base_clock_where_a_driver_tells_it() -> None:
    files = tree_of(cpus=2) | {
        "cpu/cpu0/cpufreq/base_frequency": b"2100000\n",
        "cpu/cpu0/cpufreq/cpuinfo_max_freq": b"3900000\n",
        "cpu/cpu1/cpufreq/cpuinfo_max_freq": b"3900000\n",
        "cpu/cpu1/cpu_capacity": b"1024\n",
    }
    facts = read(files)
    assert named(facts, "cpu_clock") == [(0, 2_100_000_000), (1, 3_900_000_000)]
    assert named(facts, "cpu_capacity") == [(1, 1024)]


CPUINFO = """processor: 0
vendor_id: GenuineIntel
model name: Intel(R) Xeon(R) CPU @ 2.00GHz
bogomips: 3990.39
cpu MHz: 800.000

"""


@pytest.mark.parametrize(
    ("cpuinfo", "lost", "hertz"),
    [
        (CPUINFO, 0, 2_100_000_000),  # base_frequency
        (CPUINFO, 1, 2_150_000_000),  # nominal_freq
        (CPUINFO, 2, 2_000_000_000),  # the name
        (CPUINFO.replace(" @ 2.00GHz", ""), 2, 1_995_000_000),  # the time-stamp counter
        (CPUINFO.replace(" @ 2.00GHz", "").replace("bogomips", "-"), 2, 3_900_000_000),  # cpuinfo_max_freq
        (CPUINFO.replace(" @ 2.00GHz", "").replace("bogomips", "-"), 3, 800_000_000),  # cpu MHz
        ("processor: 0\ncpu: POWER9\nclock: 3450.000000MHz\n", 3, 3_450_000_000),
        ("processor 0: version = 00\n\ncpu number: 0\ncpu MHz static: 5208\n", 3, 5_208_000_000),  # s390
        ("cpu: EV67\ncycle frequency [Hz]: 666666666 est.\n", 3, 666_666_666),  # alpha
        ("cpu: SPARC T4\nCpu0ClkTck: 00000000a9df5b78\n", 3, 0xA9DF5B78),
        ("processor: 0\nBogoMIPS: 62.50\nFeatures: fp\n", 3, 3_000_000_000),  # the device tree
        ("processor: 0\nBogoMIPS: 62.50\nFeatures: fp\n", 4, None),
    ],
)  # fmt: skip
def test_of_several_clocks_the_steadiest_is_believed(cpuinfo: str, lost: int, hertz: int | None) -> None:
    files = {
        "sys/devices/system/cpu/cpu0/cpufreq/base_frequency": b"2100000\n",
        "sys/devices/system/cpu/cpu0/acpi_cppc/nominal_freq": b"2150\n",
        "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": b"3900000\n",
        "proc/device-tree/cpus/cpu@0/clock-frequency": (3 * 10**9).to_bytes(4, "big"),
    }
    kept = dict(list(files.items())[lost:])
    facts = read(rooted_tree(tree_of(cpus=1, threads=1), {"cpuinfo": cpuinfo.encode()}) | kept)
    assert named(facts, "cpu_clock") == ([] if hertz is None else [(0, hertz)])


def test_a_uniprocessor_kernel_without_topology_is_one_core() -> None:
    assert named(read({"cpu/online": b"0\n"}), "cpu_thread") == [(0, 0, 0, 0)]


def test_pci_functions_have_their_registers_their_sizes_and_their_node() -> None:
    config = bytearray(64)
    config[0:4] = b"\x86\x80\x21\x15"
    config[0x0A:0x0C] = b"\x00\x02"
    config[0x10:0x14] = b"\x00\x00\x00\xe0"
    here = "sys/bus/pci/devices/0000:81:00.1/"
    files = {f"sys/devices/system/{path}": content for path, content in tree_of().items()}
    files |= {here + "config": bytes(config), here + "numa_node": b"1\n"}
    files |= {here + "resource": b"0x00000000e0000000 0x00000000e00fffff 0x0000000000040200\n"}
    facts = read(files)
    address = compound("addr", 0x81, 0, 1)
    assert fact("device_node", address, 1) in facts
    assert fact("device", "pci", address, 0x8086, 0x1521, 2, 0, 0, -1) in facts
    assert [args[2:4] for args in named(facts, "bar")] == [(0xE0000000, 1 << 20)]


def test_pci_functions_whose_registers_were_not_copied_are_still_there() -> None:
    here = "sys/bus/pci/devices/0035:04:00.0/"
    files = rooted_tree(tree_of(), {}) | {here + "class": b"0x030200\n", here + "vendor": b"0x10de\n"}
    files[here + "device"] = b"0x1db1\n"
    address = compound("addr", 0x35, 4, 0, 0)
    assert fact("device", "pci", address, 0x10DE, 0x1DB1, 3, 2, 0, -1) in read(files)


@needs_snapshots
def test_segments_of_32_bits_and_functions_below_links_are_found() -> None:
    path = SNAPSHOTS["2pa-pcidomain32bits"]
    places = {args[0] for args in named(sysfs.read(path.read_bytes(), "x"), "device_node")} | {
        f.args[1] for f in sysfs.read(path.read_bytes(), "x") if f.name in ("device", "bridge")
    }
    assert any(
        isinstance(place, Compound) and len(place.args) == 4 and place.args[0] > 0xFFFF for place in places
    )
    assert len(places) == 9


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (
            "cpu/cpu1/topology/core_cpus",
            b"xyz\n",
            r"^sysfs/cpu/cpu1/topology/core_cpus: 'xyz' is no word of a mask",
        ),
        ("cpu/online", b"0-\n", r"^sysfs/cpu/online: '0-' is no CPU number or range"),
        ("cpu/online", b"0-4294967295\n", r"^sysfs/cpu/online: .* is no (range|CPU number)"),
        ("cpu/cpu0/topology/core_id", b"one\n", r"^sysfs/cpu/cpu0/topology/core_id: 'one' is no number"),
        ("cpu/cpu0/cache/index0/size", b"much\n", r"^sysfs/cpu/cpu0/cache/index0/size: 'much' is no size"),
        ("cpu/cpu0/cache/index0/level", b"-2\n", r"^sysfs/cpu/cpu0/cache/index0/level: '-2' is negative"),
        (
            "cpu/cpu99999999/topology/core_id",
            b"0\n",
            r"^sysfs/cpu: cpu99999999: there is no such large number",
        ),
    ],
)
def test_a_file_that_no_kernel_writes_is_refused_by_its_path(path: str, content: bytes, message: str) -> None:
    with pytest.raises(DumpError, match=message):
        read(tree_of() | {path: content})


@pytest.mark.parametrize("files", [{}, {"etc/passwd": b"root"}, {"node/node0/cpumap": b"1"}])
def test_what_is_no_copy_of_sys_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(DumpError, match=r"^sysfs: no "):
        read(files)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tarball_reads_as_its_tree(compress: Callable[[bytes], bytes]) -> None:
    files = {f"host/sys/devices/system/{path}": content for path, content in tree_of().items()}
    data = compress(tar_of(files))
    assert sysfs.recognises(data)
    assert sysfs.read(data, "sysfs") == read(tree_of())


def test_a_tarball_that_leads_out_of_itself_is_refused() -> None:
    for path in ("../sys/devices/system/cpu/online", "/sys/devices/system/cpu/online", "a/../../cpu/online"):
        with pytest.raises(DumpError, match="a path that leads out of the tarball"):
            sysfs.read(tar_of({path: b"0\n"}), "x.tar")


def test_links_and_devices_in_a_tarball_are_not_followed() -> None:
    link = tarfile.TarInfo("sys/devices/system/cpu/cpu0/topology/core_id")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(DumpError, match=r"no CPU|no devices/system/cpu"):
        sysfs.read(tar_of({}, link=link), "x.tar")


def test_a_bomb_is_refused_before_it_fills_memory() -> None:
    info = tarfile.TarInfo("sys/devices/system/cpu/online")
    info.size = 1 << 40
    header = info.tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(DumpError, match="no such file of the kernel is that large"):
        sysfs.read(header, "x.tar")
    other = tarfile.TarInfo("home/video.mkv")
    other.size = 1 << 32
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=1) as out:
        out.write(other.tobuf(tarfile.GNU_FORMAT))
        for _ in range(520):
            out.write(bytes(1 << 20))
    start = time.process_time()
    with pytest.raises(DumpError, match="unpacks to more than"):
        sysfs.read(bomb.getvalue(), "x.tar.gz")
    assert time.process_time() - start < 20


def test_a_folder_and_its_tarball_give_the_same_facts(tmp_path: Path) -> None:
    for path, content in tree_of().items():
        file = tmp_path / "sysfs" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert read(sysfs.files_of(tmp_path / "sysfs")) == read(tree_of())
    tarball = tmp_path / "sysfs.tar.gz"
    tarball.write_bytes(gzip.compress(tar_of({f"sys/devices/system/{p}": c for p, c in tree_of().items()})))
    assert read(sysfs.files_of(tarball)) == read(tree_of())
    with pytest.raises(DumpError, match=r"no cpu/ or devices/system/cpu in it"):
        sysfs.files_of(tmp_path / "nowhere")


@given(st.sets(st.integers(0, 700)))
@settings(deadline=None)
def test_masks_and_lists_of_any_length_name_their_cpus(cpus: set[int]) -> None:
    bits = sum(1 << cpu for cpu in cpus)
    digits = f"{bits:x}"
    words = [digits[max(0, end - 8) : end] for end in range(len(digits), 0, -8)][::-1]
    assert from_mask(",".join(words)) == bits
    assert from_mask(",".join(f"0x{word.zfill(8)}" for word in words)) == bits
    assert from_mask(",".join(["0000", *(word.zfill(8) for word in words)])) == bits
    assert from_list(",".join(map(str, sorted(cpus)))) == bits
    assert set(cpus_of(bits)) == cpus
    assert first_cpu(bits) == min(cpus, default=-1)


def test_lists_with_strides_are_read() -> None:
    assert set(cpus_of(from_list("0-3,8,16-31:2/4"))) == {0, 1, 2, 3, 8, 16, 17, 20, 21, 24, 25, 28, 29}


def test_sets_are_admitted_that_nest_and_refused_that_cut() -> None:
    nested = Nested()
    assert [nested.admit(cpus) for cpus in (0b1111, 0b0011, 0b0110, 0b1111, 0, 0b110000)] == [
        True, True, False, True, False, True,
    ]  # fmt: skip


def damaged(files: dict[str, bytes], chance: random.Random) -> dict[str, bytes]:
    """Files lost, cut, swapped, with bits flipped or with nonsense in them."""
    out = dict(files)
    for _ in range(chance.randrange(1, 6)):
        path = chance.choice(list(out) or ["cpu/online"])
        content = bytearray(out.get(path, b""))
        match chance.randrange(6):
            case 0:
                out.pop(path, None)
                continue
            case 1:
                del content[chance.randrange(len(content) + 1) :]
            case 2 if content:
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            case 3:
                content = bytearray(out[chance.choice(list(out))] if out else b"")
            case 4:
                content = bytearray(
                    chance.choice((b"-1\n", b"4294967295\n", b"0-65535\n", b"ffffffff,ffffffff\n", b"\0\xff"))
                )
            case _:
                content *= chance.randrange(1, 50)
        out[path] = bytes(content)
    return out


def checked(facts: list[Fact]) -> None:
    """Facts that the knowledge base takes: declared, writable, one position a core, numbers from 0 on."""
    assert {f.name for f in facts} <= DECLARED | {
        "bridge_buses",
        "bridge_window",
        "device_revision",
        "device_capability",
    }
    to_prolog_list(facts)
    cores = Counter(f.args for f in facts if f.name == "cpu_thread")
    assert cores and max(cores.values()) == 1
    places = [f.args[1:] for f in facts if f.name == "cpu_thread"]
    assert len(set(places)) == len(places)
    for f in facts:
        if f.name.startswith(("cpu_", "node_", "memory_")):
            assert all(arg >= 0 for arg in f.args if isinstance(arg, int)), f


def read_or_refuse(files: dict[str, bytes]) -> None:
    try:
        facts = read(files)
    except DumpError as error:
        assert str(error).startswith("sysfs") and "\n" not in str(error)
        return
    checked(facts)


@pytest.mark.parametrize(
    ("capacities", "kinds"),
    [
        ((1024, 1024, 446, 446), "ppee"), ((997, 1024, 718, 731), "ppee"), ((1024, 992, 960, 930), ""),
        ((1024, 700, 700, 250), "peee"), ((1024, 1024, 0, 0), "ppee"),
    ],
)
def test_capacities_tell_kinds_apart_where_nothing_else_does(capacities: tuple[int, ...], kinds: str) -> None:
    tree = tree_of() | {
        f"cpu/cpu{cpu}/cpu_capacity": f"{capacity}\n".encode() for cpu, capacity in enumerate(capacities)
    }
    facts = sysfs.read_tree(tree, "x")
    assert "".join(str(f.args[1])[0] for f in facts if f.name == "cpu_kind") == kinds


def test_a_small_file_takes_no_large_buffer(tmp_path: Path) -> None:
    """A buffer for the largest file, once for each of 300,000 small ones, is what time and memory would go to."""
    for place, content in tree_of(cpus=64).items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(content)
    tracemalloc.start()
    files = sysfs.files_of(tmp_path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(files) == len(tree_of(cpus=64)) and most < 2 << 20


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_tree_gives_facts_or_a_clear_refusal(seed: int) -> None:
    chance = random.Random(seed)
    whole = tree_of(cpus=6, threads=2) | nodes_of(
        {0: "7", 1: "38", 2: "0"}, dict.fromkeys(range(3), "10 20 20")
    )
    for _ in range(200):
        read_or_refuse(damaged(whole, chance))


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(out) or 1)
        if chance.random() < 0.4:
            del out[at:]
        elif out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
    return bytes(out)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_damaged_tarball_gives_facts_or_a_clear_refusal(compress: Callable[[bytes], bytes]) -> None:
    chance = random.Random(7)
    data = compress(tar_of({f"sys/devices/system/{path}": content for path, content in tree_of().items()}))
    for _ in range(120):
        broken = damaged_bytes(data, chance)
        try:
            checked(sysfs.read(broken, "sysfs"))
        except DumpError as error:
            assert str(error).startswith("sysfs")


@given(st.binary(max_size=600))
@settings(max_examples=100, deadline=None)
def test_any_bytes_whatever_are_refused(data: bytes) -> None:
    with pytest.raises(DumpError):
        sysfs.read(data, "sysfs")


@pytest.mark.slow
@needs_snapshots
def test_10000_damaged_snapshots_give_facts_or_a_clear_refusal() -> None:
    chance = random.Random(2012)
    small = ("16amd64-8n2c", "16em64t-4s2c2t-offlines", "20s390-2g6s4c", "2arm-2c", "2i386-2t-hugepagesizecount",
             "2pa-pcidomain32bits", "4fake-4gr1nu1pu", "8em64t-2s2ca2c-buggynuma", "fakeheterocpunuma",
             "fakeheteromemtiers", "16ia64-8n2s")  # fmt: skip
    whole = [unpack(SNAPSHOTS[name].read_bytes(), name) for name in small]
    for _ in range(10_000):
        read_or_refuse(damaged(chance.choice(whole), chance))
