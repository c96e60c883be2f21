"""The sysfs and hwloc readers against lstopo: the same objects, CPU by CPU, byte by byte.

Every real machine at hand is a case; facts are turned back into hwloc's objects, {(type, CPUs, size)}, and
must be those that lstopo tells of the same input. What lstopo tells of trees that were changed at random
(CPUs off line, files missing) holds the reader to the format rather than to the cases.
"""

import io
import itertools
import os
import random
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from skb.facts import Fact
from skb.readers import hwloc, sysfs

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
SNAPSHOTS = sorted((SHARED / "data" / "sysfs").glob("hwloc*/*/*.tar.bz2"))
EXPORTS = sorted((SHARED / "data" / "hwloc-xml").glob("*/*.xml"))
LSTOPO = shutil.which("lstopo") or shutil.which("lstopo-no-graphics")
needs_lstopo = pytest.mark.skipif(LSTOPO is None, reason="no lstopo (package hwloc-nox)")
needs_snapshots = pytest.mark.skipif(
    not SNAPSHOTS, reason="no snapshots beside the checkout (shared/data/sysfs)"
)
needs_exports = pytest.mark.skipif(not EXPORTS, reason="no XML beside the checkout (shared/data/hwloc-xml)")

Objects = dict[str, set]
Distances = dict[tuple[int, int], int]

CPU_TYPES = ("Package", "Die", "Core", "PU")


def objects_of(facts: list[Fact]) -> Objects:
    """hwloc's objects from facts."""
    groups: dict[tuple, set[int]] = defaultdict(set)
    nodes: dict[int, set[int]] = defaultdict(set)
    sizes = {(f.args[0], f.args[2], f.args[3]): f.args[4] for f in facts if f.name == "cpu_cache"}
    memory = {f.args[0]: f.args[1] for f in facts if f.name == "node_memory"}
    for f in facts:
        if f.name == "cpu_thread":
            core, package, inner, _ = f.args
            groups["Package", None, package].add(core)
            groups["Core", None, package, inner].add(core)
            groups["PU", None, core].add(core)
        elif f.name == "cpu_die":
            groups["Die", None, f.args[1]].add(f.args[0])
        elif f.name == "cpu_cache_id":
            core, level, kind, instance = f.args
            groups[f"L{level}{'i' if kind == 'instr' else ''}", sizes[core, level, kind], instance].add(core)
        elif f.name == "cpu_node":
            nodes[f.args[1]].add(f.args[0])
        elif f.name == "node_local_core":
            nodes[f.args[0]].add(f.args[1])
        elif f.name == "node_memory":
            nodes[f.args[0]] |= set()
    found: Objects = defaultdict(set)
    for (kind, size, *_), cores in groups.items():
        found[kind].add((frozenset(cores), size))
    for node, cores in nodes.items():
        found["NUMANode"].add((node, frozenset(cores), memory.get(node, 0)))
    return dict(found)


def objects_of_xml(text: bytes) -> Objects:
    """The objects in lstopo's XML (2.x), in the form of `objects_of`."""
    found: Objects = defaultdict(set)
    for element in ET.fromstring(text).iter("object"):
        kind = element.get("type")
        if kind in CPU_TYPES:
            found[kind].add((cpus(element), None))
        elif kind.endswith("Cache") and kind != "MemCache":
            found[kind.removesuffix("Cache")].add((cpus(element), int(element.get("cache_size"))))
        elif kind == "NUMANode":
            memory = int(element.get("local_memory", 0))
            found["NUMANode"].add((int(element.get("os_index")), cpus(element), memory))
    return dict(found)


def cpus(element: ET.Element) -> frozenset[int]:
    words = element.get("cpuset").split(",")
    bits = int("".join(f"{int(word or '0', 16):08x}" for word in words), 16)
    return frozenset(n for n in range(bits.bit_length()) if bits >> n & 1)


def distances_of(facts: list[Fact]) -> Distances:
    return {f.args[:2]: f.args[2] for f in facts if f.name == "node_distance"}


