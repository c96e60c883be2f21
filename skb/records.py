"""Records (Octopus): what programs find and wait for each other by.

The Python side of rules/records.pl, which holds the records and decides everything; here operations cross, one
each, and notices of what was watched or waited for are handed on in order. An operation is asked for by an owner,
a domain's number or 0 for the user; what it sets, locks, enters and watches is the owner's and ends with it
(`owner_died`).

Records and queries are text (rules/record_grammar.pl): `spawn.3 { iref: 769 }`, `_ { weight >= 10 }`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from skb.engine import RuleError, SkbError
from skb.facts import Compound, Term, Text
from skb.knowledge import KnowledgeBase

USER = 0
"""The owner that is no domain and never dies: whoever sits at the shell."""

Value: TypeAlias = bool | int | float | str
"""An attribute's value: a plain `str` is an identifier, a `Text` a quoted string."""

Event = Literal["set", "del", "publish", "granted", "opened", "left", "acquired", "removed"]
"""What a notice tells: a record was set, deleted or published; a lock granted, a barrier opened or left by all, a
semaphore's token acquired; or the watch is no more, because it was removed or what it waited for is gone."""

_NO_LIMIT = 1 << 60  # an operation looks at each record once at most


class RecordError(SkbError):
    """An operation that cannot be done; it has changed nothing.

    `kind` is `record_syntax`, `no_record`, `no_record_name`, `mismatch` (a condition), `exists`, `duplicate`,
    `no_watch`, `not_held`, `not_entered` or `no_semaphore`.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Record:
    """A record: `attributes` in their order, whose lease it is, and a revision that grows with every setting."""

    name: str
    attributes: Mapping[str, Value]
    owner: int = USER
    revision: int = 0

    def __str__(self) -> str:
        """The record as text that reads back as itself; Barrelfish's form."""
        written = ", ".join(f"{name}: {_written(value)}" for name, value in self.attributes.items())
        return f"{self.name} {{ {written} }}" if written else f"{self.name} {{}}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """An operation that waits: the notice that ends it will bear this number."""

    watch: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What `watch` of `owner` brought. `over`: there will be no other of it."""

    watch: int
    owner: int
    event: Event
    record: Record | None
    over: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """Something watched or waited for: `what` says how (`watch`, `wait`, `lock`...), `of` is the query or name."""

    number: int
    owner: int
    what: str
    of: str
    lasting: bool


@dataclass(frozen=True, slots=True)
class Trigger:
    """A watch that an operation leaves behind, on its own query, depending on how it went.

    `when` is `always`, `ok`, or the kind of failure (`no_record`, `mismatch`...) at which it is installed.
    """

    when: str = "always"
    on: Sequence[str] = ("set", "del")
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Triggered:
    """What an operation with a trigger came to, a failure included, and the trigger's number if it was installed."""

    outcome: Record | tuple[str, ...] | bool | RecordError
    watch: int | None


