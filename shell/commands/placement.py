"""Commands on placement: policies, and why a domain is where it is."""

from __future__ import annotations

from dataclasses import asdict

import click

from shell.commands import arguments
from shell.output import Result, Table
from shell.registry import command
from shell.session import Session
from skb.placement import Reason


@command("policy list", group="placement", summary="the placement policies", example="policy list")
def policy_list(session: Session) -> Result:
    controller = session.kernel.controller
    found = controller.policies()
    rows = [(each.name, "in use" if each.name == controller.policy else "", each.description) for each in found]
    data = [{"name": name, "in_use": bool(used), "description": text} for name, used, text in rows]
    return Result(data, Table(("policy", "", "what it does"), rows))


@command("policy use", group="placement", summary="let that policy decide from now on", example="policy use near")
@click.argument("name", metavar="POLICY")
def policy_use(session: Session, name: str) -> Result:
    session.kernel.controller.use(name)
    session.policy = name
    return Result({"policy": name}, f"{name} decides from now on")


@command("explain", group="placement", summary="why each dispatcher of a domain is on its core",
         example="explain barrier")
@click.argument("domain")
def explain(session: Session, domain: str) -> Result:
    found = arguments.domain(domain, session)
    reasons = session.kernel.controller.explain(found.id)
    rows = [
        (str(r.dispatcher), str(r.core), r.policy, f"{r.cost:g}",
         ", ".join(f"core {core}: {cost:g}" for core, cost in r.alternatives), _excluded(r))
        for r in reasons
    ]
    columns = ("dispatcher", "core", "policy", "cost", "next best, and their cost", "left out")
    return Result([asdict(r) for r in reasons], Table(columns, rows, frozenset(("dispatcher", "core", "cost"))))


def _excluded(reason: Reason) -> str:
    """How many cores were out of the question, and why."""
    counts = (
        (reason.same_gang, "with another member of the gang"),
        (reason.without_room, "without room"),
        (reason.forbidden, "forbidden by the policy"),
    )
    return ", ".join(f"{count} {why}" for count, why in counts if count)
