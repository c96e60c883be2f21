"""The ring protocol of UMP in every order of its two sides' steps, and what breaks it if it is changed.

Two rings, one a direction. Each side, at any time that the protocol lets it: writes its next message, looks at the
control word of the next line, copies the payload of a line it has looked at, writes the acknowledgement that is due.
Looking and copying are steps of their own, as between them the other side may do anything.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernel.messaging.ring import ACKNOWLEDGEMENT, Ring

Snapshot = tuple[object, ...]


def snapshot(ring: Ring) -> Snapshot:
    """All of a ring's state, hashable."""
    values = (getattr(ring, name) for name in Ring.__slots__)
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)


def restore(ring: Ring, state: Snapshot) -> None:
    for name, value in zip(Ring.__slots__, state, strict=True):
        setattr(ring, name, list(value) if isinstance(value, tuple) else value)


STEPS = tuple((side, step) for side in (0, 1) for step in ("write", "look", "copy", "acknowledge"))


class Exploration:
    """Rings of `slots` slots each way; side s writes `messages[s]` messages. `kind` is the ring that is examined."""

    def __init__(self, slots: int, messages: tuple[int, int], kind: type[Ring] = Ring) -> None:
        self.rings = kind(slots), kind(slots)  # rings[s] is written by side s
        self.messages = messages

    def _step(self, side: int, step: str, wrote: int, copied: int) -> tuple[int, int] | None:
        """How many messages the side has written and copied after it; None where it cannot do that now."""
        out, into = self.rings[side], self.rings[1 - side]
        if step == "write" and wrote < self.messages[side] and out.room > 0:
            out.write((side, wrote), into.tell())
            return wrote + 1, copied
        if step == "look" and into.new(into.looked):
            out.acknowledge(into.look())
            while into.read < into.looked and into.next_message is ACKNOWLEDGEMENT:
                into.take()  # there is nothing to be copied
            return wrote, copied
        if step == "copy" and into.read < into.looked:
            message = into.take()
            if message is ACKNOWLEDGEMENT:
                return wrote, copied
            assert message == (1 - side, copied), f"message {copied} of side {1 - side} was read as {message}"
            return wrote, copied + 1
        if step == "acknowledge" and into.due and out.room_to_acknowledge:
            out.write(ACKNOWLEDGEMENT, into.tell())
            return wrote, copied
        return None

    def run(self) -> None:
        """Visit every state once; AssertionError where one is wrong, or nothing can happen before all is read."""
        begin = (snapshot(self.rings[0]), snapshot(self.rings[1]), (0, 0), (0, 0))
        seen, left = {begin}, [begin]
        while left:
            state = left.pop()
            following = list(self._following(state))
            wrote = [done[0] for done in state[2:]]
            copied = [done[1] for done in state[2:]]
            assert following or (wrote, copied[::-1]) == ([*self.messages], [*self.messages]), (
                f"nothing can happen, with {wrote} messages written and {copied} read"
            )
            for each in following:
                if each not in seen:
                    seen.add(each)
                    left.append(each)

    def _following(self, state: tuple[Snapshot, Snapshot, tuple[int, int], tuple[int, int]]) -> Iterator[
        tuple[Snapshot, Snapshot, tuple[int, int], tuple[int, int]]
    ]:
        for side, step in STEPS:
            restore(self.rings[0], state[0])
            restore(self.rings[1], state[1])
            done = [state[2], state[3]]
            after = self._step(side, step, *done[side])
            if after is not None:
                done[side] = after
                yield snapshot(self.rings[0]), snapshot(self.rings[1]), done[0], done[1]


@pytest.mark.parametrize(
    ("slots", "messages"), [(3, (3, 4)), (3, (7, 1)), (3, (2, 6)), (4, (9, 0)), (4, (1, 9))]
)  # fmt: skip
def test_no_order_of_steps_loses_or_overwrites_a_message_or_stops(slots: int, messages: tuple[int, int]) -> None:
    Exploration(slots, messages).run()


@pytest.mark.slow
@pytest.mark.parametrize(("slots", "messages"), [(3, (5, 5)), (4, (2, 11)), (5, (1, 14))])
def test_larger_ones_are_as_sound(slots: int, messages: tuple[int, int]) -> None:
    """One ring at least wraps more than twice, so that every epoch comes back."""
    Exploration(slots, messages).run()


def test_two_slots_are_too_few_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one slot for messages an acknowledgement would answer each acknowledgement, for ever."""
    with pytest.raises(ValueError, match="at least 3 slots"):
        Ring(2)
    monkeypatch.setattr("kernel.messaging.ring.LEAST_SLOTS", 2)
    rings = Ring(2), Ring(2)
    rings[0].write("message", rings[1].tell())
    for answer in range(20):
        into, out = rings[answer % 2], rings[1 - answer % 2]
        out.acknowledge(into.look())
        into.take()
        assert into.due
        out.write(ACKNOWLEDGEMENT, into.tell())


# -- what the checker catches ----------------------------------------------------------------------


class AcknowledgesWhatIsNotCopied(Ring):
    """Barrelfish's error of old: the slot is free for the sender before its payload was copied out."""

    __slots__ = ()

    def tell(self) -> int:
        self.told = self.read
        return self.looked


class NothingKeptForAcknowledgements(Ring):
    """Messages may fill the ring; then neither side can acknowledge."""

    __slots__ = ()

    @property
    def room(self) -> int:
        return self.slots - (self.written - self.acknowledged)


class OneTooMany(Ring):
    """The sender takes one more slot for free than was acknowledged."""

    __slots__ = ()

    def acknowledge(self, count: int) -> None:
        super().acknowledge(min(count + 1, self.written))


class NoEpochs(Ring):
    """The receiver does not look at the epoch: whatever is in a slot is new."""

    __slots__ = ()

    def new(self, number: int) -> bool:
        return self._lines[number % self.slots] != (None, 0, False)


class EpochsThatDoNotFlip(Ring):
    """The receiver expects the same epoch in every turn."""

    __slots__ = ()

    def new(self, number: int) -> bool:
        return self._lines[number % self.slots].epoch


class NeverDue(Ring):
    """No line is written for its acknowledgement alone."""

    __slots__ = ()

    @property
    def due(self) -> bool:
        return False


class DueOneLate(Ring):
    """The acknowledgement waits for one line more than the sender may write."""

    __slots__ = ()

    @property
    def due(self) -> bool:
        return self.read - self.told >= self.slots


@pytest.mark.parametrize(
    ("kind", "messages", "why"),
    [
        (AcknowledgesWhatIsNotCopied, (5, 2), "was read as"),
        (NothingKeptForAcknowledgements, (4, 4), "nothing can happen"),
        (OneTooMany, (5, 2), "was read as"),
        (NoEpochs, (5, 2), "was read as"),
        (EpochsThatDoNotFlip, (5, 0), "was read as|nothing can happen"),
        (NeverDue, (5, 0), "nothing can happen"),
        (DueOneLate, (5, 0), "nothing can happen"),
    ],
)
def test_the_checker_catches_a_broken_protocol(kind: type[Ring], messages: tuple[int, int], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        Exploration(3, messages, kind).run()