class Records:
    """The records of the booted machine. A process has one knowledge base, so there is one set of them."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self._kb = kb
        self._watches: dict[int, Watch] = {}
        self._pending: list[Notice] = []
        self._listeners: dict[int, Callable[[Notice], None]] = {}
        self._handing_on: deque[Notice] = deque()
        self._handing = False

    def clear(self) -> None:
        """No records, no watches, all counting from the start: as when the machine boots."""
        self._kb.once("records:no_records_left", inferences=_NO_LIMIT)
        self._watches.clear()
        self._pending.clear()
        self._listeners.clear()
        self._handing_on.clear()

    # -- looking, setting, deleting ----------------------------------------------------------------

    def get(self, query: str) -> Record:
        """The first record that matches, in natural order of names (x2 before x10); RecordError if none does."""
        return _record(self._operate("get", Text(query)))

    def names(self, query: str) -> tuple[str, ...]:
        """The names of all records that match, in natural order."""
        found = self._operate("get_names", Text(query)).args[0]
        assert isinstance(found, list)
        return tuple(map(str, found))

    def exist(self, query: str) -> bool:
        """Whether a record matches."""
        return self._operate("exist", Text(query)).name == "yes"

    def set(
        self, record: str, *, owner: int = USER, sequential: bool = False,
        only: Literal["any", "new", "existing"] = "any", revision: int | None = None,
    ) -> Record:
        """Set a record, in place of all that it was; the record as stored.

        `sequential` appends a number to the name that grows and is never given again. `only` sets it if there was
        none, or if there was one; `revision` if it still is what it was at that revision. Conditions in `record`
        must hold of the record as it was: `turn { of: 1, of == 0 }`.
        """
        mode = "sequential" if sequential else "plain"
        return _record(self._operate("set", Text(record), mode, _if(only, revision), owner=owner))

    def delete(self, query: str, *, revision: int | None = None) -> Record:
        """Delete the record of that name, if it is as the query says; the record as it was."""
        return _record(self._operate("del", Text(query), _if("any", revision)))

    # -- waiting and watching ----------------------------------------------------------------------

    def wait_for(self, query: str, *, owner: int = USER) -> Record | Blocked:
        """A record that matches, or a ticket whose notice `set` brings the first that will."""
        return _record_or_blocked(self._operate("wait_for", Text(query), owner=owner, waiting=("wait", query)))

    def watch(
        self, query: str, on: Sequence[str] = ("set", "del"), *, lasting: bool = False, owner: int = USER
    ) -> int:
        """Be told of the next change that matches, or of each; the watch's number.

        `on`: `set` fires at each setting of a record that matches as set, changed or not; `del` at each deletion of
        one that matched.
        """
        life = "lasting" if lasting else "once"
        outcome = self._operate("watch", Text(query), list(on), life, owner=owner, waiting=("watch", query))
        return _integer(outcome.args[0])

    def watch_existing(self, query: str, on: Sequence[str] = ("set", "del"), *, owner: int = USER) -> int:
        """Be told of each record that matches now, by a notice `set`, and of each change that matches from now on."""
        outcome = self._operate("watch_existing", Text(query), list(on), owner=owner, waiting=("watch", query))
        return _integer(outcome.args[0])

    def triggered(
        self, operation: Literal["get", "names", "exist", "set", "del"], query: str, trigger: Trigger, *,
        owner: int = USER,
    ) -> Triggered:
        """An operation with a trigger: whether to watch is decided by how it went, with no gap in between."""
        asked: dict[str, Term] = {
            "get": Compound("get", (Text(query),)), "names": Compound("get_names", (Text(query),)),
            "exist": Compound("exist", (Text(query),)), "set": Compound("set", (Text(query), "plain", "any")),
            "del": Compound("del", (Text(query), "any")),
        }
        life = "lasting" if trigger.lasting else "once"
        said = self._operate(
            "triggered", asked[operation], trigger.when, list(trigger.on), life, owner=owner,
            waiting=("watch", query),
        )
        outcome, number = said.args
        return Triggered(_plain(_term(outcome)), number if isinstance(number, int) else None)

    def subscribe(self, query: str, *, owner: int = USER) -> int:
        """Be told of each record published that matches; the subscription's number."""
        outcome = self._operate("subscribe", Text(query), owner=owner, waiting=("subscribe", query))
        return _integer(outcome.args[0])

    def publish(self, record: str) -> int:
        """Tell all subscriptions that match of a record, which nobody keeps; how many there were."""
        return _integer(self._operate("publish", Text(record)).args[0])

    def remove(self, watch: int, *, owner: int = USER) -> None:
        """End a watch, a subscription, or the waiting for something; a notice `removed` is its last."""
        self._operate("remove", watch, owner=owner)

    # -- locks, barriers, semaphores ---------------------------------------------------------------

    def lock(self, name: str, *, owner: int = USER) -> Record | Blocked:
        """The record by which the owner holds the lock, or a ticket whose notice `granted` brings it."""
        return _record_or_blocked(self._operate("lock", Text(name), owner=owner, waiting=("lock", name)))

    def unlock(self, name: str, *, owner: int = USER) -> None:
        """Let the next in line have the lock."""
        self._operate("unlock", Text(name), owner=owner)

    def enter(self, name: str, count: int, *, owner: int = USER) -> Record | Blocked:
        """Enter a barrier that opens when `count` have: the record, or a ticket whose notice `opened` brings it."""
        if count < 1:
            raise RecordError("mismatch", f"a barrier waits for at least one, not for {count}")
        return _record_or_blocked(self._operate("enter", Text(name), count, owner=owner, waiting=("enter", name)))

    def leave(self, name: str, *, owner: int = USER) -> Blocked | None:
        """Leave a barrier; a ticket whose notice `left` comes when all have, or None if they have."""
        outcome = self._operate("leave", Text(name), owner=owner, waiting=("leave", name))
        return Blocked(_integer(outcome.args[0])) if outcome.name == "blocked" else None

    def new_semaphore(self, value: int, *, owner: int = USER) -> int:
        """A semaphore that `value` may pass before anyone posts; its number."""
        if value < 0:
            raise RecordError("mismatch", f"a semaphore begins at 0 or more, not at {value}")
        return _integer(self._operate("new_semaphore", value, owner=owner).args[0])

    def post(self, semaphore: int) -> None:
        """Let one more pass; who has waited longest is first."""
        self._operate("post", semaphore)

    def acquire(self, semaphore: int, *, owner: int = USER) -> Record | Blocked:
        """Pass the semaphore: the token taken, or a ticket whose notice `acquired` brings it."""
        waiting = ("semaphore", str(semaphore))
        return _record_or_blocked(self._operate("acquire", semaphore, owner=owner, waiting=waiting))

    def try_acquire(self, semaphore: int) -> Record | None:
        """Pass the semaphore if that needs no waiting: the token taken, or None."""
        outcome = self._operate("try_acquire", semaphore)
        return None if outcome.name == "none" else _record(_term(outcome.args[0]))

    # -- leases and notices ------------------------------------------------------------------------

    def owner_died(self, owner: int) -> tuple[str, ...]:
        """A domain is no more: its records, locks, places in barriers and watches go; the names of the records.

        Others are told as of any deletion, and get what they waited for; the dead gets nothing.
        """
        if owner == USER:
            raise ValueError("the user does not die")
        found = self._operate("owner_died", owner=owner).args[0]
        assert isinstance(found, list)
        self._watches = {n: watch for n, watch in self._watches.items() if watch.owner != owner}
        self._pending = [notice for notice in self._pending if notice.owner != owner]
        self._listeners.pop(owner, None)
        return tuple(map(str, found))

    def watches(self, owner: int | None = None) -> tuple[Watch, ...]:
        """All that is watched and waited for, by that owner or by anyone, by number."""
        return tuple(w for _, w in sorted(self._watches.items()) if owner is None or w.owner == owner)

    def listen(self, owner: int, listener: Callable[[Notice], None]) -> None:
        """Hand the owner's notices to `listener` from now on, each as soon as the operation that brought it is done.

        A listener must not raise; it may ask for operations, whose notices follow after those at hand.
        """
        self._listeners[owner] = listener

    def take(self, owner: int | None = None) -> tuple[Notice, ...]:
        """The notices of that owner, or of all, that nobody has been given yet; oldest first, each given once."""
        taken = tuple(n for n in self._pending if owner is None or n.owner == owner)
        self._pending = [n for n in self._pending if not (owner is None or n.owner == owner)]
        return taken

    def waits(self, blocked: Blocked) -> bool:
        """Whether the operation waits still."""
        return blocked.watch in self._watches

    def outcome(self, blocked: Blocked) -> Notice | None:
        """The notice that ended the waiting, taken out of those that are pending; None if it has not come."""
        found = next((n for n in self._pending if n.watch == blocked.watch and n.over), None)
        if found is not None:
            self._pending.remove(found)
        return found

    # -- inside ------------------------------------------------------------------------------------

    def _operate(
        self, name: str, *arguments: Term, owner: int = USER, waiting: tuple[str, str] | None = None
    ) -> Compound:
        """Carry an operation out: its outcome, a compound; its notices are handed on.

        If it watches or waits from now on, that is noted under what `waiting` says (the kind, and the query or name).
        """
        operation: Term = Compound(name, arguments) if arguments else name
        try:
            found = self._kb.once(
                "records:operate(Operation, Owner, Outcome, Notices)", {"Operation": operation, "Owner": owner},
                inferences=_NO_LIMIT,
            )
        except RuleError as error:
            if error.kind == "record_syntax":
                raise RecordError(error.kind, str(error)) from None
            raise
        assert found is not None
        outcome = _term(found["Outcome"])
        if waiting and outcome.name in ("watching", "blocked", "triggered") and isinstance(outcome.args[-1], int):
            number, lasting = outcome.args[-1], "lasting" in arguments or name in ("watch_existing", "subscribe")
            self._watches[number] = Watch(number, owner, waiting[0], waiting[1].strip(), lasting)
        self._hand_on([_notice(each) for each in found["Notices"]])
        if outcome.name == "failed":
            raise RecordError(str(outcome.args[0]), str(outcome.args[1]))
        return outcome

    def _hand_on(self, notices: list[Notice]) -> None:
        """To listeners, or to where `take` finds them; in order, also if a listener's own operations bring more."""
        self._handing_on.extend(notices)
        if self._handing:
            return
        self._handing = True
        try:
            while self._handing_on:
                notice = self._handing_on.popleft()
                if notice.over:
                    self._watches.pop(notice.watch, None)
                listener = self._listeners.get(notice.owner)
                if listener is None:
                    self._pending.append(notice)
                else:
                    listener(notice)
        finally:
            self._handing = False


