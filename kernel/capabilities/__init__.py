"""Capabilities: who may do what to which memory, on one core and across all of them (dissertation §2.5.3).

`types` is the type graph as data, `capability` what a capability is and how two of them are related,
`database` the mapping database of one core, `cspace` how programs name capabilities, `operations` the system
calls on them within a core. `messages` and `distributed` are the monitors' protocol between cores.
`memory_server` hands out RAM, `virtual_memory` maps it. Nothing here knows of simulated time or of the
simulator: what is done is returned, and whoever calls charges for it.
"""
