"""The interface language: what can be written, read again and compiled; what cannot, told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.interfaces.language import (
    Argument,
    InterfaceError,
)
from kernel.interfaces.parser import MOST_FILE_BYTES, parse, read

COUNTER = """
interface counter "counts what it is told" {
    typedef enum { up, down } direction;      // which way
    typedef struct { direction way; uint32 step; } change;
    typedef uint8 quad[4];
    alias index uint16;
    message apply(change what);
    @thc(kind=1, name="x")
    rpc read(in String who[64], out int64 value, out quad four);
    rpc blob(in uint8 data[size_of_it, 4096], out cap frame, out index at);
    call begin(); response done(errval code);
};
"""


def test_an_interface_has_types_and_numbered_messages() -> None:
    interface = parse(COUNTER)
    assert [type(each).__name__ for each in interface.types] == ["Enumeration", "Struct", "Array", "Alias"]
    assert [f"{each.kind} {each.name}" for each in interface.wire] == [
        "message apply", "call read_call", "response read_response", "call blob_call", "response blob_response",
        "call begin", "response done",
    ]  # fmt: skip
    assert interface.wire[3].arguments == (Argument("uint8", "data", "size_of_it", 4096),)


WRONG = {
    "": "interface:1:1: 'interface' expected, not the end of the file",
    "interface": "interface:1:10: the interface's name expected, not the end of the file",
    "interface 7 {};": "interface:1:11: the interface's name expected, not '7'",
    "interface a { message m() };": "interface:1:27: ';' expected, not '}'",
    "interface a { message m(); }": "interface:1:29: ';' expected, not the end of the file",
    "interface a { message m(); }; x": "interface:1:31: nothing expected after the interface, not 'x'",
    "interface a {};": "interface:1:1: interface a has no messages",
    "interface a { massage m(); };": "interface:1:15: one of typedef, alias, message, call, response, rpc or '}' "
                                     "expected, not 'massage'",
    "interface a { message m(); typedef int32 x; };": "interface:1:28: a type after a message; types come first",
    "interface a { message m(int33 x); };": "interface:1:31: unknown type 'int33'",
    "interface a { typedef b c; message m(); };": "interface:1:25: unknown type 'b'; types are stated before they "
                                                  "are used",
    "interface a { typedef int32 b; typedef int8 b; message m(); };": "interface:1:45: a second type 'b'",
    "interface a { typedef int32 int8; message m(); };": "interface:1:29: 'int8' is a builtin type",
    "interface a { typedef struct { s x; } s; message m(); };": "interface:1:34: 's' contains itself",
    "interface a { typedef struct { } s; message m(); };": "interface:1:34: structure s has no fields",
    "interface a { typedef struct { int8 x; int8 x; } s; message m(); };": "a second field in structure s called 'x'",
    "interface a { typedef struct { cap x; } s; message m(); };": "a cap in a structure; make it an argument",
    "interface a { typedef struct { String x; } s; message m(); };": "a String in a structure; make it an argument",
    "interface a { typedef cap c[2]; message m(); };": "a cap has no other name and is in no array",
    "interface a { typedef enum { x, x } e; message m(); };": "a second name in the enumeration called 'x'",
    "interface a { typedef enum { } e; message m(); };": "interface:1:30: a name expected, not '}'",
    "interface a { typedef int8 v[0]; message m(); };": "0 elements; an array has from 1 to 4096",
    "interface a { typedef int8 v[5000]; message m(); };": "5000 elements; an array has from 1 to 4096",
    "interface a { typedef int8 v[99]; typedef v w[99]; message m(); };": "'w' has more than 4096 values",
    "interface a { message m(); message m(); };": "interface:1:36: a second message 'm'",
    "interface a { message m(int8 x, int8 x); };": "a second argument of m called 'x'",
    "interface a { message m(String s); };": "'s' has no bound; write String s[MAX]",
    "interface a { message m(String s[n, 8]); };": "'s' is a String, which knows its length: [MAX]",
    "interface a { message m(String s[0]); };": "a bound of 0 bytes; from 1 to 1048576",
    "interface a { message m(String s[2000000]); };": "a bound of 2000000 bytes; from 1 to 1048576",
    "interface a { message m(uint8 b[n]); };": "interface:1:34: ', MAX]' expected: 'b' has no bound",
    "interface a { message m(uint8 b[8]); };": "'b[8]': use a typedef for an array, or [length, MAX]",
    "interface a { message m(int64 b[n, 8]); };": "an array of int64 whose length varies; only uint8, int8, char",
    "interface a { rpc m(int8 x); };": "interface:1:21: 'in' or 'out' expected in an rpc, not 'int8'",
    "interface a { rpc m(in int8 x); message m_call(); };": "'m_call' is what an rpc's message is called as well",
    "interface a { typedef struct { int8 x; } MReply; rpc m(); };": "'MReply' is what its answer is called",
    "interface a { rpc m_n(); rpc m__n(); };": "interface:1:30: 'MNReply' is what its answer is called",
    "interface a { typedef int8 AClient; message m(); };": "1:28: 'AClient' is what the stubs of a are called",
    "interface a { typedef enum { mro } e; message m(); };": "'mro' cannot be a name; the stubs need it themselves",
    "interface a { message class(); };": "'class' cannot be a name; the stubs need it themselves",
    "interface a { message _m(); };": "'_m' cannot be a name",
    "interface a { message m(String s[12345678901234567890]); };": "a number of 20 digits; 18 at most",
    "interface a { message m(String s[0x10]); };": "'0x10' is no number; numbers are decimal",
    "interface a { /* message m(); };": "interface:1:15: a comment that does not end; */ ends it",
    'interface a "no end { message m(); };': 'interface:1:13: a text that does not end on its line; " ends it',
    "interface a { message m(); # };": "interface:1:28: '#' has no meaning in an interface",
    "interface a {\n  message m();\n  message n(x);\n};": "interface:3:14: the name of an argument expected, not ')'",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_with_file_line_and_column(text: str) -> None:
    with pytest.raises(InterfaceError) as caught:
        parse(text)
    assert WRONG[text] in str(caught.value)
    assert str(caught.value).startswith(f"interface:{caught.value.place.line}:{caught.value.place.column}: ")
    assert "\n" not in str(caught.value)


def test_a_file_is_text_and_has_its_interface_s_name(tmp_path: Path) -> None:
    file = tmp_path / "counter.if"
    file.write_text(COUNTER)
    assert read(file) == parse(COUNTER)
    file.write_bytes(b"interface \xff")
    with pytest.raises(InterfaceError, match="byte 10 is no text"):
        read(file)
    with pytest.raises(InterfaceError, match="no such file"):
        read(tmp_path / "none.if")
    file.write_bytes(COUNTER.replace("\n", "\r\n").encode())
    assert read(file) == parse(COUNTER)
    file.write_bytes(b" " * (MOST_FILE_BYTES + 1))
    with pytest.raises(InterfaceError, match="more than 4194304 bytes"):
        read(file)
    other = tmp_path / "other.if"
    other.write_text(COUNTER)
    with pytest.raises(InterfaceError, match="interface counter in a file called other"):
        read(other)


def test_types_within_types_have_an_end() -> None:
    chain = "".join(f"typedef struct {{ t{n} x; }} t{n + 1};\n" for n in range(5000))
    with pytest.raises(InterfaceError, match="interface:64:27: 't64' is types within types, more than 64 of them"):
        parse(f"interface a {{ typedef int8 t0; {chain} message m(t5000 x); }};")


def test_too_many_messages_are_refused() -> None:
    with pytest.raises(InterfaceError, match="32768 messages; 32767 at most"):
        parse("interface a {" + "".join(f"message m{n}();" for n in range(32768)) + "};")


@given(st.text(alphabet="interfac {}();mesg xd8[],=@\"/*\n", max_size=60))
def test_any_text_is_an_interface_or_an_error_with_its_place(text: str) -> None:
    try:
        parse(text)
    except InterfaceError as error:
        assert str(error).startswith("interface:")