def _record_or_blocked(outcome: Compound) -> Record | Blocked:
    """What `record(...)`, `granted(Record)` and their like, and `blocked(Watch)` stand for."""
    if outcome.name == "blocked":
        return Blocked(_integer(outcome.args[0]))
    return _record(outcome if outcome.name == "record" else _term(outcome.args[0]))


def _if(only: str, revision: int | None) -> Term:
    return only if revision is None else Compound("revision", (revision,))


def _term(value: Any) -> Compound:
    """An outcome as a compound, atoms too."""
    return value if isinstance(value, Compound) else Compound(str(value), ())


def _integer(value: Term) -> int:
    assert isinstance(value, int)
    return value


def _plain(outcome: Compound) -> Record | tuple[str, ...] | bool | RecordError:
    match outcome.name:
        case "failed":
            return RecordError(str(outcome.args[0]), str(outcome.args[1]))
        case "names":
            names = outcome.args[0]
            assert isinstance(names, list)
            return tuple(map(str, names))
        case "yes" | "no":
            return outcome.name == "yes"
        case _:
            return _record(outcome)


def _record(term: Compound) -> Record:
    name, attributes, owner, revision = term.args
    assert isinstance(attributes, list)
    return Record(
        str(name), dict(_attribute(each) for each in attributes if isinstance(each, Compound)),
        _integer(owner), _integer(revision),
    )


def _attribute(term: Compound) -> tuple[str, Value]:
    name, value = term.args
    assert isinstance(value, int | float | str)
    if isinstance(value, str) and not isinstance(value, Text) and value in ("true", "false"):
        return str(name), value == "true"
    return str(name), value


def _notice(term: Compound) -> Notice:
    watch, owner, event, record, over = term.args
    found = _record(record) if isinstance(record, Compound) else None
    return Notice(_integer(watch), _integer(owner), str(event), found, over == "true")  # type: ignore[arg-type]


def _written(value: Value) -> str:
    """A value as the record language has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Text):
        escaped = [
            "\\'" if char == "'" else "\\\\" if char == "\\" and value[i + 1 : i + 2] in ("", "'", "\\") else char
            for i, char in enumerate(value)
        ]
        return f"'{''.join(escaped)}'"
    return str(value)
