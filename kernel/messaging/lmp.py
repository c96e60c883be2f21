"""Local message passing (LMP): between two dispatchers of one core, by the CPU driver.

The third system call: the CPU driver copies the payload and, where the receiver was waiting and does not run,
enters it at its LMP entry point, in the sender's time. The one-way cost, program to program, is the machine's
(dissertation §2.6.2, table 2.4): it includes the switch and the upcall, which therefore cost nothing more.
"""

from __future__ import annotations

from collections.abc import Callable

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint, Waiting
from kernel.threads import Thread


class LmpLink:
    """Messages from one dispatcher to `endpoint` on the same core."""

    def __init__(self, hardware: Hardware, core: int, endpoint: Endpoint) -> None:
        self._cost_ps = hardware.cost_ps("lmp", core)
        self.endpoint = endpoint
        self.sent = 0

    def send(self, thread: Thread, message: object, now: int) -> None:
        self.sent += 1
        driver = thread.dispatcher.driver
        _call(thread, now, self._cost_ps, lambda later: self.endpoint.deliver(message, 0, later, local=driver))


class WakingLink:
    """Local messages of a monitor to whoever blocks, for it to poll again: what is sent is the `Waiting`."""

    def __init__(self, hardware: Hardware, core: int) -> None:
        self._cost_ps = hardware.cost_ps("lmp", core)

    def send(self, thread: Thread, message: object, now: int) -> None:
        waiting: Waiting = message  # type: ignore[assignment]
        _call(thread, now, self._cost_ps, waiting.wake)


def _call(thread: Thread, now: int, cost_ps: int, deliver: Callable[[int], Thread | None]) -> None:
    """The system call: it takes `cost_ps`, then what was delivered to a thread that waited is where it goes on."""
    driver = thread.dispatcher.driver

    def delivered(later: int) -> None:
        receiver = deliver(later)
        if receiver is not None:
            driver.local_message(thread.dispatcher, receiver)
        thread.resume(later)

    driver.system_call(now, cost_ps)
    thread.compute(0, delivered)
