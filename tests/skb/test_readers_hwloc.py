"""The hwloc reader: three formats of one machine, what it takes from each, and damaged files.

That it finds the objects lstopo finds is in test_readers_topology.py.
"""

import os
import random
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.facts import Fact, Text, compound, fact, to_prolog_list
from skb.readers import DumpError, hwloc

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
EXPORTS = {path.parent.name: path for path in (SHARED / "data" / "hwloc-xml").glob("*/*.xml")}
needs_exports = pytest.mark.skipif(not EXPORTS, reason="no XML beside the checkout (shared/data/hwloc-xml)")
VOCABULARY = (Path(__file__).resolve().parents[2] / "rules" / "vocabulary.pl").read_text()
DECLARED = set(re.findall(r"^fact\((\w+),", VOCABULARY, re.MULTILINE))

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'


def pu(number: int) -> str:
    return f'<object type="PU" os_index="{number}" cpuset="{1 << number:#x}"/>'


MODERN = f"""{HEAD}<topology version="2.0">
 <object type="Machine" os_index="0" cpuset="0x0000000f" nodeset="0x00000003">
  <object type="Package" os_index="3" cpuset="0x0000000f" nodeset="0x00000003">
   <info name="CPUVendor" value="GenuineIntel"/><info name="CPUModel" value="Intel(R) Xeon(R)"/>
   <info name="CPUFamilyNumber" value="6"/><info name="CPUModelNumber" value="85"/>
   <info name="CPUStepping" value="7"/>
   <object type="NUMANode" os_index="0" cpuset="0x0000000f" nodeset="0x1" local_memory="4096" gp_index="5"/>
   <object type="MemCache" cpuset="0xf" cache_size="1048576" depth="1" cache_linesize="64" cache_associativity="1"
     cache_type="0">
    <object type="NUMANode" os_index="8" cpuset="0x0000000f" nodeset="0x100" local_memory="8192" gp_index="6"/>
   </object>
   <object type="L2Cache" cpuset="0x0000000f" cache_size="1048576" depth="2" cache_linesize="64"
     cache_associativity="-1" cache_type="0"><info name="Inclusive" value="1"/>
    <object type="L1iCache" cpuset="0x00000003" cache_size="32768" depth="1" cache_linesize="64"
      cache_associativity="8" cache_type="2">
     <object type="Core" os_index="4" cpuset="0x00000003">{pu(0)}{pu(1)}</object>
    </object>
    <object type="Core" os_index="9" cpuset="0x0000000c">{pu(2)}{pu(3)}</object>
   </object>
   <object type="Bridge" bridge_type="0-1" depth="0" bridge_pci="0000:[00-02]">
    <object type="Bridge" bridge_type="1-1" depth="1" bridge_pci="0000:[02-02]" pci_busid="0000:00:01.0"
      pci_type="0604 [8086:3c02] [0000:0000] 07 00" pci_link_speed="7.876923">
     <object type="PCIDev" pci_busid="10000:02:00.1" pci_type="0200 [8086:1521] [00ff:0000] 01 02"
       pci_link_speed="0.000000"/>
    </object>
   </object>
  </object>
 </object>
 <distances2 type="NUMANode" nbobjs="2" kind="5" name="NUMALatency" indexing="os">
  <indexes length="4">0 8 </indexes><u64values length="6">10 17 </u64values><u64values length="6">17 10 </u64values>
 </distances2>
 <memattr name="Bandwidth" flags="5">
  <memattr_value target_obj_type="NUMANode" target_obj_gp_index="6" value="90000" initiator_cpuset="0x3"/>
 </memattr>
 <memattr name="Wear" flags="1">
  <memattr_value target_obj_type="NUMANode" target_obj_gp_index="6" value="7"/>
 </memattr>
 <cpukind cpuset="0x3" forced_efficiency="1"><info name="CoreType" value="IntelCore"/>
  <info name="FrequencyBaseMHz" value="2100"/></cpukind>
 <cpukind cpuset="0xc" forced_efficiency="0"><info name="CoreType" value="IntelAtom"/></cpukind>
</topology>
"""

