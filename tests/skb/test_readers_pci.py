"""The PCI reader against lspci dumps of real machines, with lspci itself as oracle."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from skb.facts import Compound, Fact, Text, compound, fact, to_prolog_list
from skb.readers import DumpError, pci, pci_ids

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
DUMPS = SHARED / "data" / "pci"
TEXTS = sorted(DUMPS.glob("*/lspci.txt"))
WITH_BYTES = [path for path in TEXTS if path.with_name("expected-lspci-Dn.txt").exists()]
VOCABULARY = Path(__file__).resolve().parents[2] / "rules" / "vocabulary.pl"

needs_dumps = pytest.mark.skipif(not TEXTS, reason="no lspci dumps beside the checkout (shared/data/pci)")
needs_lspci = pytest.mark.skipif(not shutil.which("lspci"), reason="lspci is not installed")
needs_swipl = pytest.mark.skipif(not shutil.which("swipl"), reason="swipl is not installed")


def case(path: Path) -> str:
    return path.parent.name


def every(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=case)


def dump(path: Path) -> list[Fact]:
    return pci.read(path.read_bytes(), "lspci.txt")


def facts_named(facts: list[Fact], *names: str) -> list[Fact]:
    return [each for each in facts if each.name in names]


def by_address(facts: list[Fact], name: str) -> dict[str, tuple[object, ...]]:
    return {slot(each.args[0]): each.args[1:] for each in facts_named(facts, name)}


def slot(address: object) -> str:
    """The address as `lspci -D` prints it."""
    assert isinstance(address, Compound)
    args = (0, *address.args)[-4:]
    return "{:04x}:{:02x}:{:02x}.{}".format(*args)


def functions(facts: list[Fact]) -> dict[str, tuple[object, ...]]:
    """(vendor, device, class, subclass, interface) of every device and bridge."""
    return {slot(each.args[1]): each.args[2:7] for each in facts_named(facts, "device", "bridge")}


def hexadecimal(config: bytes, address: str = "00:01.0", title: str = "Device") -> bytes:
    """An lspci dump of one function."""
    rows = [f"{at:02x}: {config[at : at + 16].hex(' ')}" for at in range(0, len(config), 16)]
    return "\n".join((f"{address} {title}", *rows, "", "")).encode()


def header(**at: bytes) -> bytes:
    """A configuration space of 256 bytes, vendor 1234 device 5678, with bytes at offsets `x34=b"..."`."""
    space = bytearray(256)
    space[0:4] = b"\x34\x12\x78\x56"
    for name, data in at.items():
        offset = int(name[1:], 16)
        space[offset : offset + len(data)] = data
    return bytes(space)


def run_lspci(file: Path, *options: str) -> str:
    return subprocess.run(
        ["lspci", "-F", str(file), *options], check=True, capture_output=True, text=True, errors="replace"
    ).stdout


# --- real machines -----------------------------------------------------------------------------------------


@needs_dumps
@every(WITH_BYTES)
def test_the_functions_are_those_that_lspci_lists(path: Path) -> None:
    facts = dump(path)
    revisions = by_address(facts, "device_revision")
    listed = []
    for place, (vendor, device, class_code, subclass, _) in functions(facts).items():
        (revision,) = revisions[place]
        suffix = f" (rev {revision:02x})" if revision else ""
        listed.append(f"{place} {class_code:02x}{subclass:02x}: {vendor:04x}:{device:04x}{suffix}")
    assert sorted(listed) == sorted(path.with_name("expected-lspci-Dn.txt").read_text().splitlines())


@needs_dumps
@every(WITH_BYTES)
def test_subsystems_and_interfaces_are_those_of_lspci(path: Path) -> None:
    facts = dump(path)
    subsystems = by_address(facts, "device_subsystem")
    expected = path.with_name("expected-lspci-Dvmmn.txt").read_text().strip().split("\n\n")
    found = functions(facts)
    assert len(found) == len(expected)
    for record in expected:
        tags = dict(line.split(":\t", 1) for line in record.splitlines())
        _, _, _, _, interface = found[tags["Slot"]]
        assert f"{interface:02x}" == tags.get("ProgIf", "00")
        vendor, device = subsystems.get(tags["Slot"], (0, 0))
        stated = (tags.get("SVendor", "0000"), tags.get("SDevice", "0000"))
        assert (f"{vendor:04x}", f"{device:04x}") == stated


def tree_above(text: str) -> dict[str, str | None]:
    """`lspci -Dt`: each function, and the bridge above it (None on a root bus)."""
    above: dict[str, str | None] = {}
    at_column: dict[int, tuple[str, str | None]] = {}
    place = None
    for line in text.splitlines():
        bus: tuple[str, str | None] | None = None
        for token in re.finditer(r"\[([0-9a-f:]+)(?:-[0-9a-f]{2})?\]|\b[0-9a-f]{2}\.[0-7]", line):
            if token[1]:
                domain = at_column[-1][0] if ":" not in token[1] else token[1].rpartition(":")[0]
                if ":" in token[1]:
                    at_column = {-1: (domain, None)}
                    bus = (token[1], None)
                else:
                    bus = (f"{domain}:{token[1]}", place)
            else:
                if bus is not None:
                    at_column[token.start()] = bus
                    bus = None
                number, parent = at_column[token.start()]
                place = f"{number}:{token[0]}"
                above[place] = parent
    return above


@needs_dumps
@every(WITH_BYTES)
def test_the_bridges_make_the_tree_that_lspci_draws(path: Path) -> None:
    facts = dump(path)
    behind = {}
    for place, (_, secondary, _) in by_address(facts, "bridge_buses").items():
        if secondary > int(place[-7:-5], 16):  # a bridge that was not set up leads to bus 0
            behind[f"{place[:-8]}:{secondary:02x}"] = place
    found = {place: behind.get(place[:-5]) for place in functions(facts)}
    assert found == tree_above(path.with_name("expected-lspci-Dt.txt").read_text())


@needs_dumps
@needs_lspci
@every(WITH_BYTES)
def test_bytes_say_what_lspci_says_in_words(path: Path) -> None:
    """lspci decodes the bytes to text; our reading of that text is our reading of the bytes."""
    text = run_lspci(path, "-Dnvvv").encode()
    bytes_alone = b"\n".join(
        re.sub(rb"^(\S+ ).*", rb"\1x", line) if re.match(rb"[0-9a-f:]+\.[0-7] ", line) else line
        for line in path.read_bytes().split(b"\n")
        if line[:1] not in (b"\t", b" ")
    )
    said, decoded = pci.read(text, "words"), pci.read(bytes_alone, "bytes")
    assert functions(said) == functions(decoded)
    kinds = "bar bridge_buses device_msi device_msix device_msix_table device_port device_link device_subsystem"
    for kind in (*kinds.split(), "pci_capability", "bridge_window"):
        assert set(facts_named(said, kind)) == set(facts_named(decoded, kind)), kind


@needs_dumps
@needs_swipl
def test_every_fact_has_the_types_that_the_vocabulary_declares(tmp_path: Path) -> None:
    facts = {each for path in TEXTS for each in dump(path)}
    goal = (
        "forall(member(F, Facts), (functor(F, N, A),"
        " (vocabulary:declared(N, A, fact, Args, _, _), vocabulary:declared_source(N, A, pci) -> true"
        " ; format('undeclared ~w~n', [N/A]), fail),"
        " F =.. [_|Values], forall(nth1(I, Args, _:T), (nth1(I, Values, V), (vocabulary:has_type(T, V) -> true"
        " ; format('~q: ~q is no ~q~n', [F, V, T]))))))"
    )
    check = tmp_path / "check.pl"
    check.write_text(
        f":- use_module('{VOCABULARY.as_posix()}').\ncheck :- facts(Facts), {goal}.\n"
        f"facts({to_prolog_list(facts)}).\n"
    )
    command = ["swipl", "-q", "-g", "check", "-t", "halt", str(check)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


@needs_dumps
def test_text_beside_the_bytes_gives_sizes_nodes_and_drivers() -> None:
    facts = dump(DUMPS / "huananzhi-x99-qd4" / "lspci.txt")
    audio = compound("addr", 0, 0x1B, 0)
    found = [each for each in facts if each.args[0] == audio]
    assert fact("device_node", audio, 0) in found
    assert fact("device_driver", audio, Text("snd_hda_intel")) in found
    (bar,) = facts_named(found, "bar")
    assert bar.args[1] == 0 and bar.args[3] == 16384 and bar.args[4:] == ("mem", "nonprefetchable", 64)
    assert facts_named(found, "device_link") == []  # an endpoint of the root complex has no link


@needs_dumps
def test_domains_other_than_0_are_in_the_address() -> None:
    addresses = {
        each.args[1] for each in facts_named(dump(DUMPS / "talos2-power9" / "lspci.txt"), "bridge", "device")
    }
    assert compound("addr", 0, 0, 0) in addresses
    assert compound("addr", 0x33, 0, 0, 0) in addresses
    assert {len(each.args) for each in addresses if isinstance(each, Compound)} == {3, 4}


@needs_dumps
def test_text_with_numbers_is_enough() -> None:
    facts = dump(DUMPS / "glpi-dell-xt2" / "lspci.txt")
    assert len(functions(facts)) == 24
    graphics = compound("addr", 0, 2, 0)
    assert fact("device", "pci", graphics, 0x8086, 0x2A42, 3, 0, 0, -1) in facts
    assert fact("bar", graphics, 2, 0xE0000000, 256 << 20, "mem", "prefetchable", 64) in facts
    port = compound("addr", 0, 0x1C, 0)
    assert fact("bridge", "pcie", port, 0x8086, 0x2940, 6, 4, 0, compound("secondary", 0x0B)) in facts
    assert fact("bridge_window", port, "mem", 0xC4200000, 0xC43FFFFF) in facts


@needs_dumps
def test_text_of_names_alone_gives_no_numbers_but_all_the_rest() -> None:
    facts = dump(DUMPS / "dual-xeon-e5v4-201-functions" / "lspci.txt")
    assert functions(facts) == {}
    assert len(facts_named(facts, "device_description")) == 201
    assert {each.args[1] for each in facts_named(facts, "device_node")} == {0, 1}
    port = compound("addr", 0, 1, 0)
    assert fact("device_description", port, Text(
        "PCI bridge: Intel Corporation Xeon E7 v4/Xeon E5 v4/Xeon E3 v4/Xeon D PCI Express Root Port 1"
    )) in facts  # fmt: skip
    assert fact("device_link", port, "status", 8000, 8) in facts
    assert fact("device_link_speed", port, 7877) in facts  # 8 lanes of 984.6 MB/s


@needs_dumps
def test_a_chain_of_garbage_ends_where_it_loops() -> None:
    facts = dump(DUMPS / "pciutils-broken-ecaps" / "lspci.txt")
    assert len(functions(facts)) == 1
    assert all(each.args[2] < 4096 for each in facts_named(facts, "pci_capability"))


@needs_dumps
def test_a_northbridge_tells_its_node_its_routes_and_its_links() -> None:
    facts = dump(DUMPS / "pciutils-cap-ht" / "lspci.txt")
    here = compound("addr", 0, 24, 0)
    assert facts_named(facts, "ht_node") == [fact("ht_node", here, 0, 2)]
    # node 1 lies behind link 2 (port mask 8), which is coherent; link 3 leads to the chip set
    assert facts_named(facts, "ht_route") == [fact("ht_route", 0, 0, 1, 1, 9), fact("ht_route", 0, 1, 8, 8, 1)]
    assert facts_named(facts, "ht_port") == [
        fact("ht_port", 0, 2, "coherent"),
        fact("ht_port", 0, 3, "noncoherent"),
    ]


@needs_dumps
@needs_lspci
@every(WITH_BYTES)
@pytest.mark.parametrize("options", ["-Dmmn", "-Dmmnn", "-Dvmmn", "-Dvmmnn", "-Dn", "-Dnn"])
def test_every_format_of_lspci_with_numbers_gives_the_same_functions(path: Path, options: str) -> None:
    text = run_lspci(path, options)
    assert pci.recognises(text.encode())
    if re.search(r"\[[0-9a-f]*\.\.\.", text):
        return  # lspci has cut long names off, and the numbers after them
    facts, whole = pci.read(text.encode(), "x"), dump(path)
    with_interface = "mm" in options
    assert {k: v[: 4 + with_interface] for k, v in functions(facts).items()} == {
        k: v[: 4 + with_interface] for k, v in functions(whole).items()
    }
    assert by_address(facts, "device_revision") == by_address(whole, "device_revision")
    if "mm" in options:
        assert set(facts_named(facts, "device_subsystem")) <= set(facts_named(whole, "device_subsystem"))


def test_a_tagged_record_tells_node_and_driver() -> None:
    record = "Slot:\t01:00.0\nClass:\tEthernet controller [0200]\nVendor:\tACME [1234]\nDevice:\tWire [5678]\n"
    facts = pci.read(f"{record}Rev:\t02\nDriver:\twire\nNUMANode:\t1\n\n".encode(), "x")
    address = compound("addr", 1, 0, 0)
    assert fact("device", "pci", address, 0x1234, 0x5678, 2, 0, 0, -1) in facts
    assert fact("device_node", address, 1) in facts
    assert fact("device_driver", address, Text("wire")) in facts
    assert fact("device_description", address, Text("Ethernet controller [0200]: ACME [1234] Wire [5678]")) in facts


# --- what one dump may look like ---------------------------------------------------------------------------


def test_carriage_returns_capitals_and_messages_of_tools_do_no_harm() -> None:
    plain = hexadecimal(header(x08=bytes.fromhex("a2 00 00 02")))
    facts = pci.read(plain, "x")
    assert pci.read(plain.replace(b"\n", b"\r\n"), "x") == facts
    upper = re.sub(rb"(?m)^[0-9a-f]{2}: .*$", lambda row: row[0].upper(), plain)
    assert upper != plain and pci.read(upper, "x") == facts
    assert pci.recognises(b"\xef\xbb\xbf" + plain) and pci.read(b"\xef\xbb\xbf" + plain, "x") == facts
    noisy = plain.replace(b"40: ", b"pcilib: sysfs_read_vpd: read failed: Input/output error\n40: ")
    assert pci.read(b"$ lspci -xxx\n" + noisy, "x") == facts
    assert pci.read(plain.rstrip(b"\n"), "x") == facts


def test_a_listing_of_names_and_one_of_bytes_in_one_file_are_one_dump() -> None:
    names = b"00:01.0 Ethernet controller [0200]: ACME Wire [1234:5678]\n\tNUMA node: 1\n\n"
    facts = pci.read(names + hexadecimal(header(x08=bytes.fromhex("00 00 00 02"))), "x")
    address = compound("addr", 0, 1, 0)
    assert fact("device", "pci", address, 0x1234, 0x5678, 2, 0, 0, -1) in facts
    assert fact("device_node", address, 1) in facts
    assert len(facts_named(facts, "device")) == 1


def test_two_machines_in_one_file_are_refused() -> None:
    other = b"\x99" + header()[1:]
    with pytest.raises(DumpError, match=r"^both\.txt:20: another function at the address of line 1"):
        pci.read(hexadecimal(header()) + hexadecimal(other), "both.txt")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"40: 00 0", "malformed line of bytes"),
        (b"40: 00 00 xx", "malformed line of bytes"),
        (b"40: 00  00", "malformed line of bytes"),
        (b"ffff: 00 00", "byte 0x10000 lies beyond configuration space"),
        (b"ff8: " + b"00 " * 9, "byte 0x1000 lies beyond"),
    ],
)
@needs_lspci
def test_lines_that_lspci_refuses_are_refused_with_their_number(line: bytes, what: str, tmp_path: Path) -> None:
    rows = hexadecimal(header()).split(b"\n")
    rows[5] = line
    (tmp_path / "bad.txt").write_bytes(b"\n".join(rows))
    with pytest.raises(DumpError, match=f"^bad.txt:6: .*{what}"):
        pci.read(b"\n".join(rows), "bad.txt")
    with pytest.raises(subprocess.CalledProcessError):
        run_lspci(tmp_path / "bad.txt")


def test_missing_bytes_are_not_made_up() -> None:
    rows = hexadecimal(header()).split(b"\n")
    with pytest.raises(DumpError, match=r"^d\.txt:1: the function's bytes have a gap at 0x20"):
        pci.read(b"\n".join(rows[:3] + rows[4:]), "d.txt")
    with pytest.raises(DumpError, match=r"^d\.txt:1: 32 bytes of configuration space; its header has 64"):
        pci.read(b"\n".join(rows[:3]), "d.txt")


@pytest.mark.parametrize("data", [b"", b"\n\n", b"hello\n", b"Handle 0x0000, DMI type 0", b"\0" * 99, b"00:00.0"])
def test_what_is_no_lspci_output_is_refused(data: bytes) -> None:
    assert not pci.recognises(data)
    with pytest.raises(DumpError, match="no PCI function"):
        pci.read(data, "x")


def test_an_address_that_no_bus_has_is_refused() -> None:
    with pytest.raises(DumpError, match=r"^x:1: no function 20\.0"):
        pci.read(b"00:20.0 Bridge\n", "x")


@needs_dumps
@every(TEXTS)
def test_dumps_are_recognised(path: Path) -> None:
    assert pci.recognises(path.read_bytes())


@pytest.mark.parametrize(
    "title", ["0200: 1234:5678 (rev 02) (prog-if 01)", "Class 0200: 1234:5678 (rev 02) (prog-if 01)",
              "Ethernet controller [0200]: ACME: Wire [x] [1234:5678] (rev 02) (prog-if 01 [it])"]
)  # fmt: skip
def test_numbers_are_found_in_every_form_of_header_line(title: str) -> None:
    facts = pci.read(f"0000:00:01.0 {title}\n".encode(), "x")
    address = compound("addr", 0, 1, 0)
    assert fact("device", "pci", address, 0x1234, 0x5678, 2, 0, 1, -1) in facts
    assert fact("device_revision", address, 2) in facts


# --- configuration space -----------------------------------------------------------------------------------


def config_facts(config: bytes) -> list[Fact]:
    return pci.read_config(config, compound("addr", 0, 1, 0), "config")


def test_raw_configuration_space_reads_as_its_dump_does() -> None:
    config = header(x34=b"\x40", x06=b"\x10", x40=b"\x01\x00\x03\x00")
    described = fact("device_description", compound("addr", 0, 1, 0), Text("Device"))
    assert [each for each in pci.read(hexadecimal(config), "x") if each != described] == config_facts(config)
    for length in (64, 128, 256):
        assert functions(config_facts(config[:length])) == {"0000:00:01.0": (0x1234, 0x5678, 0, 0, 0)}
    for length in (0, 63, 4097):
        with pytest.raises(DumpError, match=f"^config: offset .*{length} bytes are no configuration space"):
            config_facts(bytes(length))


def test_a_sleeping_device_is_known_by_its_text_only() -> None:
    asleep = b"\xff" * 256
    assert fact("device", "pci", compound("addr", 0, 1, 0), 0xFFFF, 0xFFFF, 255, 255, 255, -1) in config_facts(asleep)
    facts = pci.read(hexadecimal(asleep, title="3D controller [0302]: ACME [10de:1140] (rev ff)"), "x")
    assert fact("device", "pci", compound("addr", 0, 1, 0), 0x10DE, 0x1140, 3, 2, 0, -1) in facts
    assert facts_named(facts, "bar", "pci_capability", "device_header") == []


def test_a_virtual_function_has_its_numbers_from_the_text() -> None:
    config = b"\xff\xff\xff\xff" + header(x08=bytes.fromhex("01 00 00 02"))[4:]
    facts = pci.read(hexadecimal(config, title="Ethernet controller [0200]: Intel VF [8086:10ed] (rev 01)"), "x")
    assert fact("device", "pci", compound("addr", 0, 1, 0), 0x8086, 0x10ED, 2, 0, 0, -1) in facts


def test_base_address_registers_of_every_kind() -> None:
    bars = bytes.fromhex("01e00000 080000f0 0c000000 01000000 000000fe 04000000")  # the last has no upper half
    address = compound("addr", 0, 1, 0)
    assert facts_named(config_facts(header(x10=bars)), "bar") == [
        fact("bar", address, 0, 0xE000, 0, "io", "nonprefetchable", 32),
        fact("bar", address, 1, 0xF0000000, 0, "mem", "prefetchable", 32),
        fact("bar", address, 2, 0x1_0000_0000, 0, "mem", "prefetchable", 64),
        fact("bar", address, 4, 0xFE000000, 0, "mem", "nonprefetchable", 32),
    ]


def test_a_cardbus_bridge_has_its_own_windows() -> None:
    config = header(
        x0e=b"\x02", x18=b"\x01\x02\x05", x1c=bytes.fromhex("00000080 00f0ff83 00000084 00f0ff87"),
        x2c=bytes.fromhex("00400000 fc400000"), x3e=b"\x00\x01", x40=bytes.fromhex("2810 5202"),
    )  # fmt: skip
    facts, address = config_facts(config), compound("addr", 0, 1, 0)
    assert fact("bridge", "pci", address, 0x1234, 0x5678, 0, 0, 0, compound("secondary", 2)) in facts
    assert facts_named(facts, "bridge_window") == [
        fact("bridge_window", address, "prefetchable", 0x80000000, 0x83FFFFFF),
        fact("bridge_window", address, "mem", 0x84000000, 0x87FFFFFF),
        fact("bridge_window", address, "io", 0x4000, 0x40FF),
    ]
    assert fact("device_subsystem", address, 0x1028, 0x252) in facts


@pytest.mark.parametrize(
    ("follower", "found"),
    [(b"\x40", 1), (b"\x43", 1), (b"\x00", 1), (b"\x10", 1), (b"\xfc", 2), (b"\x80", 1)],
    ids=["itself", "itself, low bits set", "end", "into the header", "the last word", "all ones"],
)
def test_a_chain_of_capabilities_that_leads_nowhere_ends(follower: bytes, found: int) -> None:
    config = header(x06=b"\x10", x34=b"\x40", x40=b"\x01" + follower, x80=b"\xff" * 8, xfc=b"\x09\x40\x00\x00")
    assert len(facts_named(config_facts(config), "pci_capability")) == found


def test_capabilities_cut_off_by_the_end_of_the_dump_are_named_but_not_decoded() -> None:
    config = header(x06=b"\x10", x34=b"\xf8", xf8=b"\x10\xfc\x42\x00", xfc=b"\x11\x00\x07\x80")
    facts, address = config_facts(config), compound("addr", 0, 1, 0)
    assert facts_named(facts, "pci_capability") == [
        fact("pci_capability", address, "express", 0xF8),
        fact("pci_capability", address, "msix", 0xFC),
    ]
    assert facts_named(facts, "device_msix", "device_link") == []


def test_the_header_alone_leaves_capabilities_to_the_text() -> None:
    """As `lspci -v -x` of somebody who is not root prints it, and as the text of root's -vv says more."""
    config, address = header(x06=b"\x10", x34=b"\x40", x40=b"\x10\x00\x42\x00")[:64], compound("addr", 0, 1, 0)
    rows = hexadecimal(config, title="Bridge").split(b"\n")
    denied = b"\n".join([rows[0], b"\tCapabilities: <access denied>", *rows[1:]])
    assert facts_named(pci.read(denied, "x"), "pci_capability", "device_port") == []
    told = b"\n".join(
        [
            rows[0],
            b"\tCapabilities: [40] Express (v2) Root Port (Slot+), MSI 00",
            b"\t\tLnkSta:\tSpeed 8GT/s, Width x4",
            *rows[1:],
        ]
    )
    facts = pci.read(told, "x")
    assert fact("device_port", address, "root_port") in facts
    assert fact("device_link", address, "status", 8000, 4) in facts
    assert facts_named(facts, "device")[0].args[0] == "pcie"


