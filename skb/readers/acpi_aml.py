"""AML, the byte code of DSDT and SSDTs: its namespace, and the methods that only compute.

A part of the ACPI reader (acpi.py): `acpi_routing.py` asks it what the firmware says of PCI roots. `Namespace.load`
defines what the tables define; `Namespace.evaluate` gives the value of an object, a method being run for it.
There is no hardware here: what a register holds is UNKNOWN, whatever is computed from it too, and a method
that must decide by it has no value (AmlError), as has one that takes too long or goes too deep. Source: ACPI
specification 6.5 §20.2 (encoding), §19.6 (what the operators do), §5.3 (names).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from skb.readers.acpi_aml_code import FIELD_BITS, INTEGERS, LEADS, OTHERS, SCOPES, Code
from skb.readers.acpi_aml_objects import (
    UNKNOWN,
    AmlError,
    BufferField,
    Method,
    Name,
    Path,
    Place,
    Scope,
    Unknown,
    bits_of,
    number_of,
    text_of,
)

STEPS = 300_000
"""Terms that loading all tables and evaluating all that is asked for may take; firmware takes some thousands."""
_DEEPEST = 60  # terms within terms
_DEEPEST_CALL = 16
_LONGEST = 1 << 20  # elements of a package, bytes of a buffer


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


@dataclass(slots=True)
class Namespace:
    """Every object by its path."""

    objects: dict[Path, Any] = field(default_factory=dict)
    steps: int = STEPS
    mask: int = (1 << 64) - 1

    def load(self, code: bytes, revision: int) -> None:
        """Defines what a table's code (without its header) defines; a block that makes no sense ends early."""
        run = _Run(code, 0, len(code), (), self, loading=True)
        self.mask = run.mask = _mask(revision)
        with suppress(_Return, _Break, _Continue):
            run.block(len(code))

    def evaluate(self, path: Path, *arguments: int) -> Any:
        """The value of an object: int, str, bytearray, list, UNKNOWN, Name; raises AmlError if it has none."""
        if path not in self.objects:
            raise AmlError(f"no {text_of(path)}")
        try:
            return self.call(self.objects[path], list(arguments), 0)
        except (_Break, _Continue):
            raise AmlError("break outside of a loop") from None

    def call(self, value: Any, arguments: list[Any], depth: int) -> Any:
        """The value itself, or what a method returns."""
        if isinstance(value, BufferField):
            return bits_of(value)
        if not isinstance(value, Method):
            return value
        if depth >= _DEEPEST_CALL:
            raise AmlError("methods call each other too deep")
        padded = [*arguments, *([0] * (7 - len(arguments)))]
        run = _Run(value.code, value.start, value.end, value.scope, self, padded, calls=depth + 1)
        run.mask = self.mask
        try:
            run.block(value.end)
        except _Return as result:
            return result.value
        return 0

    def find(self, name: Name) -> Path | None:
        """The path of what a name names: a single segment is searched upwards (§5.3)."""
        scope = name.scope
        while True:
            path = (*scope, *name.path)
            if path in self.objects:
                return path
            if not name.search or not scope:
                return None
            scope = scope[:-1]


def _mask(revision: int) -> int:
    """Numbers had 32 bits before revision 2 of the DSDT."""
    return (1 << 64) - 1 if revision >= 2 else (1 << 32) - 1


_TWO: dict[int, Callable[[int, int], int]] = {
    0x72: operator.add, 0x74: operator.sub, 0x77: operator.mul, 0x79: lambda a, b: a << b if b < 64 else 0,
    0x7A: lambda a, b: a >> b, 0x7B: operator.and_, 0x7C: lambda a, b: ~(a & b), 0x7D: operator.or_,
    0x7E: lambda a, b: ~(a | b), 0x7F: operator.xor, 0x85: lambda a, b: a % b if b else 0,
}  # fmt: skip
_COMPARE: dict[int, Callable[[int, int], bool]] = {
    0x90: lambda a, b: bool(a and b), 0x91: lambda a, b: bool(a or b), 0x93: operator.eq,
    0x94: operator.gt, 0x95: operator.lt,
}  # fmt: skip


