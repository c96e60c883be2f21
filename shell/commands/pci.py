"""`lspci`: the machine's PCI functions, as the tool of that name lists them."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import click

from shell import lspci_text
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session
from skb import pci_functions
from skb.pci_functions import Function
from skb.readers import pci_ids

_SLOT = re.compile(
    r"(?:(?:(?P<segment>[0-9a-f]{0,8}|\*):)?(?P<bus>[0-9a-f]{0,2}|\*):)?"
    r"(?P<device>[0-9a-f]{0,2}|\*)(?:\.(?P<function>[0-7]?|\*))?", re.IGNORECASE,
)  # fmt: skip
_ID = re.compile(r"(?P<vendor>[0-9a-f]{0,4}|\*):(?P<device>[0-9a-f]{0,4}|\*)(?::(?P<class>[0-9a-f]{0,4}|\*))?",
                 re.IGNORECASE)


@command("lspci", group="machine", summary="the PCI functions, as lspci lists them", example="lspci -nn -s 00:")
@click.option("-n", "numbers", is_flag=True, help="numbers in place of names")
@click.option("-nn", "both", is_flag=True, help="names and numbers")
@click.option("-v", "verbose", is_flag=True, help="addresses, buses, capabilities and more of each")
@click.option("-t", "as_tree", is_flag=True, help="as a tree of buses")
@click.option("-D", "segments", is_flag=True, help="segments (domains) with all addresses")
@click.option("-s", "slot", metavar="SLOT",
              help="only those at [[DOMAIN:]BUS:]DEVICE.FUNCTION, in which parts may be missing")
@click.option("-d", "ids", metavar="ID", help="only those that are VENDOR:DEVICE or VENDOR:DEVICE:CLASS, likewise")
def lspci(
    session: Session, numbers: bool, both: bool, verbose: bool, as_tree: bool, segments: bool, slot: str | None,
    ids: str | None,
) -> Result:
    """Names are from this system's pci.ids, else from the dump that the machine was read from. -v tells what facts
    tell: no command and status registers, and of capabilities what they are.
    """
    every = pci_functions.read(session.kb)
    found = [each for each in every if _at(each, slot) and _is(each, ids)]
    mode = lspci_text.BOTH if both else lspci_text.NUMBERS if numbers else lspci_text.NAMES
    style = lspci_text.Style(pci_ids.system(), mode, segments or any(each.address[0] for each in every))
    data = [_data(each, style) for each in found]
    if not every:
        return Result(data, "", f"nothing that describes {session.machine_name} tells of PCI functions")
    if as_tree:
        return Result(data, lspci_text.tree(found, style, verbose))
    return Result(data, lspci_text.details(found, style) if verbose else lspci_text.listing(found, style))


def _at(function: Function, slot: str | None) -> bool:
    if slot is None:
        return True
    match = _SLOT.fullmatch(slot)
    if match is None:
        raise ShellError(f"'{slot}' is no place of a PCI function; write 00:1f.2, 1f, .0 or 0000:00:")
    if match["device"] not in (None, "", "*") and int(match["device"], 16) > 31:
        raise ShellError(f"'{slot}': there is no device {match['device']}; devices are 00 to 1f")
    return all(_matches(match[name], value) for name, value in
               zip(("segment", "bus", "device", "function"), function.address, strict=True))


def _is(function: Function, ids: str | None) -> bool:
    if ids is None:
        return True
    match = _ID.fullmatch(ids)
    if match is None:
        raise ShellError(f"'{ids}' names no device; write 8086:10d3, 8086:, or ::0200, in hexadecimal digits")
    return (_matches(match["vendor"], function.vendor_id) and _matches(match["device"], function.device_id)
            and _matches(match["class"], function.class_code))


def _matches(digits: str | None, value: int | None) -> bool:
    return digits is None or digits in ("", "*") or int(digits, 16) == value


def _data(function: Function, style: lspci_text.Style) -> dict[str, Any]:
    """A function for machines: ids are numbers, sizes bytes."""
    names = lspci_text.Style(style.names, lspci_text.NAMES, True)
    known = {key: value for key, value in asdict(function).items() if value not in (None, (), [])}
    known.pop("description", None)
    bars = known.pop("bars", ())
    known["address"] = names.address(function.address)
    known |= {"class": names.class_name(function), "name": names.product(function)}
    if bars:
        known["bars"] = list(bars)
    if "rom" in known:
        known["rom"] = {"base": known["rom"][0], "size_bytes": known["rom"][1]}
    if "windows" in known:
        known["windows"] = [{"space": space, "first": first, "last": last} for space, first, last in known["windows"]]
    if "capabilities" in known:
        known["capabilities"] = [{"offset": offset, "name": name} for offset, name in known["capabilities"]]
    if "links" in known:
        known["links"] = {state: {"megatransfers_per_second": speed, "lanes": lanes}
                          for state, (speed, lanes) in known["links"].items()}
    if "buses" in known:
        known["buses"] = dict(zip(("primary", "secondary", "subordinate"), known["buses"], strict=True))
    if "subsystem" in known:
        known["subsystem"] = dict(zip(("vendor_id", "device_id"), known["subsystem"], strict=True))
    if "msi" in known:
        known["msi"] = dict(zip(("vectors", "enabled", "bits", "maskable"), known["msi"], strict=True))
    if "msix" in known:
        known["msix"] = dict(zip(("vectors", "enabled"), known["msix"], strict=True))
    return known
