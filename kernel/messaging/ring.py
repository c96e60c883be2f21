"""The ring of one direction of a UMP channel: cache-line slots, read in the order in which they were written.

The protocol alone, without time (dissertation §2.6.3; Barrelfish's `ump_impl.h`, its classic form). A line has one
message and, written last, the control word: an epoch bit that flips whenever the ring wraps round, by which the
receiver sees that the line is new, and how many lines of the other direction have been read, which
acknowledges them all. A line that is not acknowledged is never written again. The last slot is kept for an
acknowledgement, which has to be sent when all other slots have been read and nothing went the other way.

Numbers of lines are counted without end; the 16 bits that Barrelfish's header has for them name the same lines, as
a ring has far fewer slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

LEAST_SLOTS = 3
"""Two for messages and one for an acknowledgement; with one less every acknowledgement would be acknowledged."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The message of a line that is written for its control word alone."""


ACKNOWLEDGEMENT = Acknowledgement()


class Line(NamedTuple):
    """What a slot holds."""

    message: object
    acknowledged: int
    epoch: bool


class Ring:
    """`slots` slots, with what the sender knows (written, acknowledged) and what the receiver does (the rest)."""

    __slots__ = ("_lines", "acknowledged", "looked", "read", "slots", "told", "written")

    def __init__(self, slots: int) -> None:
        if slots < LEAST_SLOTS:
            raise ValueError(f"a ring has at least {LEAST_SLOTS} slots, not {slots}")
        self.slots = slots
        self._lines = [Line(None, 0, False)] * slots
        self.written = 0
        self.acknowledged = 0  # of `written`
        self.read = 0
        self.looked = 0  # lines whose control words the receiver has seen; it may look ahead of what it reads
        self.told = 0  # of `read`, as the receiver has acknowledged it

    # -- the sender's side -------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many messages may be written now."""
        return self.slots - 1 - (self.written - self.acknowledged)

    @property
    def room_to_acknowledge(self) -> bool:
        """Whether an acknowledgement may be written now."""
        return self.written - self.acknowledged < self.slots

    def write(self, message: object, acknowledged: int) -> None:
        """Write the next line."""
        assert self.room > 0 or (message is ACKNOWLEDGEMENT and self.room_to_acknowledge), "an overwritten line"
        turn, slot = divmod(self.written, self.slots)
        self._lines[slot] = Line(message, acknowledged, turn % 2 == 0)
        self.written += 1

    def acknowledge(self, count: int) -> None:
        """The receiver has read `count` lines; an older count than the newest says nothing."""
        assert count <= self.written, "lines acknowledged that were not written"
        self.acknowledged = max(self.acknowledged, count)

    # -- the receiver's side -----------------------------------------------------------------------

    def new(self, number: int) -> bool:
        """Whether the receiver finds line `number` written, by its epoch."""
        turn, slot = divmod(number, self.slots)
        return self._lines[slot].epoch is (turn % 2 == 0)

    def look(self) -> int:
        """Look at the next control word not looked at yet, which must be new: the acknowledgement in it."""
        assert self.new(self.looked)
        line = self._lines[self.looked % self.slots]
        self.looked += 1
        return line.acknowledged

    @property
    def next_message(self) -> object:
        """What `take` would copy out."""
        return self._lines[self.read % self.slots].message

    def take(self) -> object:
        """Copy the next message out, once it has been looked at. Its slot may then be acknowledged."""
        assert self.read < self.looked
        message = self.next_message
        slot = self.read % self.slots
        self._lines[slot] = self._lines[slot]._replace(message=None)  # the slot stays; what was in it may be garbage
        self.read += 1
        return message

    @property
    def due(self) -> bool:
        """Whether the sender cannot write on before it is told what has been read."""
        return self.read - self.told >= self.slots - 1

    def tell(self) -> int:
        """What to acknowledge in a line that is being written the other way."""
        self.told = self.read
        return self.read
