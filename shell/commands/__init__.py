"""The commands; importing this package registers them all."""

from shell.commands import (
    comparing,
    domains,
    expectations,
    knowledge,
    language,
    machine_import,
    machines,
    placement,
    time,
)

__all__ = [
    "comparing",
    "domains",
    "expectations",
    "knowledge",
    "language",
    "machine_import",
    "machines",
    "placement",
    "time",
]