# --- names -------------------------------------------------------------------------------------------------


@needs_dumps
@needs_lspci
@pytest.mark.skipif(not pci_ids.system().vendors, reason="no pci.ids on this system")
@every([path for path in WITH_BYTES if case(path) in ("huananzhi-x99-qd4", "pciutils-tree-asus-p6t6")])
def test_functions_are_named_as_lspci_names_them(path: Path) -> None:
    names = pci_ids.system()
    listed = dict(line.split(" ", 1) for line in run_lspci(path, "-D").splitlines())
    for place, (vendor, device, class_code, subclass, _) in functions(dump(path)).items():
        title = re.sub(r"( \(rev ..\))?$", "", listed[place])
        found = names.title(class_code, subclass, vendor, device)  # type: ignore[arg-type]
        assert found.replace(f"Vendor {vendor:04x} ", "") == title


def test_a_list_of_names_is_read_line_by_line() -> None:
    names = pci_ids.parse(
        "# list\n1234  ACME\n\t5678  Wire\n\t\t1028 0252  Board\nzz\n\t1111  lost\n"
        "C 02  Network controller\n\t00  Ethernet controller\n\t\t01  Fast\n"
    )
    assert names.title(2, 0, 0x1234, 0x5678) == "Ethernet controller: ACME Wire"
    assert names.interface(2, 0, 1) == "Fast"
    assert names.title(2, 9, 0x1234, 0x1111) == "Network controller: ACME Device 1111"
    assert names.title(9, 9, 0x9999, 1) == "Class 0909: Vendor 9999 Device 0001"
