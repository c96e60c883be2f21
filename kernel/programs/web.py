"""webserver, database, httperf: static and dynamic pages, each part on a core of its own (dissertation §2.6.4).

What messages take comes from the machine, as everywhere; a question to the database costs its instructions (cost
`sql_instruction`). Parsing a request and writing a reply cost nothing besides, as nobody has measured that.
"""

from __future__ import annotations

import html
import json
from typing import Any

from kernel.interfaces.compiler import stubs
from kernel.interfaces.stubs import Binding, ErrorReply, serve
from kernel.programming import Code, Environment, KernelError, MessageError, Spend, bind, export, program
from kernel.programs.arguments import numbers
from kernel.services import http
from kernel.services.catalogue import SUBJECTS, Catalogue, lines

_web: Any = stubs("web")
_database: Any = stubs("database")

_STATIC_BYTES = 4100
"""The static page of the dissertation's experiment has 4.1 kB."""

_STATIC = b"<html><body>" + b"Pilotfish. " * ((_STATIC_BYTES - 26) // 11)
_STATIC += b"." * (_STATIC_BYTES - 14 - len(_STATIC)) + b"</body></html>"


class _Database(_database.DatabaseHandlers):  # type: ignore[misc]
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._catalogue = Catalogue()

    def select(self, binding: Binding, question: str) -> Any:
        rows, instructions = self._catalogue.select(question)
        each_ps = self._environment.hardware.cost_ps("sql_instruction", self._environment.core)
        yield Spend(instructions * each_ps)
        self._environment.count()
        return _database.SelectReply(len(rows), lines(rows))


@program("database", "a relational database of books, for the webserver; progress: questions")
def database(environment: Environment) -> Code:
    service = yield from export(environment, "database")
    yield from serve(service, _Database(environment))


class _WebServer(_web.WebHandlers):  # type: ignore[misc]
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._database: Any = None

    def request(self, binding: Binding, data: bytes) -> Any:
        path = http.wanted(data)
        reply = path if isinstance(path, http.Reply) else (yield from self._page(path))
        self._environment.count()
        return _web.RequestReply(http.written(reply))

    def _page(self, path: str) -> Any:
        if path in ("/", "/index.html"):
            return http.Reply(200, _STATIC)
        name, _, subject = path.partition("?subject=")
        if name != "/books":
            return http.Reply(404, html.escape(path).encode())
        question = "select title, author, cost from item where subject = '{}' order by title limit 20"
        try:
            if self._database is None:
                channel = yield from bind(self._environment, "database", waits=False)
                self._database = _database.DatabaseClient(channel)
            answer = yield from self._database.select(question.format(subject.replace("'", "''")))
        except (ErrorReply, MessageError) as error:
            self._database = None
            return http.Reply(503, html.escape(str(error)).encode())
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in json.loads(line)) + "</tr>"
            for line in answer.answer.splitlines()
        )
        return http.Reply(200, f"<html><body><table>{rows}</table></body></html>".encode())


@program("webserver", "static and dynamic web pages; the latter need a database; progress: requests")
def webserver(environment: Environment) -> Code:
    service = yield from export(environment, "web")
    yield from serve(service, _WebServer(environment))


@program(
    "httperf", "get a page from the webserver REQUESTS (100) times, static or dynamic, then end; progress: replies",
    arguments="[REQUESTS [static|dynamic]]",
)
def httperf(environment: Environment) -> Code:
    *counts, what = environment.arguments if environment.arguments[1:] else (*environment.arguments, "static")
    (requests,) = numbers(tuple(counts), 100, names="[REQUESTS [static|dynamic]]")
    if what not in ("static", "dynamic"):
        raise KernelError(f"takes [REQUESTS [static|dynamic]]: '{what}' is neither")
    web: Any = _web.WebClient((yield from bind(environment, "web")))
    for number in range(requests):
        path = "/" if what == "static" else f"/books?subject={SUBJECTS[number % len(SUBJECTS)]}"
        reply = (yield from web.request(http.get(path))).reply
        if http.status(reply) != 200:
            raise KernelError(f"GET {path} is answered by {reply.splitlines()[0].decode(errors='replace')}")
        environment.count()
