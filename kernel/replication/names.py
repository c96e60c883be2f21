"""Optional replicas of the name service: which service has a name, answered on the core where it is asked.

The SKB's records are the master as long as nobody has chosen replicas (`kernel.services.knowledge`). With them, who
exports a service submits `Register`, and when a domain ends `Forget` is submitted for it; who looks a name up reads
the nearest replica, without a message between cores where there is one on its own. By any of the protocols: under all
but `eventual` a name is given once, as the registry refuses one that is taken, and a lookup may only be behind; under
`eventual` two cores may both be told that a name is theirs, and the later of the two keeps it.

    names = ReplicatedNames(Replication.of(kernel), cores=(0, 4, 8, 12), how="group")
    connection = names.client(core)                  # in a program on that core
    yield from connection.register("fs", iref, domain)
    iref = yield from connection.look_up("fs")
    names.owner_died(domain)

Where the SKB goes on recording services itself, it calls `exported` for each, and the replicas only answer lookups.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.replication.errors import ReplicationError
from kernel.replication.replicas import Client, Replication
from kernel.threads import Operation

SERVICE_NAME = "nameservice"
"""What the replicas are listed under among the replicated services."""


@dataclass(frozen=True, slots=True)
class Register:
    """`domain` has, on `core`, a service of that name; the result is the reference the name now stands for."""

    key: str
    iref: int
    domain: int
    core: int


@dataclass(frozen=True, slots=True)
class Forget:
    """The name stands for nothing any more, if it is `domain`'s."""

    key: str
    domain: int


class Registry:
    """Names and what they stand for; a name is its first owner's until that has ended."""

    def __init__(self, first_keeps: bool = True) -> None:
        self.names: dict[str, Register] = {}
        self._first_keeps = first_keeps

    def apply(self, operation: Register | Forget) -> int | None:
        found = self.names.get(operation.key)
        if isinstance(operation, Forget):
            if found is not None and found.domain == operation.domain:
                del self.names[operation.key]
            return None
        if found is None or not self._first_keeps:
            self.names[operation.key] = found = operation
        return found.iref

    def read(self, query: str) -> int | None:
        """The reference of the service of that name."""
        found = self.names.get(query)
        return None if found is None else found.iref

    def reset(self) -> None:
        self.names = {}


class ReplicatedNames:
    """The replicas of the name service on `cores`."""

    def __init__(
        self, replication: Replication, cores: Iterable[int], how: str, spread: str = "unicast",
        name: str = SERVICE_NAME,
    ) -> None:
        self.replicas = replication.replicate(
            name, cores, how, lambda: Registry(first_keeps=how != "eventual"), spread
        )

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores with a replica."""
        return tuple(self.replicas.cores)

    def client(self, core: int) -> NamesClient:
        """For one thread of a program on `core`."""
        return NamesClient(self.replicas.client(core), core)

    def names(self, core: int) -> dict[str, int]:
        """The names that the replica of `core` has, with their references."""
        registry = self._registry(core)
        return {name: found.iref for name, found in sorted(registry.names.items())}

    def exported(self, name: str, iref: int, domain: int, core: int) -> None:
        """The SKB has recorded a service: have the replicas know. Returns at once; that is done by messages."""
        self.replicas.begin(self.replicas.nearest(core), Register(name, iref, domain, core))

    def owner_died(self, domain: int) -> None:
        """A domain is no more: have its names forgotten. Returns at once; that is done by messages."""
        core = self.replicas.nearest(self.replicas.cores[0])
        for name, found in sorted(self._registry(core).names.items()):
            if found.domain == domain:
                self.replicas.begin(core, Forget(name, domain))

    def _registry(self, core: int) -> Registry:
        if core not in self.replicas.cores:
            raise ReplicationError(f"core {core} has no replica of {self.replicas.name}")
        machine = self.replicas.replicas[core].machine
        assert isinstance(machine, Registry)
        return machine


class NamesClient:
    """A thread's connection to the replicated name service; each method is a part of a program."""

    def __init__(self, client: Client, core: int) -> None:
        self._client = client
        self._core = core

    def register(self, name: str, iref: int, domain: int) -> Generator[Operation, Any, None]:
        """Have a service found under a name; MessageError where it is taken."""
        found: Hashable = yield from self._client.submit(Register(name, iref, domain, self._core))
        if found != iref:
            raise MessageError(MessageErrorCode.INVALID_NAME, f"{name} cannot be exported: the name is taken")

    def look_up(self, name: str) -> Generator[Operation, Any, int]:
        """The reference of the service of that name, as the nearest replica has it; MessageError if it has none."""
        found: Hashable = yield from self._client.read(name)
        if not isinstance(found, int):
            raise MessageError(MessageErrorCode.UNKNOWN_NAME, f"no service {name}")
        return found
