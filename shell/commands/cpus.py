"""`cpus`: the cores, a line each, with what the machine tells of them; or the caches they have."""

from __future__ import annotations

from typing import Any

import click

from kernel.clock import PS_PER_NS
from shell.commands import arguments
from shell.output import Result, Table, bytes_text
from shell.registry import command
from shell.session import Session
from skb import topology
from skb.topology import Cache, Topology


@command("cpus", group="machine", summary="the cores: state, place, clock, how busy they were; or the caches",
         example="cpus --caches")
@click.option("--caches", is_flag=True, help="the machine's caches in place of its cores")
@click.argument("cores", required=False)
def cpus(session: Session, cores: str | None, caches: bool) -> Result:
    """A column is there if the machine tells of it: dies, clusters, physical cores with several threads, kinds of
    cores, capacity (1024: the fastest core). `caches` numbers each core's, closest first: cores with the same number
    share that cache.
    """
    here = topology.read(session.kb)
    chosen = arguments.cores(cores, session) if cores is not None else tuple(sorted(here.cpus))
    if caches:
        return _caches(here, topology.set_of(chosen))
    return _cpus(session, here, chosen)


def _cpus(session: Session, here: Topology, chosen: tuple[int, ...]) -> Result:
    told = {core.core: core for core in session.kernel.cores()}
    parts = _told_parts(here)
    names = _cache_names(here)
    rows, data = [], []
    for place in (here.cpus[core] for core in chosen):
        core = told[place.core]
        whole = core.user_ps + core.kernel_ps + core.switch_ps + core.interrupt_ps + core.idle_ps
        busy = 1 - core.idle_ps / whole if whole else 0.0
        where = [_shown(getattr(place, part)) for part in parts]
        caches = [":".join(str(place.caches.get(name, "-")) for name in names)] if names else []
        rows.append((str(place.core), core.state, *where, *caches, f"{core.clock_hz / 1e9:.3f} GHz",
                     f"{100 * busy:.2f} %", str(core.context_switches)))
        each: dict[str, Any] = {"core": place.core, "state": core.state}
        each |= {part: getattr(place, part) for part in parts}
        if names:
            each["caches"] = dict(place.caches)
        data.append({**each, "clock_hz": core.clock_hz, "utilisation": busy,
                     "context_switches": core.context_switches, "idle_ns": core.idle_ps // PS_PER_NS})
    shared = [":".join(names)] if names else []
    columns = ("core", "state", *parts, *shared, "clock", "utilisation", "context switches")
    return Result(data, Table(columns, rows, frozenset(columns) - {"kind", "state"}))


def _told_parts(here: Topology) -> list[str]:
    """What the machine tells of where and what its cores are; physical cores only where they have several threads."""
    several = any(cpu.thread for cpu in here.cpus.values())
    return [
        part for part in ("package", "die", "cluster", "node", "physical", "thread", "kind", "capacity")
        if (several or part not in ("physical", "thread"))
        and any(getattr(cpu, part) is not None for cpu in here.cpus.values())
    ]


def _shown(value: int | str | None) -> str:
    return "" if value is None else str(value).replace("_", " ")


_KINDS = {"data": "data", "instr": "instruction", "unified": "unified"}
"""The vocabulary's word and the user's, in the order in which caches of a level are listed."""


def _cache_order(level: int, kind: str) -> tuple[int, int]:
    return level, list(_KINDS).index(kind)


def _cache_names(here: Topology) -> list[str]:
    """The names of all caches, closest first."""
    found = {cache.name: _cache_order(cache.level, cache.kind) for cache in here.caches}
    return sorted(found, key=lambda name: found[name])


def _caches(here: Topology, chosen: int) -> Result:
    """Caches that are alike in one line."""
    groups: dict[tuple[Any, ...], list[Cache]] = {}
    for cache in here.caches:
        if cache.cpus & chosen:
            key = (cache.level, cache.kind, cache.size_bytes, cache.ways, cache.line_bytes, cache.cpus.bit_count())
            groups.setdefault(key, []).append(cache)
    rows, data = [], []
    for key in sorted(groups, key=lambda key: (_cache_order(key[0], key[1]), key[2:])):
        level, kind, size, ways, line, shared = key
        members = groups[key]
        cores = tuple(core for cache in members for core in topology.cores_in(cache.cpus))
        sets = size // (ways * line) if ways and line else 0
        rows.append((
            members[0].name, _KINDS[kind], _told(size), str(ways or ""), str(sets or ""), _told(line),
            f"{shared} core{'s' if shared > 1 else ''}", str(len(members)), _told(size * len(members)),
            arguments.ranges(cores),
        ))
        data.append({"name": members[0].name, "level": level, "type": kind, "size_bytes": size, "ways": ways or None,
                     "sets": sets or None, "line_bytes": line or None, "shared_by": shared, "count": len(members),
                     "total_bytes": size * len(members),
                     "caches": [topology.cores_in(cache.cpus) for cache in members]})
    columns = ("cache", "type", "size", "ways", "sets", "line", "shared by", "count", "in all", "cores")
    return Result(data, Table(columns, rows, frozenset(("size", "ways", "sets", "line", "count", "in all"))))


def _told(size_bytes: int) -> str:
    return bytes_text(size_bytes) if size_bytes else ""