OLD = f"""<?xml version="1.0"?>
<!DOCTYPE topology SYSTEM "hwloc.dtd">
<topology>
 <object type="Machine" os_index="0" cpuset="0x0000000f">
  <distances nbobjs="2" relative_depth="1" latency_base="10.000000">
   <latency value="1.000000"/><latency value="1.700000"/><latency value="1.700000"/><latency value="1.000000"/>
  </distances>
  <object type="NUMANode" os_index="0" cpuset="0x3" nodeset="0x1" local_memory="4096">
   <object type="Socket" os_index="3" cpuset="0x3">
    <object type="Cache" cpuset="0x3" cache_size="1048576" depth="2" cache_linesize="64"
      cache_associativity="16" cache_type="0">
     <object type="Core" os_index="0" cpuset="0x1">{pu(0)}</object>
     <object type="Core" os_index="1" cpuset="0x2">{pu(1)}</object>
    </object>
   </object>
  </object>
  <object type="NUMANode" os_index="1" cpuset="0xc" nodeset="0x2" local_memory="8192">
   <object type="Socket" os_index="4" cpuset="0xc">{pu(2)}{pu(3)}</object>
  </object>
 </object>
</topology>
"""


def read(text: str) -> list[Fact]:
    return hwloc.read(text.encode(), "hwloc.xml")


def named(facts: list[Fact], name: str) -> list[tuple]:
    return [f.args for f in facts if f.name == name]


def test_objects_become_positions_and_caches() -> None:
    facts = read(MODERN)
    assert named(facts, "cpu_thread") == [(0, 3, 4, 0), (1, 3, 4, 1), (2, 3, 9, 0), (3, 3, 9, 1)]
    assert fact("cpu_cache", 1, "l1i", 1, "instr", 32768, 8, 64, 2, "unknown") in facts
    assert fact("cpu_cache", 3, "l2", 2, "unified", 1 << 20, 16384, 64, 4, 1) in facts
    assert fact("cpu_brand", 2, Text("Intel(R) Xeon(R)")) in facts
    assert fact("cpu_family", 2, "intel", 6, 85, 7) in facts


def test_a_core_in_two_nodes_is_of_the_first_and_near_the_other() -> None:
    facts = read(MODERN)
    assert named(facts, "cpu_node") == [(cpu, 0) for cpu in range(4)]
    assert named(facts, "node_local_core") == [(8, cpu) for cpu in range(4)]
    assert named(facts, "node_memory") == [(0, 4096), (8, 8192)]
    assert named(facts, "node_distance") == [(0, 0, 10), (0, 8, 17), (8, 0, 17), (8, 8, 10)]
    assert named(facts, "memory_bandwidth") == [(0, 8, "access", 0, 90000)]
    assert named(facts, "node_attribute") == [(8, Text("Wear"), (), 7)]
    assert named(facts, "memory_side_cache") == [(8, 1, 1 << 20, "direct_mapped", "unknown", 64)]


def test_kinds_of_cpus_have_a_name_and_a_clock() -> None:
    facts = read(MODERN)
    assert [args[1] for args in named(facts, "cpu_kind")] == ["performance"] * 2 + ["efficiency"] * 2
    assert named(facts, "cpu_clock") == [(0, 2_100_000_000), (1, 2_100_000_000)]


def test_bins_of_one_kind_are_not_kinds() -> None:
    """Four bins of two kinds, as the kernel tells capacities of cores whose part numbers are not known."""
    kinds = "".join(
        f'<cpukind cpuset="{1 << cpu:#x}" forced_efficiency="{cpu}"><info name="LinuxCapacity" value="{capacity}"/>'
        "</cpukind>" for cpu, capacity in enumerate((718, 731, 997, 1024))
    )
    facts = read(re.sub("<cpukind.*</cpukind>", kinds, MODERN, flags=re.DOTALL))
    assert [args[1] for args in named(facts, "cpu_kind")] == ["efficiency"] * 2 + ["performance"] * 2
    assert named(facts, "cpu_capacity") == [(0, 718), (1, 731), (2, 997), (3, 1024)]


