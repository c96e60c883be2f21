"""`topology`: the machine as a tree of parts, in text on the terminal, or drawn into a file."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from shell import drawing
from shell.errors import ShellError
from shell.output import Result
from shell.registry import command
from shell.session import Session
from skb import object_tree, topology
from skb.files import write_whole
from skb.object_tree import Part

_ENDINGS = (".txt", ".svg", ".png")


@command("topology", group="machine", summary="the machine as a tree: packages, caches, cores, memory, PCI",
         example="topology --to machine.svg")
@click.option("--to", "file", metavar="FILE", help="write it to a file: .txt the tree, .svg and .png a picture")
@click.option("--no-io", is_flag=True, help="without PCI functions")
@click.option("--whole-io", is_flag=True, help="with all PCI functions and bridges, not only those one computes with")
def machine_topology(session: Session, file: str | None, no_io: bool, whole_io: bool) -> Result:
    """The text is lstopo's: L# numbers the parts of a kind in the tree's order, P# is the number that commands take
    for a core or a NUMA node, ` + ` joins parts with the same cores, KB, MB and GB are powers of 1024 bytes.
    """
    from shell import topology_text

    if no_io and whole_io:
        raise ShellError("--no-io and --whole-io: which of them?")
    found = topology.read(session.kb)
    root = object_tree.build(found, devices="none" if no_io else "all" if whole_io else "important")
    if file is None:
        return Result(_data(root), topology_text.text(root))
    path = Path(os.path.expanduser(file))
    if drawing.ending(path, _ENDINGS) == ".txt":
        write_whole(path, topology_text.text(root).encode())
    else:
        from shell import topology_picture

        drawing.write(topology_picture.draw(root, found.name), path)
    return Result({"file": str(path)}, f"{path}: the topology of {found.name}")


def _data(part: Part) -> dict[str, Any]:
    """A part for machines: `os_index` is P#, `logical_index` L#, `cores` those of the part."""
    data: dict[str, Any] = {"type": part.name, "logical_index": part.logical}
    if part.number is not None and part.kind in ("pu", "node", "package", "die", "core"):
        data["os_index"] = part.number
    if part.size_bytes:
        data["size_bytes"] = part.size_bytes
    if part.subtype:
        data["subtype"] = part.subtype
    if part.pci is not None:
        data["pci"] = {key: value for key, value in asdict(part.pci).items() if key != "near" and value is not None}
    else:
        data["cores"] = topology.cores_in(part.cpus)
    for name, parts in (("memory", part.memory), ("members", part.members), ("devices", part.devices)):
        if parts:
            data[name] = [_data(each) for each in parts]
    return data