@dataclass(slots=True)
class _Run(Code):
    """One pass over code: a table being loaded, or a method being run."""

    space: Namespace
    arguments: list[Any] = field(default_factory=lambda: [0] * 7)
    locals: list[Any] = field(default_factory=lambda: [0] * 8)
    calls: int = 0
    depth: int = 0
    loading: bool = False
    mask: int = (1 << 64) - 1

    def block(self, end: int) -> None:
        """The terms up to `end`. While loading, what makes no sense is passed over with the rest of its block."""
        outer, self.end = self.end, end
        try:
            while self.at < end:
                self.term()
        except AmlError:
            if not self.loading:
                raise
        finally:
            self.at, self.end = end, outer

    def spend(self, depth: int) -> None:
        self.space.steps -= 1
        if depth > _DEEPEST or self.space.steps < 0:
            raise AmlError("too deep or too long")

    def define(self, value: Any) -> None:
        name = self.name()
        self.space.objects[(*name.scope, *name.path)] = value

    def number(self) -> int | Unknown:
        return number_of(self.value())

    def value(self) -> Any:
        """A term's value; a place stands for what it holds."""
        found = self.term()
        return self.held(found) if isinstance(found, Place) else found

    def held(self, place: Place) -> Any:
        try:
            return place.container[place.key]
        except (KeyError, IndexError):
            raise AmlError("nothing is there") from None

    def place(self) -> Place:
        """A place to store to; the null name is one that nobody reads."""
        lead = self.code[self.at] if self.at < self.end else 0
        if lead == 0x00:
            self.byte()
            return Place({}, 0)
        if 0x60 <= lead <= 0x67:
            return Place(self.locals, self.byte() - 0x60)
        if 0x68 <= lead <= 0x6E:
            return Place(self.arguments, self.byte() - 0x68)
        if lead in LEADS:
            path = self.space.find(self.name())
            return Place(self.space.objects, path) if path is not None else Place({}, 0)
        found = self.term()
        return found if isinstance(found, Place) else Place({}, 0)

    def store(self, value: Any, place: Place) -> None:
        held = place.container.get(place.key) if isinstance(place.container, dict) else None
        if isinstance(held, BufferField):
            number = number_of(value)
            if isinstance(number, Unknown):
                raise AmlError("a buffer gets what only the hardware knows")
            whole = int.from_bytes(held.buffer, "little")
            cleared = whole & ~((1 << held.width) - 1 << held.start)
            piece = (number & (1 << held.width) - 1) << held.start
            held.buffer[:] = (cleared | piece).to_bytes(len(held.buffer), "little")
        elif isinstance(place.container, bytearray):
            number = number_of(value)
            if isinstance(number, Unknown) or not 0 <= place.key < len(place.container):
                raise AmlError("no such byte of a buffer")
            place.container[place.key] = number & 0xFF
        elif not isinstance(held, Method | Scope):
            try:
                place.container[place.key] = self.copied(value, 0)
            except IndexError:
                raise AmlError("no such element of a package") from None

    def copied(self, value: Any, depth: int) -> Any:
        self.spend(depth)
        if isinstance(value, list):
            return [self.copied(each, depth + 1) for each in value]
        return bytearray(value) if isinstance(value, bytearray) else value

    def term(self) -> Any:
        """One term of any kind: what it evaluates to, 0 for what has no value."""
        self.depth += 1
        self.spend(self.depth)
        try:
            return self.evaluated()
        finally:
            self.depth -= 1

    def evaluated(self) -> Any:
        if self.at < self.end and self.code[self.at] in LEADS:
            return self.invoke(self.name())
        code = self.opcode()
        if code in (0x00, 0x01, 0xFF):
            return {0: 0, 1: 1}.get(code, self.mask)
        if code in INTEGERS:
            return int.from_bytes(self.take(INTEGERS[code]), "little")
        if 0x60 <= code <= 0x67:
            return self.locals[code - 0x60]
        if 0x68 <= code <= 0x6E:
            return self.arguments[code - 0x68]
        if code in _TWO:
            return self.computed(_TWO[code], self.number(), self.number(), self.place())
        if code in _COMPARE:
            return self.compared(_COMPARE[code], self.value(), self.value())
        if code in OTHERS:
            terms, places = OTHERS[code]
            for _ in range(terms):
                self.value()
            for _ in range(places):
                self.store(UNKNOWN, self.place())
            return UNKNOWN
        if code in SCOPES:
            return self.hold(*SCOPES[code])
        if code in FIELD_BITS or code == 0x5B13:
            return self.field_of(code)
        handler = _HANDLERS.get(code)
        if handler is None:
            raise AmlError(f"operator {code:#x} is not known")
        return handler(self)

    def computed(self, compute: Callable[[int, int], int], a: Any, b: Any, place: Place) -> Any:
        unknown = isinstance(a, Unknown) or isinstance(b, Unknown)
        result = UNKNOWN if unknown else compute(a, b) & self.mask
        self.store(result, place)
        return result

    def compared(self, compare: Callable[[int, int], bool], a: Any, b: Any) -> Any:
        if not (isinstance(a, str) and isinstance(b, str)):
            a, b = number_of(a), number_of(b)
        if isinstance(a, Unknown) or isinstance(b, Unknown):
            return UNKNOWN
        return self.mask if compare(a, b) else 0

    def invoke(self, name: Name) -> Any:
        path = self.space.find(name)
        if path is None and name.path == ("_OSI",):  # operating systems claim to be every Windows (§5.7.2)
            claimed = self.value()
            return self.mask if isinstance(claimed, str) and claimed.startswith("Windows") else 0
        if path is None:
            return UNKNOWN
        found = self.space.objects[path]
        if isinstance(found, Method):
            given = [self.value() for _ in range(found.arguments)]
            return self.space.call(found, given, self.calls)
        return name if isinstance(found, Scope) else self.space.call(found, [], self.calls)

    def hold(self, kind: str, between: int) -> int:
        end = self.package_end()
        name = self.name()
        self.take(between)
        path = (*name.scope, *name.path)
        if kind:
            self.space.objects[path] = Scope(kind)
        else:
            path = self.space.find(name) or path
        outer, self.scope = self.scope, path
        self.block(end)
        self.scope = outer
        return 0

    def field_of(self, code: int) -> int:
        buffer, index = self.value(), self.number()
        bits = self.number() if code == 0x5B13 else FIELD_BITS[code]
        if not isinstance(buffer, bytearray) or not isinstance(index, int) or not isinstance(bits, int):
            self.define(UNKNOWN)
            return 0
        start = index if code in (0x8D, 0x5B13) else index * 8
        if start + bits > 8 * len(buffer):
            raise AmlError("a field outside of its buffer")
        self.define(BufferField(buffer, start, bits))
        return 0


