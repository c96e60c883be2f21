"""The commands; importing this package registers them all."""

from shell.commands import domains, expectations, knowledge, language, machines, placement, time

__all__ = ["domains", "expectations", "knowledge", "language", "machines", "placement", "time"]
