"""Spawn daemons: one a core, which load programs there (Barrelfish's spawnd).

The monitor of a core passes on what it is asked to spawn, by a local message. The daemon chooses the image that
runs on its core, makes the dispatcher's objects by invoking capabilities, and hands it back to its monitor, which
binds the new dispatcher to its peers and has it scheduled (`kernel.monitor`).
"""

from __future__ import annotations

from kernel.hardware import Hardware
from kernel.messaging.endpoint import Endpoint
from kernel.messaging.lmp import LmpLink
from kernel.monitor import DispatcherLoaded, LoadDispatcher, Monitor
from kernel.program import Invoke, Receive, Send
from kernel.threads import Code

SPAWN_DAEMON = -2
"""The domain number of the spawn daemons; a user's domains count from 1."""

INVOCATIONS_TO_SPAWN = ("retype RAM to a dispatcher", "retype RAM to its frame", "map the frame",
                        "retype RAM to its capability table", "copy in the inherited capabilities")
"""The invocations that make a dispatcher (Barrelfish's domain_new_dispatcher), one system call each."""


class SpawnDaemon:
    """The spawn daemon on the core of `monitor`."""

    def __init__(self, hardware: Hardware, monitor: Monitor) -> None:
        self._endpoint = Endpoint(hardware.cost_ps("poll", monitor.core))
        self._to_monitor = LmpLink(hardware, monitor.core, monitor.endpoint)
        monitor.spawn_daemon = LmpLink(hardware, monitor.core, self._endpoint)

    def main(self) -> Code:
        """The program of the daemon."""
        while True:
            message = yield Receive(self._endpoint)
            assert isinstance(message, LoadDispatcher)
            for _ in INVOCATIONS_TO_SPAWN:
                yield Invoke(lambda _: None)
            yield Send(self._to_monitor, DispatcherLoaded(message.request))
            del message  # nothing of a domain is kept while the daemon waits for the next