def _alias(run: _Run) -> int:
    source, alias = run.space.find(run.name()), run.name()
    run.space.objects[(*alias.scope, *alias.path)] = run.space.objects[source] if source else UNKNOWN
    return 0


def _named(run: _Run) -> int:
    name = run.name()
    run.space.objects[(*name.scope, *name.path)] = run.value()
    return 0


def _string(run: _Run) -> str:
    end = run.code.find(b"\0", run.at, run.end)
    if end < 0:
        raise AmlError("a string without end")
    return run.take(end + 1 - run.at)[:-1].decode("latin-1")


def _buffer(run: _Run) -> bytearray | Unknown:
    end = run.package_end()
    size = run.number()
    found = run.code[run.at : end]
    run.at = end
    if isinstance(size, Unknown):
        return size
    if size > _LONGEST:
        raise AmlError(f"a buffer of {size} bytes")
    return bytearray(found[:size].ljust(size, b"\0"))


def _package(run: _Run, *, variable: bool = False) -> list[Any]:
    """Names in a package are not looked up until it is used: they may be defined later."""
    end = run.package_end()
    count = run.number() if variable else run.byte()
    if not isinstance(count, int) or count > _LONGEST:
        raise AmlError("a package of unknown length")
    found: list[Any] = []
    while run.at < end:
        found.append(run.name() if run.code[run.at] in LEADS else run.value())
    run.at = end
    run.space.steps -= count // 16
    return [*found, *([0] * (count - len(found)))]


def _method(run: _Run) -> int:
    end = run.package_end()
    name = run.name()
    path, flags = (*name.scope, *name.path), run.byte()
    run.space.objects[path] = Method(run.code, run.at, end, flags & 7, path)
    run.at = end
    return 0


def _external(run: _Run) -> int:
    run.name()
    run.take(2)
    return 0


def _store(run: _Run) -> Any:
    value = run.value()
    run.store(value, run.place())
    return value


def _step(run: _Run, by: int) -> Any:
    place = run.place()
    return run.computed(operator.add, number_of(run.held(place)), by, place)


