"""Commands about the machine: which there are, and what this one is."""

from __future__ import annotations

import click

from shell.output import Result, Table, bytes_text
from shell.registry import command
from shell.session import Session
from skb import machine as machines
from skb import topology
from skb.topology import Cache

_FACTS = """
    findall(S-N, (store:precedence(All), member(S, All), aggregate_all(count, store:says(S, _), N), N > 0), Facts),
    findall(in(S, F), facts:dump(S, F), Files)
"""


@command("machine list", group="machine", summary="the machines that can be booted", example="machine list")
def machine_list(session: Session) -> Result:
    rows = [(m.name, m.summary) for m in machines.list_machines()]
    data = [{"name": name, "summary": summary} for name, summary in rows]
    return Result(data, Table(("machine", "what it is"), rows))


@command("machine show", group="machine", summary="what a machine is, and what each of its sources tells",
         example="machine show amd-4x4")
@click.argument("name", metavar="MACHINE", required=False)
def machine_show(session: Session, name: str | None) -> Result:
    """Without MACHINE the one that is booted, as its folder describes it. `topology`, `cpus` and `lspci` tell more of
    the booted one.
    """
    found = machines.read(machines.find(name or session.machine_name))
    apriori = str(found.path / "facts.pl")
    said = session.kb.supposing(found.facts, found.apriori, apriori, f"{topology.GOAL}, {_FACTS}")
    assert said is not None  # each part of the goal collects answers, however few
    here = topology.told(said)
    facts: dict[str, int] = {str(pair.args[0]): int(pair.args[1]) for pair in said["Facts"]}
    parts = {part: len(here.sets(part)) for part in ("package", "die", "cluster", "core")}
    places = ", ".join(_several(count, part) for part, count in parts.items() if count)
    memory_bytes = sum(node.memory_bytes for node in here.nodes)
    clocks_hz = sorted({cpu.clock_hz for cpu in here.cpus.values() if cpu.clock_hz}, reverse=True)
    files: dict[str, list[str]] = {source: [] for source in facts}
    for source, file in sorted({(str(term.args[0]), str(term.args[1])) for term in said["Files"]}):
        files[source].append(file)
    rows = [
        ("name", found.name),
        ("what it is", machines.summary(found.path)),
        ("folder", str(found.path)),
        ("cores", f"{len(here.cpus)} in {places}" if places else f"{len(here.cpus)}"),
        ("NUMA nodes", f"{len(here.nodes)}" + (f", {bytes_text(memory_bytes)}" if memory_bytes else "")),
        ("clock", ", ".join(f"{clock / 1e9:.3f} GHz" for clock in clocks_hz)),
        ("caches", ", ".join(dict.fromkeys(_cache(cache) for cache in here.caches))),
        ("PCI functions", f"{len(here.pci)}"),
    ]
    rows += [(f"facts: {source}", f"{count} from {', '.join(files[source])}") for source, count in facts.items()]
    data = {
        "name": found.name, "folder": str(found.path), "cores": len(here.cpus), "packages": parts["package"],
        "dies": parts["die"], "clusters": parts["cluster"], "physical_cores": parts["core"], "nodes": len(here.nodes),
        "memory_bytes": memory_bytes, "clocks_hz": clocks_hz, "pci_functions": len(here.pci), "facts": facts,
        "files": files,
    }
    return Result(data, Table(("what", "value"), [(what, value) for what, value in rows if value not in ("", "0")]))


def _several(count: int, part: str) -> str:
    """`4 packages`, `1 die`, `8 physical cores`."""
    return f"{count} {'physical core' if part == 'core' else part}{'' if count == 1 else 's'}"


def _cache(cache: Cache) -> str:
    return f"{cache.name} {bytes_text(cache.size_bytes)}" if cache.size_bytes else cache.name


@command("nproc", group="machine", summary="how many cores there are", example="nproc")
def nproc(session: Session) -> Result:
    count = len(session.kernel.drivers)
    return Result(count, str(count))


@command("reset", group="machine", summary="boot the machine anew: time 0, no domains, its own facts",
         example="reset")
def reset(session: Session) -> Result:
    session.reset()
    return Result()
