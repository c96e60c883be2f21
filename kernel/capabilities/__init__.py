"""Capabilities: who may do what to which memory, on one core and across all of them (dissertation §2.5.3).

From the inside out. `types` is the type graph as data, `capability` what a capability is and how two are related.
`database` is the mapping database of one core, `cspace` how programs name what is in it, `operations` what the CPU
driver does to it, `virtual_memory` its page tables, `invocations` all of that as a program's system calls.

Between cores, monitors agree by `messages`: `agreement` is what each remembers, `copying`, `deleting`,
`retyping`, `revoking` what it does, `distributed` the table of it all, a pure function of state and message.
`exploration` visits every order of messages. `buddy` and `memory_server` hand out RAM, `shootdown` keeps TLBs honest.

`core` puts one core's parts together, `serving` makes them part of a simulated monitor, and `booting` asks the
SKB for the machine's memory. Nothing but the last two knows of simulated time or of the simulator: what is to be
sent is returned, and whoever sends it charges for it.
"""
