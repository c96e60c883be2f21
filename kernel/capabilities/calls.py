"""What a program's thread does to use capabilities: a system call, and a request to the monitor where that is needed.

As Barrelfish's library does it: the CPU driver is asked first; what it sends to the monitor (other cores may be
concerned) goes there by LMP, and the thread waits for the answer. Each function is for `yield from`, and raises
CapabilityError in the program when refused:

    yield from calls.retype(Address(TASK_RAM), Retype(ObjectType.FRAME, size=4096), Address(10))
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from kernel.capabilities.buddy import LEAST_BITS
from kernel.capabilities.capability import Object, Rights
from kernel.capabilities.cspace import Address
from kernel.capabilities.database import Slot
from kernel.capabilities.errors import CapabilityError, ErrorCode
from kernel.capabilities.invocations import Invocations
from kernel.capabilities.messages import Request
from kernel.capabilities.operations import Retype
from kernel.capabilities.serving import CapabilityService, UseCapabilities
from kernel.capabilities.types import CNODE_BYTES, ObjectType
from kernel.messaging.endpoint import Endpoint, Link
from kernel.program import Invoke, Receive, Send
from kernel.threads import Operation

Call = Generator[Operation, Any, None]

CNODE_BITS = CNODE_BYTES.bit_length() - 1

_THROUGH_MONITOR = (ErrorCode.RETRY_THROUGH_MONITOR, ErrorCode.DELETE_LAST_OWNED, ErrorCode.REMOTE_CAP_RETRY)


class CapabilityCalls:
    """The capability calls of one thread in `space`.

    `to_monitor` is a local link to the monitor of the thread's core; answers come to `endpoint`, by `reply`.
    """

    def __init__(
        self, domain: int, space: Invocations, to_monitor: Link, endpoint: Endpoint, reply: Link
    ) -> None:
        self._domain = domain
        self.space = space
        self._to_monitor = to_monitor
        self._endpoint = endpoint
        self._reply = reply

    def copy(self, source: Address, destination: Address, to: Address | None = None) -> Call:
        yield from self._call(lambda: self.space.copy(source, destination, to))

    def mint(self, source: Address, destination: Address, rights: Rights, to: Address | None = None) -> Call:
        yield from self._call(lambda: self.space.mint(source, destination, rights, to))

    def retype(self, source: Address, request: Retype, destination: Address, to: Address | None = None) -> Call:
        yield from self._call(
            lambda: self.space.retype(source, request, destination, to),
            lambda: self.space.retype_through_monitor(0, source, request, destination, to),
        )

    def delete(self, address: Address) -> Call:
        """Goes through the monitor from the start: what was in a CNode may need other cores."""
        yield from self._ask(lambda: self.space.delete_through_monitor(0, address))
        self.space.free(address)

    def revoke(self, address: Address) -> Call:
        """Goes through the monitor from the start: what was in a CNode may need other cores."""
        yield from self._ask(lambda: self.space.revoke_through_monitor(0, address))

    def send_to(self, address: Address, core: int, destination: Slot) -> Call:
        """Copy to a slot that a receiver on another core has kept free."""
        yield from self._ask(lambda: self.space.send_to(0, address, core, destination))

    def allocate(self, bits: int, destination: Address) -> Call:
        """RAM of 2^bits bytes of the machine's memory servers, its capability at an empty address."""
        if bits < LEAST_BITS:
            raise CapabilityError(
                ErrorCode.MEMORY_TOO_SMALL, f"2^{bits} bytes of RAM; a memory server gives at least 2^{LEAST_BITS}"
            )
        slot = yield from self._tried(lambda: self.space.space.destination(destination)[0])
        yield from self._through_monitor(lambda service, done: service.allocate(self._domain, bits, slot, done))

    def slot(self) -> Generator[Operation, Any, Address]:
        """An empty slot that nobody else is given (Barrelfish's slot allocator); `space.free` takes it back."""
        while (address := self.space.reserve()) is None:
            ram, cnode = yield from self._tried(self.space.growth)
            yield from self.allocate(CNODE_BITS, ram)
            yield from self.retype(ram, Retype(ObjectType.L2_CNODE), cnode)
        return address

    def transfer(self, address: Address, destination: Slot) -> Call:
        """Copy to a slot that a receiver on this core has kept free."""
        yield from self._call(lambda: self.space.transfer(address, destination))

    def map(
        self, vnode: Address, entry: int, source: Address, mapping: Address, rights: Rights,
        offset: int = 0, count: int = 1,
    ) -> Call:
        yield from self._call(lambda: self.space.map(vnode, entry, source, mapping, rights, offset, count))

    def unmap(self, vnode: Address, mapping: Address) -> Call:
        """Returns when no core's TLB has the translation any more."""
        yield from self._call(lambda: self.space.unmap(vnode, mapping))
        yield from self._through_monitor(
            lambda service, done: service.capabilities.forget_unmapped(lambda: done(ErrorCode.OK))
        )

    def identify(self, address: Address) -> Generator[Operation, Any, Object]:
        found: Object = yield from self._tried(lambda: self.space.identify(address))
        return found

    def _tried(self, action: Callable[[], Any]) -> Generator[Operation, Any, Any]:
        """A system call, whose refusal is raised in the program."""

        def system_call(_: int) -> object:
            try:
                return action()
            except CapabilityError as error:
                return error

        outcome = yield Invoke(system_call)
        if isinstance(outcome, CapabilityError):
            raise outcome
        return outcome

    def _call(self, action: Callable[[], Any], request: Callable[[], Request] | None = None) -> Call:
        """Try in the CPU driver; where it says so, ask the monitor."""
        try:
            yield from self._tried(action)
        except CapabilityError as error:
            if request is None or error.code not in _THROUGH_MONITOR:
                raise
            yield from self._ask(request)

    def _ask(self, request: Callable[[], Request]) -> Call:
        """Look the names up, then have the monitors do it, however often it takes."""
        while True:
            found, epoch = yield from self._tried(lambda: (request(), self.space.database.epoch))

            def submit(
                service: CapabilityService, done: Callable[[ErrorCode], None],
                found: Request = found, epoch: int = epoch,
            ) -> None:
                service.capabilities.submit(lambda client: replace(found, client=client), done, epoch)

            try:
                yield from self._through_monitor(submit)
                return
            except CapabilityError as error:
                if error.code is not ErrorCode.REMOTE_CAP_RETRY:
                    raise

    def _through_monitor(
        self, action: Callable[[CapabilityService, Callable[[ErrorCode], None]], None]
    ) -> Call:
        def answer(code: ErrorCode) -> Call:
            yield Send(self._reply, code)

        def begin(service: CapabilityService) -> None:
            action(service, lambda code: service.later(lambda: answer(code)))

        yield Send(self._to_monitor, UseCapabilities(begin))
        code = yield Receive(self._endpoint)
        if code is not ErrorCode.OK:
            raise CapabilityError(code, "answered by the monitors")
