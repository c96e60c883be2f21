"""Interfaces: what messages a service and its clients exchange, and the stubs that do it (Barrelfish's Flounder).

An interface file is read by `lexer` and `parser` into the tree of `language`, and checked by `checking`. `layout`
says where in a transport's messages each value goes, `marshalling` puts it there and gets it out, and `stubs` sends
and receives. `compiler` writes that down as a Python module with a method for each message.
"""
