"""What an instruction of SQLite's virtual machine takes here: the figure of the cost `sql_instruction`.

    python benchmarks/sql_instruction.py
"""

from __future__ import annotations

import sqlite3
import statistics
import time

from kernel.services.catalogue import SUBJECTS, Catalogue

REPEATED = 500


def main() -> None:
    catalogue = Catalogue()
    question = "select title, author, cost from item where cost > 600 and subject <> '{}' order by title limit 50"
    for subject in SUBJECTS[:3]:
        text = question.format(subject)
        _, instructions = catalogue.select(text)
        took = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(REPEATED):
                catalogue._connection.execute(text).fetchall()
            took.append((time.perf_counter() - began) / REPEATED)
        each_ns = statistics.median(took) / instructions * 1e9
        print(f"SQLite {sqlite3.sqlite_version}: {instructions} instructions, {each_ns:.1f} ns each")


if __name__ == "__main__":
    main()
