"""Local message passing (LMP): between two dispatchers of one core, by the CPU driver.

The payload is delivered by the CPU driver on the way to the receiver; the one-way cost, program to
program, is the machine's (dissertation §2.6.2, table 2.4) and includes the upcall that receives it.
"""

from __future__ import annotations

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint
from kernel.threads import Thread


class LmpLink:
    """Messages from one dispatcher to `endpoint` on the same core."""

    def __init__(self, hardware: Hardware, core: int, endpoint: Endpoint) -> None:
        self._cost_ps = hardware.cost_ps("lmp", core)
        self._endpoint = endpoint
        self.sent = 0

    def send(self, thread: Thread, message: object, now: int) -> None:
        self.sent += 1

        def delivered(later: int) -> None:
            self._endpoint.deliver(message, 0, later)
            thread.resume(later)

        thread.compute(self._cost_ps, delivered)