def distances_of_xml(text: bytes) -> Distances:
    """The latencies between NUMA nodes that the operating system told."""
    for matrix in ET.fromstring(text).iter("distances2"):
        name, kind = matrix.get("name"), int(matrix.get("kind"))
        if (
            matrix.get("type") == "NUMANode"
            and kind & 4
            and (name == "NUMALatency" or (not name and kind & 1))
        ):
            nodes = [int(word) for part in matrix.iter("indexes") for word in part.text.split()]
            values = [int(word) for part in matrix.iter("u64values") for word in part.text.split()]
            pairs = [(one, other) for one in nodes for other in nodes]
            return dict(zip(pairs, values, strict=True))
    return {}


def assert_same(facts: list[Fact], xml: bytes) -> None:
    ours, theirs = objects_of(facts), objects_of_xml(xml)
    for kind in ("Package", "Core"):
        if kind not in theirs:  # a fact must place each thread: on the one package, as a core of its own
            whole = {(frozenset(core for cores, _ in ours["PU"] for core in cores), None)}
            assert ours.pop(kind) == (ours["PU"] if kind == "Core" else whole)
    assert ours == theirs
    assert distances_of(facts) == distances_of_xml(xml)


def lstopo_of_tree(root: Path) -> bytes:
    environment = {"PATH": os.environ["PATH"], "HWLOC_COMPONENTS": "linux,stop", "HWLOC_FSROOT": str(root)}
    command = [LSTOPO, "--disallowed", "--whole-io", "--of", "xml", "-"]
    return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout


def lstopo_of_xml(path: Path, scratch: Path) -> bytes:
    """lstopo 2.9 refuses 3.0, which differs in the version alone as far as objects go."""
    copy = scratch / "in.xml"
    copy.write_bytes(path.read_bytes().replace(b'<topology version="3.0">', b'<topology version="2.0">', 1))
    command = [LSTOPO, "-i", str(copy), "--disallowed", "--whole-io", "--of", "xml", "-"]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@needs_snapshots
@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.parent.name)
def test_a_snapshot_of_sys_has_the_objects_that_lstopo_tells(path: Path) -> None:
    facts = sysfs.read(path.read_bytes(), path.name)
    assert_same(facts, (path.parent / "lstopo-2.9-whole.xml").read_bytes())


@needs_lstopo
@needs_exports
@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.parent.name)
def test_an_export_has_the_objects_that_lstopo_reads_in_it(path: Path, tmp_path: Path) -> None:
    assert_same(hwloc.read(path.read_bytes(), path.name), lstopo_of_xml(path, tmp_path))


@needs_lstopo
@needs_snapshots
@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.parent.name)
def test_what_lstopo_exports_of_a_snapshot_reads_as_the_snapshot(path: Path) -> None:
    xml = (path.parent / "lstopo-2.9-whole.xml").read_bytes()
    assert_same(hwloc.read(xml, "lstopo.xml"), xml)


@needs_lstopo
@pytest.mark.skipif(not Path("/sys/devices/system/cpu").is_dir(), reason="no Linux")
def test_this_machine_has_the_objects_that_lstopo_tells() -> None:
    assert_same(sysfs.read_tree(sysfs.files_of(Path("/")), "/"), lstopo_of_tree(Path("/")))


