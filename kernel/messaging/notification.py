"""Notification on a machine without coherent caches, in its CPU drivers (dissertation §2.6.3, SCC message passing).

A core's message-passing buffer says which of its channels have something to be read. A sender's CPU driver enters
the channel's number there, under the receiver's test-and-set register, and interrupts the receiver unless that has
been done; the receiver's CPU driver looks all numbers up in its table and tells each channel that is registered.
How numbers lie in the buffer is one of three designs, one for a whole buffer: `Ring`, `Tree`, `Payload`, below.

What a design does is a sequence of steps, each with its time; what a step brings about is so when that is over. A CPU
driver does one such sequence after the other, and nothing else meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from kernel.cpu_driver import CpuDriver
from kernel.hardware import Hardware
from kernel.message_buffers import MessageBuffers
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.threads import ENDLESS, Thread, ThreadState
from kernel.timeline import Priority, Timeline
from skb.knowledge import KnowledgeBase

WRITE_POSITION = 0
READ_POSITION = 1
FIRST_ENTRY = 2
"""Lines of a ring: the two positions, then the entries."""

_ID_BITS = 16
"""Of a channel's number in a ring (dissertation §2.6.3)."""


class Step(NamedTuple):
    """One step of a CPU driver, and how long it takes."""

    what: str
    ps: int


T = TypeVar("T")
Steps = Generator[Step, None, T]
Signal = Callable[[int, Any], None]
"""A channel's number was found in the buffer, and what came with it."""


class Packet(NamedTuple):
    """A message that goes through the buffer itself: how many bytes, and what the receiver is told."""

    size_bytes: int
    what: object


class Design(Protocol):
    """How channels are announced in a message-passing buffer."""

    channels: int
    """How many can be told apart."""

    def announce(
        self, buffers: MessageBuffers, sender: int, receiver: int, number: int, packet: Packet | None
    ) -> Steps[MessageErrorCode | None]:
        """The sender's part, its system call apart; NOTIFY where there is no room, nothing having been entered."""

    def collect(self, buffers: MessageBuffers, core: int, signal: Signal) -> Steps[None]:
        """The receiver's part, its interrupt apart."""


def _lock(buffers: MessageBuffers, by: int, of: int) -> Steps[None]:
    """Set the register, and as long as another had, again."""
    while True:
        yield Step("acquire the lock", buffers.read_ps(by, of))
        if buffers[of].test_and_set():
            return


def _unlock(buffers: MessageBuffers, by: int, of: int) -> Steps[None]:
    yield Step("clear the lock", buffers.write_ps(by, of))
    buffers[of].clear()


def _interrupt(buffers: MessageBuffers, by: int, of: int) -> Steps[None]:
    """One interrupt is enough until the receiver has cleared its status, which it does under the lock."""
    yield Step("read the interrupt status", buffers.read_ps(by, of))
    if not buffers[of].pending:
        yield Step("set the interrupt bit", buffers.write_ps(by, of))
        buffers[of].interrupt()


def _acknowledge(buffers: MessageBuffers, core: int) -> Steps[None]:
    yield Step("clear the interrupt bit", buffers.write_ps(core, core))
    buffers[core].pending = False


class Ring:
    """A ring of channel numbers, a line each: the sender need not read what else is there.

    A sender remembers the last read position that it saw, and reads it only where the ring would be full by
    that, so that mostly it reads two words, as the dissertation counts.
    """

    channels = 1 << _ID_BITS

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], int] = {}  # read positions, by sender and receiver

    def announce(
        self, buffers: MessageBuffers, sender: int, receiver: int, number: int, packet: Packet | None
    ) -> Steps[MessageErrorCode | None]:
        yield from _lock(buffers, sender, receiver)
        code = yield from self._enter(buffers, sender, receiver, number, packet)
        if code is None:
            yield from _interrupt(buffers, sender, receiver)
        yield from _unlock(buffers, sender, receiver)
        return code

    def _enter(
        self, buffers: MessageBuffers, sender: int, receiver: int, number: int, packet: Packet | None
    ) -> Steps[MessageErrorCode | None]:
        lines = buffers[receiver].lines
        entries = len(lines) - FIRST_ENTRY
        wanted = self._lines(packet, buffers[receiver].line_bytes)
        yield Step("read the write position", buffers.read_ps(sender, receiver))
        position: int = lines[WRITE_POSITION]
        if position + wanted - self._seen.get((sender, receiver), 0) > entries:
            yield Step("read the read position", buffers.read_ps(sender, receiver))
            self._seen[sender, receiver] = lines[READ_POSITION]
            if position + wanted - lines[READ_POSITION] > entries:
                return MessageErrorCode.NOTIFY
        for line in range(wanted):
            yield Step(self._entering, buffers.write_ps(sender, receiver))
            lines[FIRST_ENTRY + (position + line) % entries] = number if packet is None else (number, packet)
        yield Step("update the write position", buffers.write_ps(sender, receiver))
        lines[WRITE_POSITION] = position + wanted
        return None

    _entering = "write the channel number"

    def _lines(self, packet: Packet | None, line_bytes: int) -> int:
        return 1

    def collect(self, buffers: MessageBuffers, core: int, signal: Signal) -> Steps[None]:
        lines = buffers[core].lines
        entries = len(lines) - FIRST_ENTRY
        yield from _lock(buffers, core, core)
        yield Step("read the write position", buffers.read_ps(core, core))
        while lines[READ_POSITION] < lines[WRITE_POSITION]:
            yield Step("read a channel number", buffers.read_ps(core, core))
            entry = lines[FIRST_ENTRY + lines[READ_POSITION] % entries]
            lines[READ_POSITION] += yield from self._take(buffers, core, entry, signal)
        yield Step("update the read position", buffers.write_ps(core, core))
        yield from _acknowledge(buffers, core)
        yield from _unlock(buffers, core, core)

    def _take(self, buffers: MessageBuffers, core: int, entry: Any, signal: Signal) -> Steps[int]:
        """How many lines the entry had."""
        signal(entry, None)
        return 1
        yield