def test_a_clock_is_the_base_clock_else_that_of_the_name_else_the_highest() -> None:
    named_text = MODERN.replace("Intel(R) Xeon(R)", "Intel(R) Xeon(R) @ 2.50GHz")
    assert [args[1] // 10**6 for args in named(read(named_text), "cpu_clock")] == [2100, 2100, 2500, 2500]
    highest = MODERN.replace('name="CoreType" value="IntelAtom"', 'name="FrequencyMaxMHz" value="3000"')
    assert [args[1] // 10**6 for args in named(read(highest), "cpu_clock")] == [2100, 2100, 3000, 3000]


def test_pci_functions_have_their_class_and_link() -> None:
    facts = read(MODERN)
    bridge, card = compound("addr", 0, 1, 0), compound("addr", 0x10000, 2, 0, 1)
    assert named(facts, "bridge") == [("pcie", bridge, 0x8086, 0x3C02, 6, 4, 0, compound("secondary", 2))]
    assert named(facts, "device") == [("pci", card, 0x8086, 0x1521, 2, 0, 2, -1)]
    assert named(facts, "device_link_speed") == [(bridge, 7877)]


def test_version_3_reads_as_version_2() -> None:
    assert read(MODERN.replace('version="2.0"', 'version="3.0"')) == read(MODERN)


def test_version_1_scales_its_distances_and_knows_sockets() -> None:
    facts = read(OLD)
    assert named(facts, "cpu_thread") == [(0, 3, 0, 0), (1, 3, 1, 0), (2, 4, 0, 0), (3, 4, 1, 0)]
    assert named(facts, "node_distance") == [(0, 0, 10), (0, 1, 17), (1, 0, 17), (1, 1, 10)]
    assert named(facts, "cpu_node") == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert fact("cpu_cache", 1, "l2", 2, "unified", 1 << 20, 16, 64, 2, "unknown") in facts


@pytest.mark.parametrize(
    "group",
    [
        '<object type="Group" cpuset="0x3" kind="104">',
        '<object type="Group" cpuset="0x3" subtype="Die">',
        '<object type="Group" cpuset="0x3"><info name="Type" value="Die"/>',
        '<object type="Die" os_index="5" cpuset="0x3">',
    ],
)
def test_a_die_may_be_a_group(group: str) -> None:
    text = OLD.replace('<object type="Cache"', f'{group}<object type="Cache"', 1)
    text = text.replace("</object>\n    </object>", "</object>\n    </object></object>", 1)
    facts = read(text)
    assert named(facts, "cpu_die") == [(0, 0), (1, 0)] and not named(facts, "cpu_cluster")
    assert named(read(text.replace('"Die"', '"Tile"').replace("104", "103")), "cpu_die") == []


def test_version_1_has_mcdram_beside_the_memory_it_belongs_to() -> None:
    text = OLD.replace('os_index="0" cpuset="0x0000000f"', 'os_index="0" cpuset="0x3"')
    text = re.sub(r' *<object type="NUMANode" os_index="1".*(?=</topology>)', "", text, flags=re.DOTALL)
    text = re.sub(r"<distances.*</distances>", "", text, flags=re.DOTALL)
    mcdram = '<object type="NUMANode" os_index="1" cpuset="0x0" nodeset="0x2" local_memory="8192">'
    text = text.replace("</topology>", mcdram + '<info name="Type" value="MCDRAM"/></object></object></topology>')
    assert named(read(text), "node_local_core") == [(1, 0), (1, 1)]
    assert named(read(text.replace("MCDRAM", "CXLMem")), "node_local_core") == []


def test_sets_may_be_endless_and_have_empty_words() -> None:
    text = MODERN.replace('os_index="3" cpuset="0x0000000f"', 'os_index="3" cpuset="0xf...f"')
    assert named(read(text), "cpu_thread") == named(read(MODERN), "cpu_thread")
    high = (
        f'{HEAD}<topology version="2.0"><object type="Machine" cpuset="0x3,,0x1">'
        f'<object type="Core" os_index="0" cpuset="0x1,,0x1">{pu(0)}'
        '<object type="PU" os_index="64" cpuset="0x00000001,,0x0"/></object></object></topology>'
    )
    assert named(read(high), "cpu_thread") == [(0, 0, 0, 0), (64, 0, 0, 1)]


def test_indexes_of_distances_may_be_hwloc_s_own() -> None:
    text = MODERN.replace('indexing="os"', 'indexing="gp"').replace(">0 8 <", ">5 6 <")
    assert named(read(text), "node_distance") == named(read(MODERN), "node_distance")


BOMB = """<?xml version="1.0"?>
<!DOCTYPE topology [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<topology version="2.0"><object type="Machine" cpuset="&b;"/></topology>
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^hwloc.xml:1:1: not whole XML: no element found"),
        (MODERN[:900], r"^hwloc.xml:\d+:\d+: not whole XML: "),
        ("<html><body/></html>", r"^hwloc.xml:1: not hwloc's XML: <html>"),
        (BOMB, r"^hwloc.xml:2: the document type declares something itself"),
        (BOMB.replace("&b;", "0x1"), r"^hwloc.xml:2: the document type declares"),
        (f'{HEAD}<topology version="2.0"/>', r"^hwloc.xml:3: no PU"),
        (MODERN.replace('"0x0000000c"', '"0xg"'), r"^hwloc.xml:20: <object>: cpuset: '0xg' is no word of a"),
        (MODERN.replace('depth="2"', 'depth="deep"'), r"^hwloc.xml:14: <object>: depth='deep' is no number"),
        (MODERN.replace('cache_size="32768"', 'cache_size="-1"'), r"cache_size='-1' is negative"),
        (MODERN.replace(">0 8 <", ">0 8 9 <"), r"<distances2>: 2 objects, but 3 indexes and 4 values"),
        (MODERN.replace("0000:00:01.0", "somewhere"), r"pci_busid='somewhere' is no PCI address"),
        (OLD.replace('"10.000000"', '"ten"'), r"<distances>: latency_base='ten' is no latency"),
    ],
)  # fmt: skip
def test_what_is_no_export_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DumpError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_entities_in_another_encoding_are_refused_too() -> None:
    with pytest.raises(DumpError, match="the document type declares"):
        hwloc.read(BOMB.replace('1.0"?>', '1.0" encoding="utf-16"?>').encode("utf-16"), "x")


def test_a_tower_of_elements_takes_no_recursion() -> None:
    deep = '<topology version="2.0">' + '<object type="Group" cpuset="0x1">' * 50_000 + pu(0)
    deep += "</object>" * 50_000 + "</topology>"
    start = time.process_time()
    assert named(read(deep), "cpu_thread") == [(0, 0, 0, 0)]
    assert time.process_time() - start < 10


def test_exports_are_recognised_and_other_files_are_not() -> None:
    assert hwloc.recognises(MODERN.encode()) and hwloc.recognises(OLD.encode())
    assert not hwloc.recognises(b"<html/>") and not hwloc.recognises(b"CPU 0:\n   0x00000000 0x00")


@needs_exports
def test_a_real_machine_s_devices_are_near_its_nodes() -> None:
    facts = hwloc.read(EXPORTS["coral-lassen"].read_bytes(), "x")
    assert {args[1] for args in named(facts, "device_node")} == {0, 8}
    assert Counter(f.name for f in facts)["device"] == 13
    assert {f.name for f in facts} <= DECLARED


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut, with flipped bits, with numbers changed, or with a piece moved."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        if not out:
            break
        at = chance.randrange(len(out))
        match chance.randrange(5):
            case 0 if chance.random() < 0.3:
                del out[at:]
            case 1:
                out[at] ^= 1 << chance.randrange(8)
            case 2:
                piece = bytes(out[at : at + chance.randrange(1, 200)])
                there = chance.randrange(len(out))
                out[there:there] = piece
            case _:
                places = [match.span(1) for match in re.finditer(rb'="(?:0x)?([0-9a-f]+)"', out)]
                if places:
                    first, last = chance.choice(places)
                    out[first:last] = chance.choice(
                        (b"0", b"-1", b"99999999999999999999", b"ffffffff", b"", b"3")
                    )
    return bytes(out)


def read_or_refuse(data: bytes) -> None:
    """Facts that the knowledge base takes, or a DumpError of one line."""
    hwloc.recognises(data)
    try:
        facts = hwloc.read(data, "x.xml")
    except DumpError as error:
        assert str(error).startswith("x.xml") and "\n" not in str(error)
        return
    assert {f.name for f in facts} <= DECLARED
    to_prolog_list(facts)
    places = [f.args[1:] for f in facts if f.name == "cpu_thread"]
    assert places and len(set(places)) == len(places)
    for f in facts:
        if f.name.startswith(("cpu_", "node_", "memory_")):
            assert all(arg >= 0 for arg in f.args if isinstance(arg, int)), f


@pytest.mark.parametrize("text", [MODERN, OLD], ids=["modern", "old"])
def test_a_damaged_export_gives_facts_or_a_clear_refusal(text: str) -> None:
    chance = random.Random(4)
    for _ in range(400):
        read_or_refuse(damaged(text.encode(), chance))


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_whatever_are_refused(data: bytes) -> None:
    with pytest.raises(DumpError):
        hwloc.read(data, "x.xml")


@pytest.mark.slow
@needs_exports
def test_10000_damaged_exports_give_facts_or_a_clear_refusal() -> None:
    chance = random.Random(2012)
    whole = [data for data in (path.read_bytes() for path in EXPORTS.values()) if len(data) < 60_000]
    for _ in range(10_000):
        read_or_refuse(damaged(chance.choice(whole), chance))