def unpacked(path: Path, scratch: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        tar.extractall(scratch, filter="tar")
    return next(scratch.glob("**/sys/devices/system")).parent.parent.parent


def take_from_nodes(root: Path, victims: list[int]) -> None:
    """The kernel lists CPUs on line only; of nodes that list others, lstopo 2.9 believes nothing."""
    for file in (root / "sys/devices/system/node").glob("node*/cpumap"):
        bits = int(file.read_text().replace(",", ""), 16)
        for victim in victims:
            bits &= ~(1 << victim)
        digits = f"{bits:x}".zfill(-(-len(f"{bits:x}") // 8) * 8)
        file.write_text(",".join(digits[n : n + 8] for n in range(0, len(digits), 8)) + "\n")
        file.with_name("cpulist").unlink(missing_ok=True)


def memory_node(nodes: list[Path], chance: random.Random) -> None:
    """A node more, without cores, near the first one."""
    numbers = {int(node.name[4:]) for node in nodes}
    new = nodes[0].with_name(f"node{max(numbers) + chance.choice((1, 4))}")
    new.mkdir()
    (new / "cpumap").write_text("00000000\n")
    (new / "meminfo").write_text("Node 0 MemTotal:  4096 kB\nNode 0 MemFree:  17 kB\n")
    (new.parent / "online").write_text(",".join(map(str, sorted({*numbers, int(new.name[4:])}))) + "\n")
    for node in nodes:
        if (node / "distance").exists():
            (node / "distance").write_text((node / "distance").read_text().strip("\n\0 ") + " 17\n")
    (new / "distance").write_text(" ".join(["17", *["28"] * (len(nodes) - 1), "10"]) + "\n")


def change(root: Path, chance: random.Random) -> str:
    """One change that a kernel, a hypervisor or a careless copy could make to a tree."""
    cpu = root / "sys/devices/system/cpu"
    numbers = sorted(int(p.name[3:]) for p in cpu.glob("cpu[0-9]*") if p.name[3:].isdecimal())
    victims = chance.sample(numbers, k=min(len(numbers) - 1, chance.choice((1, 2, 5))))
    nodes = sorted((root / "sys/devices/system/node").glob("node[0-9]*"))
    match chance.randrange(10):
        case 0:
            left = [str(number) for number in numbers if number not in victims]
            (cpu / "online").write_text(",".join(left) + "\n")
            take_from_nodes(root, victims)
            return f"{victims} off line, in cpu/online"
        case 1:
            (cpu / "online").unlink(missing_ok=True)
            for victim in victims:
                (cpu / f"cpu{victim}/online").write_text("0\n")
            take_from_nodes(root, victims)
            return f"{victims} off line, each in its own file"
        case 2:
            for victim in victims:
                shutil.rmtree(cpu / f"cpu{victim}/cache", ignore_errors=True)
            return f"no caches of {victims}"
        case 3:
            for victim in victims:
                shutil.rmtree(cpu / f"cpu{victim}/topology", ignore_errors=True)
            take_from_nodes(root, victims)
            return f"no topology of {victims}"
        case 4:
            for victim in victims:
                for index in (cpu / f"cpu{victim}/cache").glob("index*"):
                    if chance.random() < 0.5:
                        (index / "shared_cpu_map").unlink(missing_ok=True)
                        (index / "shared_cpu_list").unlink(missing_ok=True)
            return f"no sharers of some caches of {victims}"
        case 5:
            for node in nodes[1:2]:
                for name in ("distance", "meminfo"):
                    (node / name).unlink(missing_ok=True)
            return f"no distances or memory in {[node.name for node in nodes[1:2]]}"
        case 6:
            for victim in victims:
                for file in (cpu / f"cpu{victim}/topology").glob("*_id"):
                    file.write_text("-1\n")
            return f"no numbers of packages, dies and cores of {victims}"
        case 7:
            shutil.rmtree(root / "sys/devices/system/node", ignore_errors=True)
            return "a kernel without nodes"
        case 8 if nodes:
            memory_node(nodes, chance)
            return "memory without cores"
        case _:
            for victim in victims:
                for name in ("die_cpus", "cluster_cpus", "package_cpus", "core_siblings"):
                    for file in (cpu / f"cpu{victim}/topology").glob(name + "*"):
                        file.unlink()
            return f"no package, die or cluster of {victims}"


@pytest.mark.slow
@needs_lstopo
@needs_snapshots
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("path", SNAPSHOTS, ids=lambda path: path.parent.name)
def test_a_changed_snapshot_still_reads_as_lstopo_reads_it(path: Path, seed: int, tmp_path: Path) -> None:
    root = unpacked(path, tmp_path)
    chance = random.Random(seed)
    done = [change(root, chance) for _ in range(chance.choice((1, 1, 2)))]
    try:
        xml = lstopo_of_tree(root)
    except subprocess.CalledProcessError:
        pytest.skip(f"lstopo itself gives up: {done}")
    facts = sysfs.read_tree(sysfs.files_of(root), path.name)
    if any("no package" in each for each in done):
        facts_packages = objects_of(facts).get("Package")
        assert facts_packages  # cores that no package holds make one of their own, which hwloc does not
    else:
        assert_same(facts, xml)


def written(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{content}\n")


def mask(cpus: Iterable[int]) -> str:
    digits = f"{sum(1 << cpu for cpu in cpus):x}"
    return ",".join(digits[max(0, end - 8) : end] for end in range(len(digits), 0, -8)[::-1])


def machine(root: Path, chance: random.Random) -> None:
    """A tree of a machine of any shape: packages, dies, clusters, cores and threads, numbered in any order."""
    shape = [chance.choice(counts) for counts in ((1, 2, 3), (1, 1, 2), (1, 2, 3), (1, 2, 3), (1, 1, 2, 4))]
    places = list(itertools.product(*map(range, shape)))
    if chance.random() < 0.5:
        places.sort(key=chance.choice([lambda place: place[-1], lambda place: chance.random()]))
    first = chance.choice((0, 0, 0, 1022, 4094))
    numbers = sorted(chance.sample(range(first, first + 2 * len(places)), len(places)))
    off = set(chance.sample(numbers[1:], chance.choice((0, 0, 1))) if len(numbers) > 1 else ())
    at = {number: place for number, place in zip(numbers, places, strict=True) if number not in off}
    system, modern = root / "sys/devices/system", chance.random() < 0.7
    sets = {"core_cpus": 4, "package_cpus": 1, "die_cpus": 2, "cluster_cpus": 3} if modern else {}
    sets |= {} if modern and chance.random() < 0.5 else {"thread_siblings": 4, "core_siblings": 1}
    caches = [(1, "Data", 32, 4), (1, "Instruction", 64, 4), (2, "Unified", 512, chance.choice((3, 4)))]
    caches.append((3, "Unified", 8192, chance.choice((1, 2, 3))))

    def with_(place: tuple[int, ...], parts: int) -> list[int]:
        return [cpu for cpu, other in at.items() if other[:parts] == place[:parts]]

    written(system / "cpu/online", ",".join(map(str, sorted(at))))
    written(system / "cpu/present", ",".join(map(str, numbers)))
    for number in off:
        written(system / f"cpu/cpu{number}/online", 0)
    for number, place in at.items():
        topology = system / f"cpu/cpu{number}/topology"
        for name, parts in sets.items():
            written(topology / name, mask(with_(place, parts)))
        written(topology / "core_id", place[3])
        written(topology / "physical_package_id", place[0])
        for index, (level, kind, size, parts) in enumerate(caches):
            cache = system / f"cpu/cpu{number}/cache/index{index}"
            written(cache / "level", level)
            written(cache / "type", kind)
            written(cache / "size", f"{size}K")
            written(cache / "shared_cpu_map", mask(with_(place, parts)))
    parts = chance.choice((0, 1, 2))
    groups = [with_(place, parts) for place in sorted({place[:parts] for place in at.values()})]
    groups += [[]] * chance.choice((0, 0, 1, len(groups)))  # memory without cores
    count = len(groups)
    for one, cpus in enumerate(groups):
        node = system / f"node/node{one}"
        written(node / "cpumap", mask(cpus))
        written(node / "meminfo", f"Node {one} MemTotal:  {chance.randrange(1 << 26)} kB")
        ways = (10 if one == other else 17 if (one - other) * 2 % count == 0 else 28 for other in range(count))
        written(node / "distance", " ".join(map(str, ways)))


@needs_lstopo
@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 200), marks=pytest.mark.slow)])
def test_a_machine_of_any_shape_reads_as_lstopo_reads_it(seeds: range, tmp_path: Path) -> None:
    for seed in seeds:
        machine(tmp_path / str(seed), random.Random(seed))
        facts = sysfs.read_tree(sysfs.files_of(tmp_path / str(seed)), f"seed {seed}")
        assert_same(facts, lstopo_of_tree(tmp_path / str(seed)))
