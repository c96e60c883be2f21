"""The commands; importing this package registers them all."""

from shell.commands import domains, knowledge, language, machines, placement, time

__all__ = ["domains", "knowledge", "language", "machines", "placement", "time"]
