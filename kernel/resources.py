"""The scheduler's calls for programs: to present a manifest, to join its groups, to change its phases.

Barrelfish's rsrc_manifest(), rsrc_join() and rsrc_phase() (dissertation §3.6.1), each a part of a program, and one to
leave a group. The placement controller, which is the SKB's, decides; what it grants goes to the planners of the cores
concerned before the program has its answer. Any dispatcher may call them, at any time.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from kernel.errors import KernelError
from kernel.phase_change import change_phase
from kernel.program import Environment
from kernel.services.knowledge import Managing
from kernel.threads import Operation, whole


@dataclass(frozen=True, slots=True)
class PresentManifest(Managing):
    """To the SKB: the manifest of `domain`, presented on `core`; the answer is `Granted`."""

    domain: int
    core: int
    text: str


@dataclass(frozen=True, slots=True)
class JoinGroup(Managing):
    """To the SKB: a dispatcher joins `group` of its domain's manifest; the answer is `Granted`."""

    domain: int
    dispatcher: int
    manifest: int
    group: str


@dataclass(frozen=True, slots=True)
class LeaveGroup(Managing):
    """To the SKB: a dispatcher leaves its group; the answer is `Granted`."""

    domain: int
    dispatcher: int


@dataclass(frozen=True, slots=True)
class OfferCores(Managing):
    """To the SKB: the domain can `spare` so many cores, or would `want` so many more; the answer is `Granted`."""

    domain: int
    kind: str
    cores: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The number of the manifest; or why the request was refused, and nothing changed."""

    manifest: int
    refusal: str = ""


def rsrc_manifest(environment: Environment, text: str) -> Generator[Operation, Any, int]:
    """PresentManifest the domain's manifest: its number. No dispatcher is in a group of it yet.

    KernelError where the text is no manifest, or the domain has one.
    """
    client = environment.client()
    own = environment.dispatchers[environment.rank]
    answer = yield from client.call(lambda reply: PresentManifest(reply, own.domain.id, own.core, text))
    return _accepted(answer)


def rsrc_join(environment: Environment, manifest: int, group: str = "main") -> Generator[Operation, Any, None]:
    """The calling dispatcher joins a group: it gets what the manifest asks for it, in all phases, or KernelError."""
    client = environment.client()
    own = environment.dispatchers[environment.rank]
    answer = yield from client.call(lambda reply: JoinGroup(reply, own.domain.id, own.index, manifest, group))
    _accepted(answer)


def rsrc_leave(environment: Environment) -> Generator[Operation, Any, None]:
    """The calling dispatcher leaves its group: it is best effort again."""
    client = environment.client()
    own = environment.dispatchers[environment.rank]
    _accepted((yield from client.call(lambda reply: LeaveGroup(reply, own.domain.id, own.index))))


def rsrc_phase(environment: Environment, phase: int) -> Generator[Operation, Any, None]:
    """Bring the domain into another phase; KernelError where a planner refuses, and nothing changed."""
    refusal = yield from change_phase(environment, phase)
    if refusal:
        raise KernelError(refusal)


def rsrc_spare(environment: Environment, cores: int) -> Generator[Operation, Any, None]:
    """The domain could do with so many cores fewer (§3.4.5): it may be asked for them. 0 takes that back."""
    yield from _offer(environment, "spare", cores)


def rsrc_want(environment: Environment, cores: int) -> Generator[Operation, Any, None]:
    """The domain could make use of so many cores more, for rules of placement to know. 0 takes that back."""
    yield from _offer(environment, "want", cores)


def _offer(environment: Environment, kind: str, cores: int) -> Generator[Operation, Any, None]:
    number = whole(cores, f"rsrc_{kind}: cores")
    client = environment.client()
    _accepted((yield from client.call(lambda reply: OfferCores(reply, environment.domain, kind, number))))


def _accepted(answer: Granted) -> int:
    if answer.refusal:
        raise KernelError(answer.refusal)
    return answer.manifest
