"""Where the functions behind the PCI roots could find room: the plan, or why there is none."""

from __future__ import annotations

from typing import Any

import click

from shell.commands.knowledge import plain
from shell.errors import ShellError
from shell.output import Result, Table, bytes_text
from shell.registry import command
from shell.session import Session
from skb.facts import Compound, Term

_EFFORT = 1_000_000_000
"""Inferences that arranging one root may take; the largest dumps we know take a hundredth of it."""


@command("bridges", group="machine", summary="addresses for all that is behind a PCI root, with least waste",
         example="bridges 00")
@click.argument("bus", required=False)
def bridges(session: Session, bus: str | None) -> Result:
    """Each register and each bridge window is given its range, aligned, inside its bridge's and its root's windows,
    apart from what cannot be moved (device_fixed/1, fixed_memory/2 and what the firmware placed). Without BUS all
    roots are listed: how much there is to arrange, and what the best plan wastes or why there is none.
    """
    roots: dict[str, Term] = {_name(root): root for root in _once(session, "pci_roots(Roots)", {})["Roots"]}
    if not roots:
        raise ShellError(f"{session.machine_name} tells of no PCI")
    if bus is not None:
        if bus not in roots:
            raise ShellError(f"bus {bus} is no root's; roots are {', '.join(roots)}")
        return _plan(session, bus, roots[bus])
    rows, data = [], []
    for name, root in roots.items():
        registers, windows, buses = _once(session, "pci_problem(Bus, Problem)", {"Bus": root})["Problem"].args
        plan = session.kb.once("pci_plan(Bus, plan(_, Used, Wasted, Bound))", {"Bus": root}, inferences=_EFFORT)
        why = "" if plan else _refusal(session, root)
        rows.append((name, str(buses), str(registers), str(windows), *_sizes(plan), why))
        data.append({"root": name, "buses": buses, "registers": registers, "windows": windows,
                     "used_bytes": plan and plan["Used"], "wasted_bytes": plan and plan["Wasted"],
                     "least_wasted_bytes": plan and plan["Bound"], "refusal": why or None})
    columns = ("root", "buses", "registers", "windows", "in windows", "wasted", "least", "why not")
    return Result(data, Table(columns, rows, frozenset(columns[:-1])))


def _plan(session: Session, name: str, root: Term) -> Result:
    plan = session.kb.once("pci_plan(Bus, plan(Regions, Used, Wasted, Bound))", {"Bus": root}, inferences=_EFFORT)
    if plan is None:
        raise ShellError(f"root {name}: {_refusal(session, root)}")
    rows, data = [], []
    for region in plan["Regions"]:
        what, space, base, size = region.args
        rows.append((_what(what), space, f"{base:#x}", f"{base + size - 1:#x}", bytes_text(size)))
        data.append({"what": plain(what), "space": space, "base": base, "size_bytes": size})
    columns = ("what", "space", "from", "to", "size")
    used, wasted, least = _sizes(plan)
    summary = f"{used} in windows, {wasted} of it wasted; no plan wastes less than {least}"
    result = {"root": name, "regions": data, "used_bytes": plan["Used"], "wasted_bytes": plan["Wasted"],
              "least_wasted_bytes": plan["Bound"]}
    return Result(result, [Table(columns, rows, frozenset(("from", "to", "size"))), summary])


def _refusal(session: Session, root: Term) -> str:
    found = session.kb.once("pci_refusal(Bus, Reason)", {"Bus": root}, inferences=_EFFORT)
    return str(found["Reason"]) if found else "there is no plan"


def _once(session: Session, goal: str, bind: dict[str, Term]) -> dict[str, Any]:
    found = session.kb.once(goal, bind, inferences=_EFFORT)
    assert found is not None, goal
    return found


def _name(root: Term) -> str:
    """A root bus as lspci writes buses: in hex, with its segment where that is not 0."""
    if isinstance(root, Compound):
        segment, number = root.args
        return f"{segment:04x}:{number:02x}"
    return f"{root:02x}"


def _what(term: Compound) -> str:
    """`01:00.0 BAR 2`, `00:0a.0 window`, `01:00.0 ROM`."""
    *segment, bus, device, function = term.args[0].args  # type: ignore[union-attr]
    place = f"{segment[0]:04x}:" if segment else ""
    place += f"{bus:02x}:{device:02x}.{function:x}"
    return f"{place} " + {"bar": f"BAR {term.args[-1]}", "rom": "ROM"}.get(term.name, term.name)


def _sizes(plan: dict[str, Any] | None) -> tuple[str, str, str]:
    return (bytes_text(plan["Used"]), bytes_text(plan["Wasted"]), bytes_text(plan["Bound"])) if plan else ("", "", "")
