"""`reclaim`: ask a domain to give up cores; `offers`: who has said that it can spare cores, or would like more."""

from __future__ import annotations

import click

from kernel.clock import PS_PER_NS, format_duration
from kernel.reclaiming import Fate
from shell.commands import arguments
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("reclaim", group="domains", summary="ask a domain to give up cores; what it keeps is virtualised",
         example="reclaim barrier 1 --within 10ms")
@click.option("--within", metavar="DURATION", help="how long it has; else what cost negotiation_patience says")
@click.option("--cores", "which", is_flag=True, help="CORES are those cores, such as 2,5-7, not how many")
@click.argument("domain")
@click.argument("cores")
def reclaim(session: Session, within: str | None, which: bool, domain: str, cores: str) -> Result:
    """CORES is how many; those of its newest dispatchers are asked for. A program that responds ends its dispatchers
    there. Those of one that does not are moved to the cores that the domain keeps and multiplexed there; a gang is
    best effort then, until each of its members has a core to itself again.
    """
    kernel = session.kernel
    found = arguments.domain(domain, session)
    wanted = arguments.cores(cores, session) if which else arguments.count(cores)
    patience = None if within is None else arguments.duration(within)
    before = kernel.now
    request = kernel.reclaim(found.id, wanted, patience)
    took = kernel.now - before
    fates = [request.fates[index] for index in sorted(request.fates)]
    data = {"id": found.id, "name": found.name, "took_ns": took / PS_PER_NS,
            "patience_ns": request.patience_ps // PS_PER_NS,
            "dispatchers": [{"dispatcher": fate.dispatcher, "core": fate.core, "outcome": fate.what}
                            | ({} if fate.to is None else {"to": fate.to}) for fate in fates]}
    said = "; ".join(_said(fate) for fate in fates)
    return Result(data, f"{found.name}: after {format_duration(took)}, {said}")


def _said(fate: Fate) -> str:
    what = f"core {fate.core} {fate.what}"
    return what if fate.to is None else f"{what} (dispatcher {fate.dispatcher} shares core {fate.to})"


@command("offers", group="domains", example="offers",
         summary="who can spare cores, or would like more, and who may be asked for which")
def offers(session: Session) -> Result:
    """Programs say so by rsrc_spare and rsrc_want; may_ask/2 says who may be asked for which cores, to make room."""
    asked: dict[int, list[int]] = {}
    for row in session.kb.all("may_ask(Domain, Cores)"):
        asked.setdefault(row["Domain"], list(row["Cores"]))
    spare = {row["Domain"]: row["N"] for row in session.kb.all("can_spare(Domain, N)")}
    want = {row["Domain"]: row["N"] for row in session.kb.all("wants_cores(Domain, N)")}
    rows, data = [], []
    for number in sorted({*asked, *spare, *want}):
        name = session.kernel.name_of(number)
        rows.append((name, str(spare.get(number, 0)), str(want.get(number, 0)),
                     ", ".join(map(str, asked.get(number, [])))))
        data.append({"id": number, "name": name, "can_spare": spare.get(number, 0),
                     "wants": want.get(number, 0), "may_be_asked_for": asked.get(number, [])})
    columns = ("domain", "can spare", "wants", "may be asked for")
    return Result(data, Table(columns, rows, frozenset(("can spare", "wants"))))
