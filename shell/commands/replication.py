"""Commands on replicated services: make one, use it from any core, see what its replicas do."""

from __future__ import annotations

from dataclasses import asdict

import click

from kernel.replication.machines import Assign, ReplicatedMap
from kernel.replication.replicas import PROTOCOLS, Replicas, Replication
from kernel.replication.serving import Cost
from kernel.replication.spreading import SPREADING
from shell.commands import arguments
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("replicate", group="machine", summary="keep a map of names to values on several cores in agreement",
         example="replicate locks 0,4,8 --how group")
@click.argument("name")
@click.argument("cores")
@click.option("--how", metavar="PROTOCOL", default="paxos", help=f"{', '.join(PROTOCOLS)}; paxos if not said")
@click.option("--spread", metavar="WAY", default="unicast",
              help=f"how a message goes to several cores: {' or '.join(SPREADING)}; unicast if not said")
def replicate(session: Session, name: str, cores: str, how: str, spread: str) -> Result:
    """The protocols, by what is left when cores stop. `paxos`: one order for all; goes on while a majority runs.
    `two-phase`: on all or on none; blocked if a coordinator stops in the middle. `group`: one order for all that run;
    what only a core that stopped had is lost. `eventual`: every core writes at once, and they agree in the end.
    """
    found = Replication.of(session.kernel).replicate(
        name, arguments.cores(cores, session), how, ReplicatedMap, spread
    )
    data = {"name": name, "cores": list(found.cores), "how": how, "spread": spread}
    return Result(data, f"{name}: replicas on cores {arguments.ranges(found.cores)}, by {how}")


@command("replica set", group="machine", summary="set a value in a replicated map; time passes until all is done",
         example="replica set config scheduler rbed --core 4")
@click.argument("name")
@click.argument("key")
@click.argument("value")
@click.option("--core", metavar="CORE", help="whose replica is asked; the first if not said")
def replica_set(session: Session, name: str, key: str, value: str, core: str | None) -> Result:
    """The cycles are those of the core that asks, until it has its answer; the messages all that are sent for it."""
    found = Replication.of(session.kernel).replicas(name)
    at = _core(session, found, core)
    before, cost = found.perform(at, Assign(key, value))
    data = {"name": name, "core": at, "key": key, "value": value, "before": before, **asdict(cost)}
    return Result(data, f"{key} = {value}, from core {at}: {_told(cost)}")


@command("replica get", group="machine", summary="what one core's replica of a map says, with no message to others",
         example="replica get config scheduler --core 8")
@click.argument("name")
@click.argument("key")
@click.option("--core", metavar="CORE", help="whose replica is asked; the first if not said")
def replica_get(session: Session, name: str, key: str, core: str | None) -> Result:
    found = Replication.of(session.kernel).replicas(name)
    at = _core(session, found, core)
    value = found.read(at, key)
    if value is None:
        raise ShellError(f"{name} has no {key} on core {at}")
    return Result({"name": name, "core": at, "key": key, "value": value}, str(value))


@command("replica show", group="machine", summary="the replicas of a service: state, log, view, leader, messages",
         example="replica show config")
@click.argument("name")
def replica_show(session: Session, name: str) -> Result:
    """`log` is how many operations the replica has carried out; `view` the ballot's round or the group's view,
    `leader` who leads it or puts operations in order. `sent` are messages to other replicas; `operations` were
    submitted there, and took so many messages and cycles in the mean.
    """
    found = Replication.of(session.kernel).replicas(name)
    rows, data = [], []
    for status in found.status():
        costs = [cost for (core, _), cost in found.costs().items() if core == status.core]
        messages, cycles = (_mean([getattr(cost, what) for cost in costs]) for what in ("messages", "cycles"))
        leader = "-" if status.leader is None else str(status.leader)
        means = (_shown(messages), _shown(cycles))
        rows.append((str(status.core), status.state, str(status.carried_out), str(status.view or "-"), leader,
                     str(status.messages), str(len(costs)), *means))
        data.append(asdict(status) | {"operations": len(costs), "mean_messages": messages, "mean_cycles": cycles})
    columns = ("core", "state", "log", "view", "leader", "sent", "operations", "messages", "cycles")
    told = {"name": name, "how": found.how, "spread": found.spread, "replicas": data}
    return Result(told, Table(columns, rows, frozenset(columns) - {"state"}))


def _core(session: Session, found: Replicas, text: str | None) -> int:
    if text is None:
        return next((core for core in found.cores if session.kernel.drivers[core].online), found.cores[0])
    cores = arguments.cores(text, session)
    if len(cores) > 1:
        raise ShellError(f"{text} are several cores; name one")
    return cores[0]


def _told(cost: Cost) -> str:
    return f"{cost.messages} message{'' if cost.messages == 1 else 's'}, {cost.cycles} cycles"


def _mean(values: list[int]) -> float | None:
    return sum(values) / len(values) if values else None


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