class Payload(Ring):
    """The ring has the messages themselves: a word of number and size, then the bytes, in as many lines as it takes.

    Channels compete for the buffer, so the receiver's CPU driver copies messages out at once, to private memory
    that its caches do not allocate on a write miss: an uncached line for each (dissertation §2.6.3).
    """

    _entering = "write a line of the message"

    _HEADER_BYTES = 4

    def _lines(self, packet: Packet | None, line_bytes: int) -> int:
        assert packet is not None
        return -(-(self._HEADER_BYTES + packet.size_bytes) // line_bytes)

    def _take(self, buffers: MessageBuffers, core: int, entry: Any, signal: Signal) -> Steps[int]:
        number, packet = entry
        taken = self._lines(packet, buffers[core].line_bytes)
        for line in range(taken):
            if line:
                yield Step("read a line of the message", buffers.read_ps(core, core))
            yield Step("copy the line out", buffers.memory_copy_ps(core, buffers.region(core)))
        signal(number, packet.what)
        return taken


class Tree:
    """A bit for every channel, in leaves of one line, and a root line with a bit for every leaf that has any set.

    It cannot fail: a bit that is set already says what is to be said. A line is read as a whole; what it takes to
    find or set a bit of it, slow as that was found to be, is not charged, for no figure is known.
    """

    def __init__(self, lines: int, line_bytes: int) -> None:
        self._bits = 8 * line_bytes
        self.channels = (lines - 1) * self._bits

    def announce(
        self, buffers: MessageBuffers, sender: int, receiver: int, number: int, packet: Packet | None
    ) -> Steps[MessageErrorCode | None]:
        lines = buffers[receiver].lines
        leaf, bit = divmod(number, self._bits)
        yield from _lock(buffers, sender, receiver)
        yield Step("read the root", buffers.read_ps(sender, receiver))
        root = lines[0]
        yield Step("set the leaf's bit", 0)
        yield Step("write the root", buffers.write_ps(sender, receiver))
        lines[0] = root | 1 << leaf
        yield Step("read the leaf", buffers.read_ps(sender, receiver))
        bits = lines[1 + leaf]
        yield Step("set the channel's bit", 0)
        yield Step("write the leaf", buffers.write_ps(sender, receiver))
        lines[1 + leaf] = bits | 1 << bit
        yield from _interrupt(buffers, sender, receiver)
        yield from _unlock(buffers, sender, receiver)
        return None

    def collect(self, buffers: MessageBuffers, core: int, signal: Signal) -> Steps[None]:
        lines = buffers[core].lines
        yield from _lock(buffers, core, core)
        yield Step("read the root", buffers.read_ps(core, core))
        for leaf in _set_bits(lines[0]):
            yield Step("read a leaf", buffers.read_ps(core, core))
            for bit in _set_bits(lines[1 + leaf]):
                signal(leaf * self._bits + bit, None)
            yield Step("clear the leaf", buffers.write_ps(core, core))
            lines[1 + leaf] = 0
        yield Step("clear the root", buffers.write_ps(core, core))
        lines[0] = 0
        yield from _acknowledge(buffers, core)
        yield from _unlock(buffers, core, core)


def _set_bits(bits: int) -> list[int]:
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


DESIGNS = ("ring", "tree", "payload")


class Notified(Protocol):
    """The receiving side of a channel."""

    def signalled(self, what: object, now: int) -> None:
        """Its number was in the buffer, with `what`, if messages go through the buffer."""


class Notifications:
    """The notification drivers of a machine's cores: one object for a booted machine."""

    def __init__(
        self, kb: KnowledgeBase, hardware: Hardware, timeline: Timeline, drivers: Mapping[int, CpuDriver]
    ) -> None:
        self.buffers = MessageBuffers(kb, hardware, self._interrupted)
        self.hardware = hardware
        self._timeline = timeline
        self._drivers = drivers
        self._designs: dict[int, tuple[str, Design]] = {}  # by core
        self._tables: dict[int, dict[int, Notified]] = {}
        self._numbers: dict[int, int] = {}  # the last given out
        self._work: dict[int, deque[Callable[[int], None]]] = {}  # what CPU drivers do, and will do

    # -- the tables --------------------------------------------------------------------------------

    def register(self, core: int, channel: Notified, how: str = "ring") -> int:
        """A new number for a channel that is received on `core`, announced by the design `how`.

        MessageError where the core's buffer is used by another design, or all numbers are taken.
        """
        design = self._design(core, how)
        table = self._tables.setdefault(core, {})
        if len(table) >= design.channels:
            raise MessageError(
                MessageErrorCode.NO_DRIVER, f"core {core} has {len(table)} channels, all that a {how} can tell apart"
            )
        number = self._numbers.get(core, -1)
        while True:
            number = (number + 1) % design.channels
            if number not in table:
                break
        self._numbers[core] = number
        table[number] = channel
        return number

    def release(self, core: int, number: int) -> None:
        """The channel is no more; if its number is still in the buffer it is ignored."""
        self._tables.get(core, {}).pop(number, None)

    def _design(self, core: int, how: str) -> Design:
        used = self._designs.get(core)
        if used is None:
            buffer = self.buffers[core]
            if how not in DESIGNS:
                known = ", ".join(DESIGNS)
                raise MessageError(MessageErrorCode.NO_DRIVER, f"no notification by {how}; there are {known}")
            design: Design = (
                Ring() if how == "ring" else Payload() if how == "payload"
                else Tree(len(buffer.lines), buffer.line_bytes)
            )
            used = self._designs[core] = how, design
        if used[0] != how:
            raise MessageError(
                MessageErrorCode.NO_DRIVER, f"the message-passing buffer of core {core} has a {used[0]}, no {how}"
            )
        return used[1]

    # -- system calls and interrupts ---------------------------------------------------------------

    def notify(
        self, thread: Thread, receiver: int, number: int, packet: Packet | None, now: int,
        done: Callable[[int, MessageErrorCode | None], None],
    ) -> None:
        """The system call: `done` when it is over, with NOTIFY if the receiver's buffer had no room."""
        driver = thread.dispatcher.driver
        design = self._designs[receiver][1]
        driver.system_call(now)
        thread.compute(ENDLESS, thread.resume)  # until `done` has it go on

        def over(later: int, code: MessageErrorCode | None) -> None:
            done(later, code)
            if thread.state is not ThreadState.EXITED:
                thread.dispatcher.driver.plan(later)

        steps = design.announce(self.buffers, driver.core.number, receiver, number, packet)
        self._carry_out(driver, steps, now, over)

    def _interrupted(self, core: int) -> None:
        driver, now = self._drivers[core], self._timeline.now
        driver.interrupt(now)

        def signal(number: int, what: object) -> None:
            channel = self._tables[core].get(number)
            if channel is not None:
                channel.signalled(what, self._timeline.now)

        steps = self._designs[core][1].collect(self.buffers, core, signal)
        self._carry_out(driver, steps, now, lambda later, nothing: None)

    def _carry_out(
        self, driver: CpuDriver, steps: Steps[T], now: int, done: Callable[[int, T], None]
    ) -> None:
        """Have the CPU driver do the steps, when it has done what it is at, interrupts being off meanwhile."""
        core = driver.core.number
        work = self._work.setdefault(core, deque())

        def go_on(later: int) -> None:
            free = driver.kernel_done(later)
            if free > later:
                self._timeline.at(free, Priority.TIMER, core, go_on)
                return
            try:
                step = next(steps)
            except StopIteration as stop:
                work.popleft()
                if work:
                    work[0](later)
                done(later, stop.value)
                return
            if driver.online:  # what reaches a core after it has stopped goes to where its channels are now
                driver.hold(later, step.ps)
            self._timeline.at(later + step.ps, Priority.TIMER, core, go_on)

        work.append(go_on)
        if len(work) == 1:
            go_on(now)
