"""Messages between processes over TCP, by operating systems that have it in their kernels.

A request opens a connection and goes out; the reply closes it. What each end has to do is so many packets' worth of
the protocol; the receiver is woken by an interrupt and has the message when it comes to run.
"""

from __future__ import annotations

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint
from kernel.threads import Thread
from kernel.timeline import Priority, Timeline


class TcpLink:
    """From `sender` to the process that receives at `endpoint` on core `receiver`, a `Link`.

    `kind` is the cost fact that says of how many packets the exchange is, `tcp_request` or `tcp_reply`.
    """

    def __init__(
        self, timeline: Timeline, hardware: Hardware, kind: str, sender: int, receiver: int, endpoint: Endpoint
    ) -> None:
        packets = round(hardware.cost(kind).value)
        self._send_ps, self._receive_ps = (
            packets * hardware.cost_ps("tcp_packet", core) for core in (sender, receiver)
        )
        self._wire_ps = hardware.message_ps(sender, receiver)
        self._timeline = timeline
        self._core = receiver
        self._endpoint = endpoint

    def send(self, thread: Thread, message: object, now: int) -> None:
        """See `Link`."""

        def sent(later: int) -> None:
            self._timeline.at(
                later + self._wire_ps, Priority.MESSAGE, self._core,
                lambda arrived: self._arrive(message, arrived),
            )
            thread.resume(later)

        thread.dispatcher.driver.system_call(now, self._send_ps)
        thread.compute(0, sent)

    def _arrive(self, message: object, now: int) -> None:
        self._endpoint.deliver(message, self._receive_ps, now)
