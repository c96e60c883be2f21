"""Records held against plain Python models under thousands of random operations, and what they promise one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from skb.engine import Engine
from skb.facts import Text
from skb.knowledge import KnowledgeBase
from skb.records import Blocked, Notice, Record, RecordError, Records, Trigger, Value

OWNERS = (0, 1, 2)


@pytest.fixture
def records(kb: KnowledgeBase) -> Iterator[Records]:
    found = Records(kb)
    found.clear()
    yield found
    found.clear()


# -- a model of records and watches: a dictionary, and queries as Python functions -------------------


@dataclass(frozen=True)
class Query:
    """A query in parts: a name (None for any), an expression for names, and conditions."""

    name: str | None
    expression: str | None
    conditions: tuple[tuple[str, str, Any], ...]

    def __str__(self) -> str:
        name = self.name or (f"r'{self.expression}'" if self.expression is not None else "_")
        return f"{name} {{ {', '.join(written(*each) for each in self.conditions)} }}"

    def matches(self, name: str, attributes: dict[str, Value]) -> bool:
        return (
            (self.name is None or self.name == name)
            and (self.expression is None or re.search(self.expression, name, re.ASCII) is not None)
            and all(a in attributes and holds(op, attributes[a], v) for a, op, v in self.conditions)
        )


def written(attribute: str, operator: str, value: Any) -> str:
    if operator == "any":
        return f"{attribute}: _"
    if operator == "matching":
        return f"{attribute}:r'{value}'"
    text = str(Record("x", {"a": value}))[len("x { a: ") : -len(" }")]
    return f"{attribute} {operator} {text}" if operator != ":" else f"{attribute}: {text}"


def holds(operator: str, held: Value, value: Any) -> bool:
    if operator == "any":
        return True
    if operator == "matching":
        return isinstance(held, str) and re.search(value, held, re.ASCII) is not None
    kinds = [bool if isinstance(v, bool) else str if isinstance(v, str) else float for v in (held, value)]
    if kinds[0] is not kinds[1]:
        return False
    compare: dict[str, Callable[[Any, Any], bool]] = {
        ":": lambda a, b: a == b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    }
    return (kinds[0] is not bool or operator in (":", "==", "!=")) and compare[operator](held, value)


def natural(name: str) -> list[Any]:
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", name)]


@dataclass
class Watching:
    owner: int
    query: Query
    events: tuple[str, ...]
    lasting: bool


@dataclass
class Model:
    """What records are: a dictionary, a counter a sequence, and a list of watches."""

    held: dict[str, tuple[dict[str, Value], int, int]] = field(default_factory=dict)
    watches: dict[int, Watching] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    revision: int = 0
    given: int = 0

    def names(self, query: Query) -> tuple[str, ...]:
        return tuple(sorted((n for n, (a, _, _) in self.held.items() if query.matches(n, a)), key=natural))

    def record(self, name: str) -> Record:
        attributes, owner, revision = self.held[name]
        return Record(name, attributes, owner, revision)

    def watch(self, owner: int, query: Query, events: tuple[str, ...], lasting: bool) -> int:
        self.given += 1
        self.watches[self.given] = Watching(owner, query, events, lasting)
        return self.given

    def fire(self, event: Any, record: Record) -> list[Notice]:
        told = []
        for number, each in sorted(self.watches.items()):
            if event in each.events and each.query.matches(record.name, dict(record.attributes)):
                told.append(Notice(number, each.owner, event, record, not each.lasting))
                if not each.lasting:
                    del self.watches[number]
        return told

    def set(self, name: str, attributes: dict[str, Value], owner: int) -> tuple[Record, list[Notice]]:
        self.revision += 1
        self.held[name] = (dict(sorted(attributes.items())), owner, self.revision)
        return self.record(name), self.fire("set", self.record(name))

    def sequential(self, base: str) -> str:
        while True:
            number = self.counters.get(base, -1) + 1
            self.counters[base] = number
            if f"{base}{number}" not in self.held:
                return f"{base}{number}"

    def delete(self, name: str) -> tuple[Record, list[Notice]]:
        record = self.record(name)
        del self.held[name]
        return record, self.fire("del", record)

    def died(self, owner: int) -> tuple[tuple[str, ...], list[Notice]]:
        self.watches = {n: w for n, w in self.watches.items() if w.owner != owner}
        names = sorted((n for n, held in self.held.items() if held[1] == owner), key=lambda n: self.held[n][2])
        return tuple(names), [notice for name in names for notice in self.delete(name)[1]]


VALUES = st.one_of(
    st.integers(-2, 3), st.sampled_from([0.5, 1.0, 2.0, -0.5]), st.booleans(), st.sampled_from(["a", "b", "truest"]),
    st.sampled_from([Text(t) for t in ("a", "b", "1", "", "it's", "true", "\\_SB_", "a\\", "ab\n")]),
)
NAMES = st.sampled_from(["x", "x2", "x10", "y.z", "y-1"])
ATTRIBUTES = st.dictionaries(st.sampled_from(["p", "q", "r"]), VALUES, max_size=3)
EXPRESSIONS = st.sampled_from(["^x", "[0-9]+$", "a|b", "^$", "y[.]|10", "."])
CONDITION = st.one_of(
    st.tuples(st.sampled_from(["p", "q", "r"]), st.sampled_from([":", "==", "!=", "<", "<=", ">", ">="]), VALUES),
    st.tuples(st.sampled_from(["p", "q", "r"]), st.just("any"), st.none()),
    st.tuples(st.sampled_from(["p", "q", "r"]), st.just("matching"), EXPRESSIONS),
)
QUERIES = st.builds(
    lambda kind, name, expression, conditions: Query(
        name if kind == "name" else None, expression if kind == "expression" else None, tuple(conditions)
    ),
    st.sampled_from(["name", "any", "expression"]), NAMES, EXPRESSIONS, st.lists(CONDITION, max_size=2),
)
EVENTS = st.sampled_from([("set",), ("del",), ("set", "del")])


def text_of(name: str, attributes: dict[str, Value], conditions: list[tuple[str, str, Any]]) -> str:
    return str(Query(name, None, (*((a, ":", v) for a, v in attributes.items()), *conditions)))


class RecordsMachine(RuleBasedStateMachine):
    """Every operation, asked of the records and of the model; outcomes and notices must be the same."""

    kb: KnowledgeBase

    @initialize()
    def boot(self) -> None:
        self.records = Records(self.kb)
        self.records.clear()
        self.model = Model()

    def told(self, expected: list[Notice]) -> None:
        assert list(self.records.take()) == expected

    @rule(name=NAMES, attributes=ATTRIBUTES, owner=st.sampled_from(OWNERS))
    def set(self, name: str, attributes: dict[str, Value], owner: int) -> None:
        record, notices = self.model.set(name, attributes, owner)
        assert self.records.set(text_of(name, attributes, []), owner=owner) == record
        self.told(notices)

    @rule(name=NAMES, attributes=ATTRIBUTES, conditions=st.lists(CONDITION.filter(lambda c: c[1] != ":"), min_size=1,
                                                                 max_size=2))
    def set_under_conditions(
        self, name: str, attributes: dict[str, Value], conditions: list[tuple[str, str, Any]]
    ) -> None:
        text = text_of(name, attributes, conditions)
        if self.model.names(Query(name, None, tuple(conditions))):
            record, notices = self.model.set(name, attributes, 0)
            assert self.records.set(text) == record
            self.told(notices)
        else:
            self.fails("mismatch", lambda: self.records.set(text))

    @rule(name=NAMES, attributes=ATTRIBUTES, only=st.sampled_from(["new", "existing"]))
    def set_new_or_existing(self, name: str, attributes: dict[str, Value], only: Any) -> None:
        text = text_of(name, attributes, [])
        if (name in self.model.held) == (only == "existing"):
            record, notices = self.model.set(name, attributes, 0)
            assert self.records.set(text, only=only) == record
            self.told(notices)
        else:
            self.fails("exists" if only == "new" else "no_record", lambda: self.records.set(text, only=only))

    @rule(name=NAMES, attributes=ATTRIBUTES, stale=st.integers(0, 1))
    def set_if_unchanged(self, name: str, attributes: dict[str, Value], stale: int) -> None:
        held = self.model.held.get(name)
        revision, text = (held[2] if held else 1) - stale, text_of(name, attributes, [])
        if held and not stale:
            record, notices = self.model.set(name, attributes, 0)
            assert self.records.set(text, revision=revision) == record
            self.told(notices)
        else:
            self.fails("mismatch" if held else "no_record", lambda: self.records.set(text, revision=revision))

    @rule(base=st.sampled_from(["x", "y.", "n"]), attributes=ATTRIBUTES, owner=st.sampled_from(OWNERS))
    def set_sequential(self, base: str, attributes: dict[str, Value], owner: int) -> None:
        record, notices = self.model.set(self.model.sequential(base), attributes, owner)
        assert self.records.set(text_of(base, attributes, []), owner=owner, sequential=True) == record
        self.told(notices)

    @rule(name=NAMES, conditions=st.lists(CONDITION, max_size=1))
    def delete(self, name: str, conditions: list[tuple[str, str, Any]]) -> None:
        query = Query(name, None, tuple(conditions))
        if self.model.names(query):
            record, notices = self.model.delete(name)
            assert self.records.delete(str(query)) == record
            self.told(notices)
        else:
            self.fails("no_record", lambda: self.records.delete(str(query)))

    @rule(query=QUERIES)
    def look(self, query: Query) -> None:
        names = self.model.names(query)
        assert self.records.names(str(query)) == names
        assert self.records.exist(str(query)) == bool(names)
        if names:
            assert self.records.get(str(query)) == self.model.record(names[0])
        else:
            self.fails("no_record", lambda: self.records.get(str(query)))

    @rule(query=QUERIES, owner=st.sampled_from(OWNERS))
    def wait_for(self, query: Query, owner: int) -> None:
        names = self.model.names(query)
        expected = self.model.record(names[0]) if names else Blocked(self.model.watch(owner, query, ("set",), False))
        assert self.records.wait_for(str(query), owner=owner) == expected

    @rule(query=QUERIES, events=EVENTS, lasting=st.booleans(), owner=st.sampled_from(OWNERS))
    def watch(self, query: Query, events: tuple[str, ...], lasting: bool, owner: int) -> None:
        number = self.model.watch(owner, query, events, lasting)
        assert self.records.watch(str(query), events, lasting=lasting, owner=owner) == number

    @rule(query=QUERIES, owner=st.sampled_from(OWNERS))
    def watch_existing(self, query: Query, owner: int) -> None:
        number = self.model.watch(owner, query, ("set", "del"), True)
        assert self.records.watch_existing(str(query), owner=owner) == number
        self.told([Notice(number, owner, "set", self.model.record(n), False) for n in self.model.names(query)])

    @rule(query=QUERIES, events=EVENTS, lasting=st.booleans(), when=st.sampled_from(["always", "ok", "no_record"]),
          operation=st.sampled_from(["get", "names", "exist"]))
    def trigger(self, query: Query, events: tuple[str, ...], lasting: bool, when: str, operation: Any) -> None:
        found = self.model.names(query)
        installed = when == "always" or (when == "ok") == bool(found)
        number = self.model.watch(0, query, events, lasting) if installed else None
        done = self.records.triggered(operation, str(query), Trigger(when, events, lasting))
        assert done.watch == number
        if operation == "names":
            assert done.outcome == found
        elif operation == "exist":
            assert done.outcome == bool(found)
        elif found:
            assert done.outcome == self.model.record(found[0])
        else:
            assert isinstance(done.outcome, RecordError)
            assert done.outcome.kind == "no_record"

    @rule(query=QUERIES, owner=st.sampled_from(OWNERS))
    def subscribe(self, query: Query, owner: int) -> None:
        assert self.records.subscribe(str(query), owner=owner) == self.model.watch(owner, query, ("publish",), True)

    @rule(name=NAMES, attributes=ATTRIBUTES)
    def publish(self, name: str, attributes: dict[str, Value]) -> None:
        notices = self.model.fire("publish", Record(name, dict(sorted(attributes.items()))))
        assert self.records.publish(text_of(name, attributes, [])) == len(notices)
        self.told(notices)

    @precondition(lambda self: self.model.watches)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.watches)))
        owner = self.model.watches.pop(number).owner
        self.fails("no_watch", lambda: self.records.remove(number, owner=owner + 1))
        self.records.remove(number, owner=owner)
        self.told([Notice(number, owner, "removed", None, True)])

    @rule(owner=st.sampled_from(OWNERS[1:]))
    def owner_died(self, owner: int) -> None:
        names, notices = self.model.died(owner)
        assert self.records.owner_died(owner) == names
        self.told(notices)

    def fails(self, kind: str, operation: Callable[[], object]) -> None:
        with pytest.raises(RecordError) as failed:
            operation()
        assert failed.value.kind == kind
        assert self.records.take() == ()

    @invariant()
    def the_same_is_watched(self) -> None:
        if hasattr(self, "model"):
            assert [(w.number, w.owner) for w in self.records.watches()] == [
                (n, w.owner) for n, w in sorted(self.model.watches.items())
            ]


MANY = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def test_records_are_a_dictionary_that_tells_of_its_changes(kb: KnowledgeBase) -> None:
    """3,200 random operations, in sequences of 40."""
    RecordsMachine.kb = kb
    run_state_machine_as_test(RecordsMachine, settings=MANY)


# -- a model of locks, barriers and semaphores: queues -----------------------------------------------


@dataclass
class Place:
    """A domain in a queue; `ticket` while it waits."""

    owner: int
    ticket: int | None


BARRIERS = {"b": 2, "c": 3}


class CoordinationMachine(RuleBasedStateMachine):
    """Locks, barriers and semaphores under deaths and second thoughts; whoever is to be told is told, once."""

    kb: KnowledgeBase
    domains = st.sampled_from([1, 2, 3, 4])

    @initialize()
    def boot(self) -> None:
        self.records = Records(self.kb)
        self.records.clear()
        self.locks: dict[str, list[Place]] = {"l": [], "m": []}
        self.inside: dict[str, list[Place]] = {"b": [], "c": []}
        self.open = {"b": False, "c": False}
        self.leaving: dict[str, list[Place]] = {"b": [], "c": []}
        self.semaphore = self.records.new_semaphore(1)
        self.tokens = 1
        self.acquiring: list[Place] = []

    def told(self, *expected: tuple[Place, str]) -> None:
        """Those and no others are told; none waits any longer."""
        notices = [(n.watch, n.owner, n.event, n.over) for n in self.records.take()]
        assert sorted(notices) == sorted((p.ticket, p.owner, event, True) for p, event in expected)
        for place, _ in expected:
            place.ticket = None

    def ticket(self, outcome: Record | Blocked | None, waits: bool) -> int | None:
        assert isinstance(outcome, Blocked) == waits
        return outcome.watch if isinstance(outcome, Blocked) else None

    @rule(name=st.sampled_from(["l", "m"]), owner=domains)
    def lock(self, name: str, owner: int) -> None:
        line = self.locks[name]
        line.append(Place(owner, self.ticket(self.records.lock(name, owner=owner), bool(line))))

    @rule(name=st.sampled_from(["l", "m"]), owner=domains)
    def unlock(self, name: str, owner: int) -> None:
        line = self.locks[name]
        if not line or line[0].owner != owner:
            with pytest.raises(RecordError, match="lock"):
                self.records.unlock(name, owner=owner)
            return
        self.records.unlock(name, owner=owner)
        line.pop(0)
        self.told(*((place, "granted") for place in line[:1]))

    @rule(name=st.sampled_from(["b", "c"]), owner=domains)
    def enter(self, name: str, owner: int) -> None:
        inside = self.inside[name]
        opens = not self.open[name] and len(inside) + 1 == BARRIERS[name]
        outcome = self.records.enter(name, BARRIERS[name], owner=owner)
        place = Place(owner, self.ticket(outcome, not (opens or self.open[name])))
        if opens:
            self.open[name] = True
            self.told(*((each, "opened") for each in inside))
        inside.append(place)

    @rule(name=st.sampled_from(["b", "c"]), owner=domains)
    def leave(self, name: str, owner: int) -> None:
        inside = self.inside[name]
        mine = next((place for place in inside if place.owner == owner), None)
        if mine is None:
            with pytest.raises(RecordError, match="has not entered"):
                self.records.leave(name, owner=owner)
            return
        inside.remove(mine)
        ticket = self.ticket(self.records.leave(name, owner=owner), self.open[name] and bool(inside))
        if not self.open[name]:
            self.told((mine, "removed"))
        elif inside:
            self.leaving[name].append(Place(owner, ticket))
        else:
            self.told(*self.closed(name))

    def closed(self, name: str) -> list[tuple[Place, str]]:
        if self.inside[name] or not self.open[name]:
            return []
        gone, self.leaving[name], self.open[name] = self.leaving[name], [], False
        return [(place, "left") for place in gone]

    @rule()
    def post(self) -> None:
        self.records.post(self.semaphore)
        if self.acquiring:
            self.told((self.acquiring.pop(0), "acquired"))
        else:
            self.tokens += 1

    @rule(owner=domains)
    def acquire(self, owner: int) -> None:
        ticket = self.ticket(self.records.acquire(self.semaphore, owner=owner), self.tokens == 0)
        if ticket is None:
            self.tokens -= 1
        else:
            self.acquiring.append(Place(owner, ticket))

    @rule()
    def try_acquire(self) -> None:
        assert (self.records.try_acquire(self.semaphore) is not None) == (self.tokens > 0)
        self.tokens = max(0, self.tokens - 1)

    def queues(self) -> list[list[Place]]:
        return [*self.locks.values(), *self.inside.values(), *self.leaving.values(), self.acquiring]

    @precondition(lambda self: any(p.ticket for queue in self.queues() for p in queue))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiting = [(queue, p) for queue in self.queues() for p in queue if p.ticket]
        queue, place = data.draw(st.sampled_from(waiting))
        self.records.remove(place.ticket or 0, owner=place.owner)
        queue.remove(place)
        self.told((place, "removed"))

    @rule(owner=domains)
    def die(self, owner: int) -> None:
        for queue in self.queues():
            queue[:] = [place for place in queue if place.owner != owner]
        self.records.owner_died(owner)
        granted = [(line[0], "granted") for line in self.locks.values() if line and line[0].ticket]
        self.told(*granted, *(each for name in BARRIERS for each in self.closed(name)))

    @invariant()
    def records_show_who_is_where(self) -> None:
        if not hasattr(self, "acquiring"):
            return
        for name, line in self.locks.items():
            held = [self.records.get(n).owner for n in self.records.names(f"_ {{ lock: '{name}' }}")]
            assert held == [place.owner for place in line]
        for name, inside in self.inside.items():
            entered = [self.records.get(n).owner for n in self.records.names(f"_ {{ barrier: '{name}' }}")]
            assert entered == [place.owner for place in inside]
            assert self.records.exist(name) == self.open[name]
        assert len(self.records.names(f"_ {{ sem: {self.semaphore} }}")) == self.tokens
        assert {w.number for w in self.records.watches()} == {p.ticket for q in self.queues() for p in q if p.ticket}


def test_locks_barriers_and_semaphores_are_queues_that_survive_deaths(kb: KnowledgeBase) -> None:
    """3,200 random operations, in sequences of 40."""
    CoordinationMachine.kb = kb
    run_state_machine_as_test(CoordinationMachine, settings=MANY)


# -- one by one --------------------------------------------------------------------------------------

ANY_VALUE = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
    st.from_regex(r"[a-z][A-Za-z0-9._-]*", fullmatch=True).filter(lambda name: name not in ("true", "false")),
    st.text(st.characters(exclude_categories=["Cs"])).map(Text),
)


@given(attributes=st.dictionaries(st.from_regex(r"[a-z][A-Za-z0-9._-]*", fullmatch=True), ANY_VALUE, max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_record_reads_back_as_it_is_written(attributes: dict[str, Value]) -> None:
    records = Records(KnowledgeBase(Engine.start()))
    records.clear()
    text = str(Record("x", attributes))
    stored = records.set(text)
    assert stored.attributes == attributes
    assert {n: type(v) for n, v in stored.attributes.items()} == {n: type(v) for n, v in attributes.items()}
    assert records.set(str(stored)).attributes == attributes
    assert records.names(text) == ("x",), "a record is found by all its attributes"


EXPRESSION = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "^", "$", r"\b", r"\w", r"\d", "[a-c1]", r"\.", ""]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])).map(
            lambda two: f"(?:{two[0]}){two[1]}"
        ),
    ),
    max_leaves=8,
)


@given(expression=EXPRESSION, texts=st.lists(st.text("ab1. c", max_size=8), min_size=8, max_size=8))
@settings(max_examples=150, deadline=None)
def test_expressions_match_what_python_s_match(expression: str, texts: list[str]) -> None:
    engine = Engine.start()
    for text in texts:
        found = engine.once("regular_expression:matches(E, T)", {"E": expression, "T": Text(text)})
        assert (found is not None) == bool(re.search(expression, text, re.ASCII)), (expression, text)


def test_a_lease_is_whose_setting_was_last(records: Records) -> None:
    records.set("service.fs { iref: 1 }", owner=1)
    records.set("service.fs { iref: 2 }", owner=2)
    assert records.owner_died(1) == ()
    assert records.get("service.fs").attributes == {"iref": 2}
    assert records.owner_died(2) == ("service.fs",)


def test_a_conditional_set_lets_one_of_two_have_its_way(records: Records) -> None:
    """Compare and set: both read, both write, the second is refused and reads again."""
    first = records.set("counter { n: 1 }")
    records.set("counter { n: 2 }", revision=first.revision)
    with pytest.raises(RecordError, match="record counter has changed: it is at revision 2, not 1") as refused:
        records.set("counter { n: 2 }", revision=first.revision)
    assert refused.value.kind == "mismatch"
    assert records.get("counter").attributes == {"n": 2}


def test_what_listeners_do_is_told_after_what_they_hear(records: Records) -> None:
    """A listener that sets a record causes notices of its own; nobody hears of the effect before the cause."""
    heard: list[tuple[int, str]] = []

    def answer(notice: Notice) -> None:
        assert notice.record
        heard.append((1, notice.record.name))
        if notice.record.name == "question":
            records.set("answer", owner=1)

    records.listen(1, answer)
    records.listen(2, lambda notice: heard.append((2, notice.record.name if notice.record else "")))
    for owner in (1, 2):
        records.watch("_", ["set"], lasting=True, owner=owner)
    records.set("question")
    assert heard == [(1, "question"), (2, "question"), (1, "answer"), (2, "answer")]
    assert records.take() == ()


def test_what_is_malformed_changes_nothing(records: Records) -> None:
    records.set("x { n: 1 }")
    for operation in (records.set, records.get, records.delete, records.watch, records.publish, records.lock):
        with pytest.raises(RecordError, match="line 1, column 9: expected , or }, found the end") as refused:
            operation("x { n: 2")
        assert refused.value.kind == "record_syntax"
    assert records.get("x").attributes == {"n": 1}
    assert records.watches() == ()


def test_counts_that_make_no_sense_are_refused(records: Records) -> None:
    with pytest.raises(RecordError, match="at least one"):
        records.enter("b", 0)
    with pytest.raises(RecordError, match="0 or more"):
        records.new_semaphore(-1)
    with pytest.raises(RecordError, match="no semaphore 7"):
        records.post(7)


def test_goals_and_rules_see_records(records: Records, kb: KnowledgeBase) -> None:
    records.set("job.1 { weight: 20, name: 'first' }")
    assert kb.ask("record_attribute(Name, weight, W), W > 10").answers == [{"Name": "job.1", "W": 20}]
    (answer,) = kb.ask("record('job.1', Attributes), member(name=N, Attributes)").answers
    assert answer["N"] == Text("first")


def test_records_are_found_by_name_and_value_without_a_search(records: Records, kb: KnowledgeBase) -> None:
    for number in range(2000):
        records.set(f"job.{number} {{ weight: {number} }}")
    scan = _inferences(kb, lambda: records.names("_ { weight > 1990 }"))
    for operation in (lambda: records.get("job.777"), lambda: records.get("_ { weight: 777 }"),
                      lambda: records.set("job.777 { weight: 0 }"), lambda: records.delete("job.778")):
        assert 50 * _inferences(kb, operation) < scan


def _inferences(kb: KnowledgeBase, operation: Callable[[], object]) -> int:
    before = kb.engine.inferences
    operation()
    return kb.engine.inferences - before
