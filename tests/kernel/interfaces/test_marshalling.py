"""Marshalling: what is put into a transport's messages comes out again, in as many as Barrelfish's stubs need."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.capabilities.cspace import Address
from kernel.errors import KernelError
from kernel.interfaces.compiler import compiled, source
from kernel.interfaces.language import (
    Alias,
    Argument,
    Array,
    Builtin,
    Enumeration,
    Interface,
    Message,
    Struct,
    StructField,
    written,
)
from kernel.interfaces.layout import Wire
from kernel.interfaces.marshalling import Assembly, Received, fragments
from kernel.interfaces.parser import parse
from kernel.messaging.channel import Fragment
from kernel.messaging.errors import MessageError, MessageErrorCode
from kernel.messaging.transport import Transport

UMP = Transport("ump", 7, 8, True)
LMP = Transport("lmp", 10, 8, False, True)
SCC = Transport("scc", 7, 4, True)
TRANSPORTS = st.one_of(
    st.sampled_from([UMP, LMP, SCC]),
    st.builds(Transport, st.just("any"), st.integers(2, 12), st.sampled_from([4, 8]), st.booleans()),
).filter(lambda each: each.payload_bytes >= 8)


# -- any interface ---------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}x", fullmatch=True)
SCALARS = st.sampled_from(["uint8", "int16", "uint32", "int64", "bool", "char", "iref", "errval"])


@st.composite
def interfaces(draw: st.DrawFn) -> Interface:
    """An interface with types that use one another, and messages of every kind."""
    names = iter(draw(st.lists(NAMES, min_size=40, max_size=40, unique=True)))
    types: list[Alias | Array | Enumeration | Struct] = []
    for _ in range(draw(st.integers(0, 4))):
        of = st.one_of(SCALARS, *([st.sampled_from([each.name for each in types])] if types else []))
        kind = draw(st.integers(0, 3))
        if kind == 0:
            types.append(Alias(next(names), draw(of)))
        elif kind == 1:
            types.append(Array(next(names), draw(of), draw(st.integers(1, 4))))
        elif kind == 2:
            types.append(Enumeration(next(names), ("red", "green", "blue")[: draw(st.integers(1, 3))]))
        else:
            fields = tuple(StructField(draw(of), f"field{n}") for n in range(draw(st.integers(1, 3))))
            types.append(Struct(next(names), fields))
    of = st.one_of(SCALARS, *([st.sampled_from([each.name for each in types])] if types else []))
    messages = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["message", "call", "response", "rpc"]))
        arguments = []
        for number in range(draw(st.integers(0, 5))):
            out = kind == "rpc" and draw(st.booleans())
            shape = draw(st.integers(0, 5))
            if shape == 0:
                arguments.append(Argument("String", f"a{number}", most=draw(st.integers(1, 200)), out=out))
            elif shape == 1:
                of_bytes = draw(st.sampled_from(["uint8", "char"]))
                arguments.append(Argument(of_bytes, f"a{number}", f"n{number}", draw(st.integers(1, 200)), out))
            elif shape == 2:
                arguments.append(Argument("cap", f"a{number}", out=out))
            else:
                arguments.append(Argument(draw(of), f"a{number}", out=out))
        messages.append(Message(kind, next(names), tuple(arguments)))
    return Interface(next(names), draw(st.sampled_from(["", "about it"])), tuple(types), tuple(messages))


@settings(max_examples=60)
@given(interfaces())
def test_any_interface_reads_as_what_was_written(interface: Interface) -> None:
    assert parse(written(interface)) == interface


@settings(max_examples=40)
@given(interfaces())
def test_any_interface_compiles(interface: Interface) -> None:
    module = compiled(interface)
    assert interface == module.INTERFACE
    assert written(interface).count("rpc ") == source(interface).count("Reply:\n")


# -- there and back -------------------------------------------------------------------------------


def there_and_back(wire: Wire, shapes: dict[str, type], number: int, values: Any, token: int = 7) -> Received:
    assembly = Assembly(wire, shapes)
    sent = fragments(wire, number, values, token)
    assert all(len(each.payload) <= wire.transport.payload_bytes for each in sent)
    *before, last = [assembly.add(each) for each in sent]
    assert before == [None] * len(before) and last is not None
    return last


def value_of(draw: st.DrawFn, interface: Interface, module: ModuleType, name: str) -> Any:
    found = interface.resolved(name)
    match found:
        case Builtin("bool"):
            return draw(st.booleans())
        case Builtin():
            least = -(1 << found.bits - 1) if found.signed else 0
            return draw(st.integers(least, least + (1 << found.bits) - 1))
        case Enumeration(kind, names):
            return getattr(module, kind)(draw(st.integers(0, len(names) - 1)))
        case Array(_, of, size):
            return tuple(value_of(draw, interface, module, of) for _ in range(size))
        case Struct(kind, fields):
            return getattr(module, kind)(*(value_of(draw, interface, module, each.type) for each in fields))
    raise AssertionError(found)


def argument_of(draw: st.DrawFn, interface: Interface, module: ModuleType, argument: Argument) -> Any:
    if argument.type == "cap":
        return Address(draw(st.integers(0, 1000)))
    if argument.type == "String":
        return draw(st.text(max_size=(argument.most or 0) // 4))
    if argument.length:
        return draw(st.binary(max_size=argument.most))
    return value_of(draw, interface, module, argument.type)


@settings(max_examples=60)
@given(st.data(), interfaces(), TRANSPORTS, st.integers(0, 2**32 - 1))
def test_every_value_of_every_type_comes_out_as_it_went_in(
    data: st.DataObject, interface: Interface, transport: Transport, token: int
) -> None:
    module = compiled(interface)
    wire = Wire(interface, transport)
    draw = data.draw
    for number, message in enumerate(wire.messages):
        values = {
            argument.name: argument_of(draw, interface, module, argument) for argument in message.arguments  # type: ignore[arg-type]
        }  # fmt: skip
        received = there_and_back(wire, module.SHAPES, number, values, token)
        assert (received.number, received.token, received.values) == (number, token, values)


def only(text: str, transport: Transport) -> Wire:
    return Wire(parse(f"interface one {{ {text} }};"), transport)


@pytest.mark.parametrize("length", [0, 1, 47, 48, 49, 104, 105, 1000])
def test_a_string_takes_as_many_messages_as_in_barrelfish(length: int) -> None:
    wire = only("message m(String s[1000]);", UMP)
    assert len(fragments(wire, 1, {"s": "x" * length})) == max(1, -(-(8 + length) // 56))
    wire = only("message m(String s[1000]);", LMP)
    runs = -(-(1 + -(-length // 8)) // 10)
    assert len(fragments(wire, 1, {"s": "x" * length})) == 1 + runs, "number and token come before it"


def test_small_fields_share_words() -> None:
    """Sixteen bytes and eight bools are a fragment of three words: smallest first, each where it fits."""
    arguments = ", ".join([f"uint8 a{n}" for n in range(16)] + [f"bool b{n}" for n in range(8)])
    wire = only(f"message m({arguments});", UMP)
    values = {f"a{n}": n for n in range(16)} | {f"b{n}": n % 2 == 0 for n in range(8)}
    (sent,) = fragments(wire, 1, values)
    assert len(sent.payload) == 3 * 8
    assert sent.payload[0] == 0b01010101


@given(st.lists(st.sampled_from([1, 8, 16, 32, 64]), min_size=1, max_size=60), TRANSPORTS)
def test_fields_are_packed_by_size_and_take_no_more_words_than_that(widths: list[int], transport: Transport) -> None:
    """Counted anew: the smallest first, each where it fits into the last word, which none reaches over."""
    kinds = {1: "bool", **{bits: f"uint{bits}" for bits in (8, 16, 32, 64)}}
    wire = only(f"message m({', '.join(f'{kinds[bits]} x{n}' for n, bits in enumerate(widths))});", transport)
    word = 8 * transport.word_bytes
    fields = [] if transport.numbered else [32]
    for bits in widths:
        fields += [word] * (bits // word) if bits > word else [bits]
    at = 0 if transport.numbered else 16
    for bits in sorted(fields):
        at += bits if at % word + bits <= word else -at % word + bits
    plan = wire.layout(1)
    assert sum(plan.words_of(n) for n in range(len(plan.fixed))) == -(-at // word)
    assert len(plan.fixed) == -(-at // (word * transport.words))
    taken = {
        (number, each.word, bit)
        for number, pieces in enumerate(plan.fixed)
        for each in pieces
        for bit in range(each.shift, each.shift + each.bits)
    }
    assert len(taken) == sum(widths) + (0 if transport.numbered else 48), "no bit is two fields'"
    assert all(bit < word for _, _, bit in taken)


def test_a_message_that_says_nothing_is_one_fragment() -> None:
    (sent,) = fragments(only("message m();", UMP), 1, {})
    assert sent.payload == b""
    (sent,) = fragments(only("message m();", LMP), 1, {}, token=5)
    assert sent.payload == (1 | 5 << 16).to_bytes(8, "little")


def test_seven_words_fill_a_cache_line_and_eight_do_not() -> None:
    for count, expected in ((7, 1), (8, 2), (14, 2), (15, 3)):
        wire = only("message m(" + ", ".join(f"uint64 a{n}" for n in range(count)) + ");", UMP)
        assert len(fragments(wire, 1, {f"a{n}": n for n in range(count)})) == expected


def test_one_capability_goes_with_a_fragment() -> None:
    wire = only("message m(cap a, uint8 x, cap b, cap c);", LMP)
    sent = fragments(wire, 1, {"a": Address(1), "b": Address(2), "c": Address(3), "x": 9})
    assert [each.capability for each in sent] == [Address(1), Address(2), Address(3)]
    assert there_and_back(wire, {}, 1, {"a": Address(1), "b": Address(2), "c": Address(3), "x": 9}).values["x"] == 9


REFUSED = {
    "uint8 x": [-1, 256, "1", 1.0, True, None],
    "int8 x": [-129, 128],
    "bool x": [0, 1, None],
    "cap x": [5, "0.1", None],
    "String x[4]": ["12345", b"1", 5, "\ud800", "\u20ac\u20ac"],
    "uint8 x[n, 4]": [b"12345", "1", 5, [1, 2]],
}


@pytest.mark.parametrize("argument", REFUSED)
def test_what_does_not_fit_its_type_is_refused_by_name(argument: str) -> None:
    wire = only(f"message m({argument});", UMP)
    for value in REFUSED[argument]:
        with pytest.raises(KernelError, match=r"one\.m: x "):
            fragments(wire, 1, {"x": value})
    with pytest.raises(KernelError, match=r"one\.m: x is missing"):
        fragments(wire, 1, {})
    with pytest.raises(KernelError, match=r"one\.m: no argument y"):
        fragments(wire, 1, {"x": 1, "y": 2})


def test_structures_arrays_and_enumerations_are_checked_to_the_field() -> None:
    interface = parse(
        "interface one { typedef enum { a, b } e; typedef struct { e kind; uint8 n; } s; typedef s v[2]; "
        "message m(v x); };"
    )
    shapes = compiled(interface)
    wire = Wire(interface, UMP)
    good = shapes.s(shapes.e.b, 3)
    for value, said in (
        ((good,), "x is a sequence of 2"), ((good, 7), r"x\[1\] has no field kind"),
        ((good, shapes.s(9, 1)), r"x\[1\].kind is one of a, b"), ((shapes.s(0, 300), good), r"x\[0\].n is a uint8"),
    ):
        with pytest.raises(KernelError, match=said):
            fragments(wire, 1, {"x": value})


# -- what arrives is trusted in nothing ------------------------------------------------------------

BAD = parse(
    "interface bad { typedef enum { a, b } e; message m(uint32 x, e kind, String s[20]); message n(cap c); };"
)  # fmt: skip


def feed(transport: Transport, *arrive: Fragment) -> MessageErrorCode:
    assembly = Assembly(Wire(BAD, transport), {})
    with pytest.raises(MessageError) as caught:
        for fragment in arrive:
            assembly.add(fragment)
    return caught.value.code


def test_broken_fragments_are_told_by_the_names_of_their_errors() -> None:
    good = fragments(Wire(BAD, UMP), 1, {"x": 1, "kind": 1, "s": "hello"})
    assert len(good) == 2
    assert feed(UMP, Fragment(99 << 32, b"")) is MessageErrorCode.MESSAGE_NUMBER
    assert feed(UMP, Fragment(good[0].header, b"")) is MessageErrorCode.MESSAGE_LENGTH
    assert feed(UMP, good[0], Fragment(2 << 32, b"")) is MessageErrorCode.MESSAGE_NUMBER
    assert feed(UMP, good[0], Fragment(good[0].header, b"1234")) is MessageErrorCode.MESSAGE_LENGTH
    assert feed(UMP, good[0], Fragment(good[0].header, (21).to_bytes(8, "little"))) is MessageErrorCode.MESSAGE_LENGTH
    short = (9).to_bytes(8, "little") + b"only"
    assert feed(UMP, good[0], Fragment(good[0].header, short)) is MessageErrorCode.MESSAGE_LENGTH
    no_text = (1).to_bytes(8, "little") + b"\xff"
    assert feed(UMP, good[0], Fragment(good[0].header, no_text)) is MessageErrorCode.MESSAGE_LENGTH
    third = Fragment(good[0].header, (1 | 2 << 32).to_bytes(8, "little"))  # the enumeration has no third name
    assert feed(UMP, third, good[1]) is MessageErrorCode.MESSAGE_LENGTH
    assert feed(UMP, Fragment(2 << 32, b"")) is MessageErrorCode.MESSAGE_LENGTH, "the capability is missing"
    assert feed(LMP, Fragment(0, b"")) is MessageErrorCode.EMPTY_MESSAGE


@given(st.randoms(use_true_random=False), st.sampled_from([UMP, LMP, SCC]))
def test_whatever_arrives_is_a_message_or_an_error(chance: random.Random, transport: Transport) -> None:
    """Good fragments with bits and bytes changed; after an error the next good message is understood again."""
    wire = Wire(BAD, transport)
    assembly = Assembly(wire, {})
    good = fragments(wire, 1, {"x": 5, "kind": 0, "s": "a text"}, 3)
    for _ in range(20):
        fragment = chance.choice(good)
        payload = bytearray(fragment.payload)
        for _ in range(chance.randrange(3)):
            if payload:
                payload[chance.randrange(len(payload))] = chance.randrange(256)
        cut = bytes(payload[: chance.randrange(len(payload) + 1)]) if chance.random() < 0.3 else bytes(payload)
        header = fragment.header ^ (1 << chance.randrange(48) if chance.random() < 0.2 else 0)
        try:
            assembly.add(Fragment(header, cut))
        except MessageError as error:
            assert "\n" not in str(error)
    fresh = Assembly(wire, {})
    with pytest.raises(MessageError):
        fresh.add(Fragment(0x7FFF << 32, b"\xff\xff"))
    assert [fresh.add(each) for each in good][-1] is not None
