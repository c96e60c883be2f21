"""The commands; importing this package registers them all."""

from shell.commands import (
    bridges,
    comparing,
    domains,
    expectations,
    experiments,
    knowledge,
    language,
    latency,
    machine_check,
    machine_generate,
    machine_import,
    machines,
    placement,
    records,
    time,
    topology,
)

__all__ = [
    "bridges",
    "comparing",
    "domains",
    "expectations",
    "experiments",
    "knowledge",
    "language",
    "latency",
    "machine_check",
    "machine_generate",
    "machine_import",
    "machines",
    "placement",
    "records",
    "time",
    "topology",
]