def _divide(run: _Run) -> Any:
    a, b = run.number(), run.number()
    run.computed(_TWO[0x85], a, b, run.place())
    return run.computed(lambda x, y: x // y if y else 0, a, b, run.place())


def _not(run: _Run) -> Any:
    return run.computed(operator.xor, run.number(), run.mask, run.place())


def _dereferenced(run: _Run) -> Any:
    found = run.value()
    if not isinstance(found, Name):
        return found
    path = run.space.find(found)
    return UNKNOWN if path is None else run.space.call(run.space.objects[path], [], run.calls)


def _size(run: _Run) -> int | Unknown:
    found = run.value()
    return len(found) if isinstance(found, list | bytearray | str) else UNKNOWN


def _index(run: _Run) -> Any:
    source, index = run.value(), run.number()
    place = Place(source, index) if isinstance(source, list | bytearray) and isinstance(index, int) else UNKNOWN
    target = run.place()
    if isinstance(place, Place):
        run.store(run.held(place), target)
    return place


def _match(run: _Run) -> Unknown:
    for comparison in (False, True, False, True, False, False):
        if comparison:
            run.byte()
        run.value()
    return UNKNOWN


def _logical_not(run: _Run) -> Any:
    found = run.number()
    return found if isinstance(found, Unknown) else 0 if found else run.mask


def _integer(run: _Run) -> Any:
    return run.computed(operator.add, run.number(), 0, run.place())


def _if(run: _Run) -> int:
    end = run.package_end()
    condition = run.number()
    if isinstance(condition, Unknown) and not run.loading:
        raise AmlError("a decision by what only the hardware knows")
    if condition and not isinstance(condition, Unknown):
        run.block(end)
    run.at = end
    if run.at < run.end and run.code[run.at] == 0xA1:
        run.byte()
        end = run.package_end()
        if not condition:
            run.block(end)
        run.at = end
    return 0


def _while(run: _Run) -> int:
    end = run.package_end()
    start = run.at
    while True:
        run.at = start
        condition = run.number()
        if isinstance(condition, Unknown):
            raise AmlError("a decision by what only the hardware knows")
        if not condition:
            break
        try:
            run.block(end)
        except _Continue:
            continue
        except _Break:
            break
    run.at = end
    return 0


def _return(run: _Run) -> Any:
    raise _Return(run.value() if run.at < run.end else 0)


def _raise(what: type[Exception]) -> Callable[[_Run], Any]:
    def leave(run: _Run) -> Any:
        raise what

    return leave


def _declared(*parts: str) -> Callable[[_Run], int]:
    """A declaration of what only the hardware has: its name, then bytes (b) and terms (t)."""

    def declare(run: _Run) -> int:
        run.define(UNKNOWN)
        for part in parts:
            run.byte() if part == "b" else run.value()
        return 0

    return declare


def _acquire(run: _Run) -> int:
    run.place()
    run.take(2)
    return 0


def _fatal(run: _Run) -> Any:
    raise AmlError("the firmware gives up")


def _fields(run: _Run, names: int, *, banked: bool = False) -> int:
    """The named bits of a register or of memory; what they hold is unknown until something is stored."""
    end = run.package_end()
    for _ in range(names):
        run.name()
    if banked:
        run.value()
    run.byte()
    while run.at < end:
        lead = run.code[run.at]
        if lead in (0x01, 0x03):
            run.take(3 if lead == 0x01 else 4)
        elif lead == 0x02:
            run.byte()
            run.value()
        else:
            if lead == 0x00:
                run.byte()
            else:
                run.space.objects.setdefault((*run.scope, run.take(4).decode("latin-1")), UNKNOWN)
            run.take(run.byte() >> 6)  # how many bits, as a PkgLength
    run.at = end
    return 0


_HANDLERS: dict[int, Callable[[_Run], Any]] = {
    0x06: _alias, 0x08: _named, 0x0D: _string, 0x11: _buffer, 0x12: _package,
    0x13: lambda run: _package(run, variable=True), 0x14: _method, 0x15: _external, 0x70: _store,
    0x75: lambda run: _step(run, 1), 0x76: lambda run: _step(run, -1), 0x78: _divide, 0x80: _not,
    0x83: _dereferenced, 0x87: _size, 0x88: _index, 0x89: _match, 0x92: _logical_not, 0x99: _integer,
    0x9F: _raise(_Continue), 0xA0: _if, 0xA2: _while, 0xA4: _return, 0xA5: _raise(_Break),
    0x5B01: _declared("b"), 0x5B02: _declared(), 0x5B23: _acquire, 0x5B32: _fatal,
    0x5B80: _declared("b", "t", "t"), 0x5B88: _declared("t", "t", "t"),
    0x5B81: lambda run: _fields(run, 1), 0x5B86: lambda run: _fields(run, 2),
    0x5B87: lambda run: _fields(run, 2, banked=True),
}  # fmt: skip
