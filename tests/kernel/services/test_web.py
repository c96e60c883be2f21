"""The web server, the database behind it, the terminal and the loopback: whole scenarios."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.messaging.binding import bind
from kernel.messaging.channel import Fragment
from kernel.multikernel import Multikernel
from kernel.program import Environment, Program
from kernel.programs.terminal import SCREEN, Screen
from kernel.services import http
from kernel.services.catalogue import ITEMS, Catalogue, DatabaseError, DatabaseErrorCode, lines
from kernel.services.packets import Datagram, packet
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

MS = 10**9


@pytest.fixture
def kernel(load: Callable[[str], KnowledgeBase]) -> Multikernel:
    return Multikernel.boot(load("amd-2x2"))


def progress(kernel: Multikernel, name: str) -> int:
    return kernel.status(kernel.find(name)).progress


def test_static_and_dynamic_pages_are_served(kernel: Multikernel) -> None:
    for core, name in enumerate(("database", "webserver")):
        kernel.spawn(name, cores=[core])
    static = kernel.spawn("httperf", cores=[2], arguments=("40",), name="static")
    dynamic = kernel.spawn("httperf", cores=[3], arguments=("40", "dynamic"), name="dynamic")
    kernel.run(200 * MS)
    assert [domain.state.value for domain in (static, dynamic)] == ["exited", "exited"], dynamic.fault
    assert progress(kernel, "webserver") == 80 and progress(kernel, "database") == 40


def test_without_its_database_the_server_says_so_and_finds_a_new_one(kernel: Multikernel) -> None:
    kernel.spawn("webserver", cores=[1])
    kernel.spawn("httperf", cores=[2], arguments=("1", "dynamic"), name="early")
    kernel.run(20 * MS)
    assert "HTTP/1.0 503" in kernel.find("early").fault
    kernel.spawn("database", cores=[0])
    kernel.spawn("httperf", cores=[2], arguments=("8", "dynamic"), name="later")
    kernel.run(200 * MS)
    assert progress(kernel, "later") == 8
    kernel.kill(kernel.find("database").id)
    kernel.spawn("httperf", cores=[2], arguments=("1", "dynamic"), name="late")
    kernel.run(200 * MS)
    assert "HTTP/1.0 503" in kernel.find("late").fault and kernel.find("webserver").alive


@pytest.mark.parametrize(("request_", "status"), [
    (http.get("/"), "/"), (b"POST / HTTP/1.0\r\n\r\n", 501), (b"GET / HTTP/1.0", 400), (b"", 400),
    (b"GET nowhere HTTP/1.0\r\n\r\n", 400), (b"\xff\r\n\r\n", 400), (b"GET /\xff HTTP/1.0\r\n\r\n", 400),
])  # fmt: skip
def test_requests_are_understood_or_answered_by_why_not(request_: bytes, status: str | int) -> None:
    wanted = http.wanted(request_)
    assert wanted == status if isinstance(status, str) else isinstance(wanted, http.Reply) and wanted.status == status


def test_a_reply_says_its_length() -> None:
    written = http.written(http.Reply(200, b"body"))
    assert http.status(written) == 200
    assert [http.status(each) for each in (written[:-1], b"", b"HTTP/1.0 200 OK\r\n\r\n")] == [0, 0, 0]


def test_the_database_answers_questions_and_nothing_else() -> None:
    catalogue = Catalogue()
    rows, instructions = catalogue.select("select count(*) from item")
    assert rows == [[ITEMS]] and 0 < instructions < 100_000
    assert catalogue.select("select count(*) from item") == (rows, instructions), "it costs the same again"
    assert lines([[1, "a"], [None, 2.5]]) == '[1, "a"]\n[null, 2.5]'
    for question in ("delete from item", "drop table item", "attach 'file' as f", "pragma user_version", "select"):
        with pytest.raises(DatabaseError) as caught:
            catalogue.select(question)
        assert caught.value.code is DatabaseErrorCode.WRONG
    with pytest.raises(DatabaseError, match="SQL_ERR_REFUSED: more than"):
        catalogue.select("select count(*) from item a, item b, item c")
    assert catalogue.select("select count(*) from item")[0] == [[ITEMS]]


def test_packets_go_round_the_loop_and_none_is_lost(kernel: Multikernel) -> None:
    kernel.spawn("packet_sink", cores=[2])
    generator = kernel.spawn("packet_generator", cores=[0], arguments=("300",))
    kernel.run(100 * MS)
    assert generator.state.value == "exited", generator.fault
    assert progress(kernel, "packet_sink") == progress(kernel, "packet_generator") == 300


def test_the_sink_goes_on_after_damaged_packets_and_generators_that_leave(kernel: Multikernel) -> None:
    sink = kernel.spawn("packet_sink", cores=[2])

    def damaging(environment: Environment) -> Code:
        channel = yield from bind(environment, "packet_sink")
        yield from channel.send(Fragment(0, b""))  # there is no frame
        good = packet(Datagram(("127.0.0.1", 1), ("127.0.0.1", 2), b"x"))
        environment.memory["packets"] = {1: good[:-1] + b"y", 2: good, 3: "no bytes"}
        for number in range(5):
            yield from channel.send(Fragment(number, b""))
        for number in (1, 2):
            assert (yield from channel.receive()).header == number

    bad = kernel.spawn(Program("damaging", "", "", damaging), cores=[1])
    kernel.run(10 * MS)
    assert bad.state.value == "exited", bad.fault
    assert progress(kernel, "packet_sink") == 1

    def leaving(environment: Environment) -> Code:
        channel = yield from bind(environment, "packet_sink")
        good = packet(Datagram(("127.0.0.1", 1), ("127.0.0.1", 2), b""))
        environment.memory["packets"] = dict.fromkeys(range(8), good)
        for number in range(8):
            yield from channel.send(Fragment(number, b""))

    kernel.spawn(Program("leaving", "", "", leaving), cores=[1])
    kernel.run(10 * MS)
    assert progress(kernel, "packet_sink") == 9
    last = kernel.spawn("packet_generator", cores=[0], arguments=("50",))
    kernel.run(20 * MS)
    assert last.state.value == "exited" and sink.alive, sink.fault


def test_a_terminal_shows_what_is_written_and_gives_lines_to_who_asked_first(kernel: Multikernel) -> None:
    terminal = kernel.spawn("terminald", cores=[0])
    kernel.spawn("echo", cores=[1], arguments=("hello", "world"))
    for core in (2, 3):
        kernel.spawn("ask", cores=[core], arguments=(f"question {core}",))
    kernel.run(50 * MS)
    screen = terminal.memory[SCREEN]
    assert isinstance(screen, Screen)
    assert screen.lines == ["hello world", "question 2", "question 3"] and len(screen.asking) == 2
    for line in ("one", "two", "three"):
        screen.keyboard.deliver(line, 0, kernel.now)
        kernel.run(50 * MS)
    assert screen.lines[3:] == ["< one", "ONE", "< two", "TWO", "< three"]
    kernel.spawn("ask", cores=[2], arguments=("and?",), name="late")
    kernel.run(50 * MS)
    assert screen.lines[-2:] == ["and?", "THREE"], "a line that nobody had asked for is kept"


def test_a_line_typed_for_a_program_that_has_just_died_goes_to_the_next(kernel: Multikernel) -> None:
    terminal = kernel.spawn("terminald", cores=[0])
    first, second = (kernel.spawn("ask", cores=[core], arguments=(f"{core}?",), name=f"ask{core}") for core in (2, 3))
    kernel.run(50 * MS)
    screen = terminal.memory[SCREEN]
    assert isinstance(screen, Screen) and len(screen.asking) == 2
    channel = screen.asking[0].channel
    kernel.kill(first.id)
    while not channel.closed:  # the monitor has heard of it, the terminal not yet
        kernel.run(1000)
    screen.keyboard.deliver("to whom?", 0, kernel.now)
    kernel.run(50 * MS)
    assert terminal.alive, terminal.fault
    assert screen.lines == ["2?", "3?", "< to whom?", "TO WHOM?"] and not screen.typed
    assert second.state.value == "exited"
