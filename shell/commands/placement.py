"""Commands on placement: policies, and why a domain is where it is."""

from __future__ import annotations

import click

from shell.commands import arguments
from shell.commands.knowledge import plain, shown
from shell.errors import ShellError
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session


@command("policy", group="placement", summary="policy list: the placement policies; policy use NAME: take one",
         example="policy use near")
@click.argument("what", metavar="list|use")
@click.argument("name", required=False)
def policy(session: Session, what: str, name: str | None) -> Result:
    controller = session.kernel.controller
    if what == "use" and name:
        controller.use(name)
        session.policy = name
        return Result({"policy": name})
    if what != "list":
        raise ShellError("policy list, or policy use NAME")
    found = controller.policies()
    rows = [(each.name, "in use" if each.name == controller.policy else "", each.summary) for each in found]
    data = [{"name": n, "in_use": bool(used), "summary": summary} for n, used, summary in rows]
    return Result(data, Table(("policy", "", "what it does"), rows))


@command("explain", group="placement", summary="why each dispatcher of a domain is on its core",
         example="explain barrier")
@click.argument("domain")
def explain(session: Session, domain: str) -> Result:
    found = arguments.domain(domain, session)
    reasons = session.kernel.controller.explain(found.id)
    rows = [(str(r.dispatcher), str(r.core), shown(r.cost), r.reason) for r in reasons]
    data = [{"dispatcher": r.dispatcher, "core": r.core, "cost": plain(r.cost), "reason": r.reason} for r in reasons]
    return Result(data, Table(("dispatcher", "core", "cost", "why"), rows, frozenset(("dispatcher", "core", "cost"))))
