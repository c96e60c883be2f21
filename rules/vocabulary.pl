:- encoding(utf8).
:- module(vocabulary,
          [ declared/6,                 % ?Name, ?Arity, ?Kind, ?Args, ?Key, ?Meaning
            declared_source/3,          % ?Name, ?Arity, ?Source
            determinism/3,              % ?Name, ?Arity, ?Determinism
            key_positions/3,            % +Name, +Arity, -Positions
            label_positions/3,          % +Name, +Arity, -Positions
            untold/4,                   % ?Predicate, ?Argument, ?Value, ?Sources
            suggestion/3                % +Name, +Arity, -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- reexport(types, [has_type/2, type_text/2]).

/** <module> Every fact and every derived predicate, declared once

Loading, help, completion, `facts` and the documentation are made from this table. Names and arities are
Barrelfish's wherever its SKB has the fact. A fact is declared as

    fact(Name, [Argument:Type, ...], Key, Sources, Meaning).

`Key` names the arguments that identify a fact: of two facts with equal keys only one can be true, and
the source of higher precedence (store.pl) has its way. It is a list of argument names, a number (so many
leading arguments), or `none` for a relation, in which every fact stands for itself. `Sources` are those
which assert it, beside `a_priori` (facts.pl) and `user`, which may assert any. Types carry the unit; an
argument of type label(Type) is a name that each source chooses for itself, so that different labels are no
contradiction. A derived predicate is declared as

    derived(Name, [Argument:Type, ...], Determinism, Meaning).
*/

:- discontiguous fact/5, derived/4.

% -- boot

fact(corename, [core:core, arch:atom, hardware_id:term], [core], [boot, cpuid, sysfs],
     "Core is the operating system's number of a hardware thread: its architecture and apic(Id) or mpidr(Id)").
fact(nr_running_cores, [cores:count], 0, [boot],
     "so many cores run").
fact(memory_region, [base:address, size_bits:bits, size:bytes, type:count, data:int], [base, type], [boot, acpi],
     "a region of physical memory; mem_region_type/2 names its type").
fact(mem_region_type, [type:count, name:atom], [type], [boot],
     "the name of a type of memory region").
fact(core_load, [core:core, percent:percent], [core], [boot, measured],
     "work that the placement controller did not place takes percent of the core's time").

% -- cpuid

fact(cpu_thread, [core:core, package:id, core_in_package:id, thread:id], [core], [cpuid, sysfs, hwloc],
     "a hardware thread's position: package, core within it, thread within that").
fact(cpu_die, [core:core, die:label(id)], [core], [cpuid, sysfs, hwloc],
     "the core is on that die (unique in the machine)").
fact(cpu_cluster, [core:core, cluster:label(id)], [core], [cpuid, sysfs, hwloc],
     "the core belongs to that cluster of cores (complex, module, tile; unique in the machine)").
fact(cpu_kind, [core:core, kind:atom], [core], [cpuid, sysfs, hwloc],
     "the kind of core of a hybrid machine: performance, efficiency, low_power").
fact(cpu_clock, [core:core, clock:hertz], [core], [cpuid, sysfs, hwloc],
     "the clock in which the core's cycles are counted").
fact(vendor, [core:core, vendor:label(atom)], [core], [cpuid, sysfs, hwloc],
     "who made the processor").
fact(cpu_family, [core:core, vendor:label(atom), family:id, model:id, stepping:id], [core], [cpuid, sysfs, hwloc],
     "the processor's identity").
fact(cpu_brand, [core:core, brand:label(text)], [core], [cpuid, sysfs, hwloc],
     "the processor's name as it tells it").
fact(cpu_cache,
     [ core:core, name:label(text), level:level, type:cache_type, size:bytes, associativity:int,
       line_size:bytes, shared:count, inclusive:term
     ],
     [core, level, type], [cpuid, sysfs, hwloc],
     "a cache as one core sees it; shared: how many hardware threads share it").
fact(cpu_cache_id, [core:core, level:level, type:cache_type, cache:label(id)],
     [core, level, type], [cpuid, sysfs, hwloc],
     "which cache it is: cores with equal level, type and cache share that one").
fact(cpu_tlb, [core:core, type:cache_type, level:level, page_size:bytes, entries:count, associativity:int],
     none, [cpuid],
     "a translation look-aside buffer of the core").
fact(cpu_addrspace, [core:core, physical:bits, virtual:bits, guest:bits], [core], [cpuid],
     "the widths of the core's addresses").
fact(cpu_feature, [core:core, feature:atom], none, [cpuid],
     "the core has that feature").
fact(maximum_apic_id, [apic_id:id], 0, [cpuid],
     "no APIC id is larger").
fact(associativity_encoding, [vendor:atom, level:level, code:count, ways:count], [vendor, level, code], [cpuid],
     "what a CPUID code for associativity means").

% -- acpi

fact(acpi_table, [signature:atom, instance:id, length:bytes, revision:id, oem_id:term, checksum:oneof([ok, bad, none])],
     [signature, instance], [acpi],
     "a table the firmware gave; none: a table without checksum").
fact(apic, [processor_id:id, apic_id:id, enabled:flag], [processor_id, apic_id], [acpi],
     "a local APIC (MADT)").
fact(ioapic, [id:id, address:address, gsi_base:id], [id, address], [acpi],
     "an I/O APIC and the first global interrupt it serves (MADT)").
fact(apic_nmi, [processor_id:id, flags:count, lint:id], none, [acpi],
     "the pin to which the NMI is wired; 255 or 4294967295: of every processor (MADT)").
fact(nmi_source, [flags:count, gsi:id], none, [acpi],
     "a global interrupt that is an NMI (MADT)").
fact(interrupt_override, [bus:id, source_irq:id, gsi:id, flags:count], [bus, source_irq], [acpi],
     "an ISA interrupt that arrives as another global interrupt (MADT)").
fact(local_apic_address, [address:address], 0, [acpi],
     "where every core finds its local APIC (MADT)").
fact(pic_8259_present, [present:flag], 0, [acpi],
     "whether there are 8259 interrupt controllers to be masked (MADT)").
fact(x86_interrupt_model, [model:oneof([apic, pic])], 0, [acpi, boot],
     "which interrupt controllers are in use").
fact(generic_interrupt,
     [gic_base:address, gicv_base:address, gich_base:address, parked:address, interface:id, uid:id],
     [uid], [acpi],
     "an ARM GIC CPU interface (MADT)").
fact(generic_cpu, [uid:id, mpidr:id, enabled:flag, efficiency_class:id], [uid], [acpi],
     "the processor behind a GIC CPU interface (MADT)").
fact(generic_distributor, [base:address, id:id, gsi_base:id, version:id], [base], [acpi],
     "an ARM GIC distributor (MADT)").
fact(generic_redistributor, [base:address, length:bytes], [base], [acpi],
     "a range of ARM GIC redistributors (MADT)").
fact(generic_msi_frame, [base:address, id:id, spi_base:id, spi_count:count, flags:count], [base], [acpi],
     "an ARM GIC MSI frame (MADT)").
fact(generic_translator, [base:address, id:id], [base], [acpi],
     "an ARM GIC interrupt translation service (MADT)").
fact(cpu_affinity, [apic_id:id, local_sapic_eid:id, node:id], [apic_id, local_sapic_eid], [acpi],
     "the processor with that APIC id is in that proximity domain (SRAT)").
fact(generic_affinity, [uid:id, node:id], [uid], [acpi],
     "the ARM processor with that uid is in that proximity domain (SRAT)").
fact(memory_affinity, [base:address, length:bytes, node:id], [base], [acpi],
     "a range of memory is in that proximity domain (SRAT)").
fact(memory_attribute, [base:address, length:bytes, attribute:atom], none, [acpi],
     "a range of memory is hot_pluggable or non_volatile (SRAT)").
fact(initiator_affinity, [device:term, node:id], [device], [acpi],
     "a device that reads memory is in that proximity domain (SRAT)").
fact(node_distance, [from:id, to:id, distance:count], [from, to], [acpi, sysfs, hwloc],
     "relative distance of two nodes; 10 is local (SLIT)").
fact(memory_initiator, [memory:id, initiator:id], [memory], [acpi],
     "the processors' domain to which a memory domain is attached (HMAT)").
fact(memory_latency, [initiator:id, memory:id, access:atom, hierarchy:term, latency:picoseconds],
     [initiator, memory, access, hierarchy], [acpi, sysfs, hwloc],
     "latency of memory from a domain of initiators (HMAT)").
fact(memory_bandwidth, [initiator:id, memory:id, access:atom, hierarchy:term, bandwidth:megabytes_per_second],
     [initiator, memory, access, hierarchy], [acpi, sysfs, hwloc],
     "bandwidth of memory from a domain of initiators (HMAT)").
fact(memory_side_cache,
     [memory:id, level:id, size:bytes, associativity:term, write_policy:term, line_size:bytes],
     [memory, level], [acpi, sysfs, hwloc],
     "a cache in front of a memory domain (HMAT)").
fact(processor_node, [node:id, parent:term, uid:term, kinds:term], [node], [acpi],
     "a node of the processor hierarchy, by its offset in the table (PPTT)").
fact(processor_node_cache, [node:id, cache:id], none, [acpi],
     "a node of the processor hierarchy owns that cache (PPTT)").
fact(processor_cache,
     [ cache:id, next:term, type:term, size:term, sets:term, associativity:term, line_size:term,
       write_policy:term, cache_id:term
     ],
     [cache], [acpi],
     "a cache of the processor hierarchy; none: the table does not say (PPTT)").
fact(pcie_confspace, [base:address, segment:id, bus_start:id, bus_end:id], [base], [acpi],
     "memory-mapped PCI configuration space of a range of buses (MCFG)").
fact(dmar, [flags:count], 0, [acpi],
     "there are VT-d IOMMUs (DMAR)").
fact(dmar_address_width, [width:bits], 0, [acpi],
     "the widest address that DMA may use (DMAR)").
fact(dmar_hardware_unit, [index:id, flags:count, segment:id, base:address], [index], [acpi],
     "an IOMMU (DMAR)").
fact(dmar_device, [index:id, structure_type:id, scope_type:id, address:term, enumeration_id:id], none, [acpi],
     "a device in the scope of a DMAR structure").
fact(dmar_reserved_memory, [index:id, segment:id, base:address, limit:address], [index], [acpi],
     "memory that devices reach untranslated (DMAR)").
fact(dmar_atsr, [index:id, flags:count, segment:id], [index], [acpi],
     "root ports that support address translation services (DMAR)").
fact(dmar_satc, [index:id, flags:count, segment:id], [index], [acpi],
     "integrated devices with address translation caches (DMAR)").
fact(dmar_rhsa, [base:address, node:id], [base], [acpi],
     "the proximity domain of the IOMMU at that address (DMAR)").
fact(dmar_andd, [device_number:id, name:text], none, [acpi],
     "an ACPI device that issues DMA (DMAR)").
fact(iommu_enabled, [segment:id, coherent:flag], [segment], [boot],
     "the IOMMU of that PCI segment is in use").
fact(hpet, [uid:id, address:address, page_protection:id, oem_attribute:id], [uid], [acpi],
     "a high-precision event timer (HPET)").
fact(hpet_block, [uid:id, vendor:id, comparators:count, counter_bits:bits, minimum_tick:count], [uid], [acpi],
     "what the HPET table says of the timer block").
fact(hpet_gcap, [uid:id, register:count], [uid], [boot],
     "the timer's capability register").
fact(hpet_comp, [uid:id, comparator:id, route_mask:count, fsb:flag], [uid, comparator], [boot],
     "a comparator: the interrupts it can be routed to, whether it can write messages").
fact(fadt, [revision:id, minor:id, profile:term, sci_interrupt:id, flags:count], 0, [acpi],
     "the fixed description table (FADT)").
fact(psci_use_hvc, [use:flag], 0, [acpi],
     "whether ARM cores are started by hypervisor call (FADT)").
fact(pm_timer, [space:atom, address:address, bits:bits], 0, [acpi],
     "the power management timer (FADT)").
fact(fixed_memory, [min:address, max:address], none, [acpi],
     "a range that no device may be moved to").
fact(rootbridge, [address:addr, childbus:term, memory:term], [address], [acpi],
     "a PCI root: childbus(Min, Max) and the memory window mem(Min, Max) it decodes").
fact(rootbridge_address_window, [address:addr, memory:term], none, [acpi],
     "a memory window mem(Min, Max) that a PCI root decodes").
fact(prt, [address:term, pin:id, interrupt:term], none, [acpi],
     "interrupt routing: the pin of addr(Bus, Device, any or Function), Bus a number or behind(Bridge), raises gsi(G), or \c
      what pir(Name) is set to (_PRT)").
fact(pir, [name:text, gsi:id], none, [acpi],
     "an interrupt to which a link device can be set").

% -- pci

fact(device,
     [ bus_type:oneof([pci, pcie]), address:addr, vendor:id, device:id, class:id, subclass:id,
       interface:id, interrupt_pin:int
     ],
     [address], [pci, sysfs, hwloc],
     "a PCI function; interrupt_pin 0-3 for INTA-INTD, -1 for none").
fact(bridge,
     [ bus_type:oneof([pci, pcie]), address:addr, vendor:id, device:id, class:id, subclass:id,
       interface:id, secondary:term
     ],
     [address], [pci, sysfs, hwloc],
     "a PCI bridge to the bus secondary(Bus)").
fact(bar,
     [ address:addr, number:id, base:address, size:bytes, space:oneof([mem, io, vf]),
       prefetchable:oneof([prefetchable, nonprefetchable]), bits:oneof([32, 64])
     ],
     [address, number], [pci, sysfs],
     "a base address register of a PCI function").
fact(expansion_rom, [address:addr, base:address, size:bytes], [address], [pci, sysfs],
     "the expansion ROM of a PCI function; size 0: the dump does not tell").
fact(bridge_buses, [address:addr, primary:id, secondary:id, subordinate:id], [address], [pci, sysfs],
     "the buses above, below and farthest below a bridge").
fact(bridge_window, [address:addr, space:oneof([mem, prefetchable, io]), base:address, limit:address],
     none, [pci, sysfs],
     "a bridge passes those addresses on to the bus behind it, both ends included").
fact(device_revision, [address:addr, revision:id], [address], [pci, sysfs],
     "the revision of a PCI function").
fact(device_header, [address:addr, type:id, multifunction:flag], [address], [pci, sysfs],
     "the header of a PCI function: 0 device, 1 bridge, 2 CardBus bridge; whether its device has more functions").
fact(device_subsystem, [address:addr, vendor:id, device:id], [address], [pci, sysfs],
     "the board that a PCI function is on").
fact(device_description, [address:addr, description:label(text)], [address], [pci],
     "what the dump calls the function").
fact(device_driver, [address:addr, driver:label(text)], [address], [pci],
     "the driver that the operating system had for the function").
fact(device_interrupt_line, [address:addr, line:id], [address], [pci, sysfs],
     "the interrupt line that the firmware wrote into the function").
fact(device_irq, [address:addr, irq:id], [address], [pci],
     "the number that the operating system gave the function's interrupt").
fact(device_msi, [address:addr, vectors:count, enabled:flag, bits:oneof([32, 64]), maskable:flag],
     [address], [pci, sysfs],
     "the function can signal so many interrupts by message (MSI)").
fact(device_msix, [address:addr, vectors:count, enabled:flag], [address], [pci, sysfs],
     "the function has a table of so many interrupt messages (MSI-X)").
fact(device_msix_table, [address:addr, table_bar:id, table_offset:bytes, pending_bar:id, pending_offset:bytes],
     [address], [pci, sysfs],
     "where the MSI-X table and its pending bits are: base address register and offset").
fact(pci_capability, [address:addr, name:term, offset:bytes], [address, offset], [pci, sysfs],
     "a capability of a PCI function; those from offset 256 on are extended ones").
fact(device_port, [address:addr, kind:atom], [address], [pci, sysfs],
     "what the function is on PCI Express: endpoint, root_port, upstream_port, ...").
fact(device_link, [address:addr, state:oneof([capability, status]), megatransfers_per_second:count, lanes:count],
     [address, state], [pci, sysfs],
     "the function's PCI Express link, at most and as it is; 0 and 0: it is down").
fact(ht_node, [address:addr, node:id, nodes:count], [address], [pci, sysfs],
     "the northbridge is that HyperTransport node of so many (AMD F0x60)").
fact(ht_route, [node:id, to:id, request:count, response:count, broadcast:count], [node, to], [pci, sysfs],
     "ports, as bit masks (1 itself, 2 << L link L), that messages of a node take to another (AMD F0x40)").
fact(ht_port, [node:id, link:id, kind:oneof([coherent, noncoherent])], [node, link], [pci, sysfs],
     "a HyperTransport link of a node is connected: to a node, or to I/O (AMD F0x98)").
fact(ht_dram, [node:id, base:address, limit:address], none, [pci, sysfs],
     "the northbridges send those addresses to the memory of that node, both ends included (AMD F1x40)").
fact(ht_bus, [node:id, link:id, first:id, last:id], none, [pci, sysfs],
     "the northbridges send those PCI buses to that link of that node (AMD F1xE0)").
fact(rootcomplex_addr, [package:term, address:addr], none, [pci],
     "the PCI root at that address hangs off that package").

fact(device_fixed, [address:addr], none, [a_priori],
     "the PCI function, and the bridges it is behind, must keep their addresses").

% -- sysfs

fact(cpu_node, [core:core, node:id], [core], [sysfs, hwloc],
     "the core is in that NUMA node").
fact(node_memory, [node:id, size:bytes], [node], [sysfs, hwloc],
     "the node has so much memory").
fact(node_local_core, [node:id, core:core], none, [sysfs, hwloc],
     "the node's memory is local to the core, though the core is in another node or the node has no cores").
fact(cpu_online, [core:core, online:flag], [core], [sysfs],
     "whether the kernel runs the core; only cores on line have a place in the machine").
fact(device_node, [address:addr, node:id], [address], [pci, sysfs, hwloc],
     "the PCI function is attached to that NUMA node").
fact(cpu_capacity, [core:core, capacity:count], [core], [sysfs, hwloc],
     "the core's compute capacity; the largest of a machine is 1024").

% -- hwloc

fact(device_link_speed, [address:addr, bandwidth:megabytes_per_second], [address], [pci, sysfs, hwloc],
     "the PCI Express link of the function is that fast").
fact(node_attribute, [node:id, name:text, initiators:list, value:count], none, [hwloc],
     "a memory attribute of hwloc's other than latency and bandwidth, as seen from those cores").

% -- measured

fact(core_latency, [from:core, to:core, latency:number, unit:oneof([ns, cycles])], [from, to], [measured],
     "one-way latency of a message between two cores, measured; cycles of the sending core").
fact(message_rtt, [from:core, to:core, mean:number, variance:number, min:number, max:number],
     [from, to], [measured],
     "round trip of a message between two cores, in cycles of the sending core").
fact(message_rate, [from:core, to:core, rate:number], [from, to], [measured],
     "so many messages from core to core in a thousand cycles of the sending one, 16 of them always under way").

% -- a priori

fact(machine, [name:atom], 0, [a_priori],
     "the machine's name").
fact(dump, [source:atom, file:text], none, [a_priori],
     "what that source says was read from that file of the machine's folder").
fact(ht_link, [a:id, b:id], none, [a_priori],
     "two packages are connected directly, in both directions").
fact(tile, [package:id, column:id, row:id], [package], [a_priori],
     "the package is the tile at that place of a mesh, counted from 0; messages go along the row first (XY routing)").
fact(mesh_clock, [clock:hertz], 0, [a_priori],
     "the clock of the mesh's routers").
fact(memory_controller, [controller:id, package:id], [controller], [a_priori],
     "a memory controller sits at the router of that tile; its number is that of its NUMA node").
fact(message_buffer, [core:core, size:bytes, line_size:bytes], [core], [a_priori],
     "the core's part of its tile's message-passing buffer, which every core of the mesh can read and write").
fact(test_and_set, [core:core, registers:count], [core], [a_priori],
     "so many test-and-set registers guard the core's message-passing buffer").
fact(coherence_domain, [core:core, domain:label(id)], [core], [a_priori],
     "hardware keeps the caches of the cores of a domain coherent; a machine that states none is one domain").
fact(memory_domain, [core:core, domain:label(id)], [core], [a_priori],
     "the cores of a domain can map the same memory; a machine that states none is one domain").
fact(clock_domain, [core:core, domain:label(id)], [core], [a_priori],
     "the cores of a domain change their clock together").
fact(voltage_domain, [core:core, domain:label(id)], [core], [a_priori],
     "the cores of a domain change their voltage together").
fact(device_core, [address:addr, core:core], none, [a_priori],
     "the core is on the card that is that PCI function").
fact(cpu_isa, [core:core, isa:atom], [core], [a_priori],
     "the core executes that instruction set, whatever its architecture is called").
fact(cache_share, [a:core, b:core, level:level], none, [a_priori],
     "two cores share a cache of that level").
fact(fpu_switching, [mode:oneof([lazy, eager])], 0, [a_priori],
     "when floating-point registers are saved: when another thread wants them (lazy, if nothing is said), or always").
fact(timer_drift, [core:core, ppb:int], [core], [a_priori],
     "the core's timer gains so many parts in a billion; nobody on the machine knows but by comparing timers").
fact(tsc_offset, [core:core, offset:int], [core], [a_priori],
     "the core's time-stamp counter is so many ns ahead of where those of others stand at 0").
fact(cost, [name:atom, value:number, unit:oneof([ns, us, ms, s, cycles, bytes, words, messages, packets]), source:text], [name], [a_priori],
     "what a mechanism costs on this machine, and who says so").
fact(parallelapp, [name:atom, max_threads:count, more_cores_better:flag, synchronisation_intensive:flag],
     [name], [a_priori],
     "an application's ability to use cores, for thread allocation").
fact(traffic, [group:atom, from:id, to:id, weight:number], [group, from, to], [a_priori],
     "in domains with that group of dispatchers (main, where the manifest names none) one sends another so many messages, against others").
fact(io_share, [group:atom, percent:percent], [group], [a_priori],
     "in domains with that group of dispatchers (main, where the manifest names none) they wait for devices so much of the time that they are given").
fact(wrong, [fact:pattern], none, [a_priori],
     "what dumps say is wrong: facts of sources of lower precedence that match are not believed").

% -- placement

fact(manifest, [manifest:id], [manifest], [placement],
     "a manifest that was submitted; its number is core << 16 | index").
fact(manifest_phase, [manifest:id, phase:id, group:atom, parameters:term], [manifest, phase, group], [placement],
     "what each dispatcher of a group asks for in a phase: best_effort(Weight), hard(Wcet, Period, Deadline, Release), gang(Wcet, Period, Deadline, Release) or soft(Wcet, Period), times in ns, release may be auto").
fact(manifest_group, [manifest:id, group:atom, members:term], [manifest, group], [placement],
     "the dispatchers of a group: a list of numbers, or rest").
fact(allocation, [domain:id, dispatcher:id, core:core], [domain, dispatcher], [placement],
     "a dispatcher is placed on that core").
fact(granted, [domain:id, dispatcher:id, phase:id, parameters:term, asked:term], [domain, dispatcher, phase], [placement],
     "the scheduling parameters granted to a dispatcher for a phase, and those its manifest asked for").
fact(domain_manifest, [domain:id, manifest:id], [domain], [placement],
     "the domain runs by that manifest").
fact(domain_phase, [domain:id, phase:id], [domain], [placement],
     "the phase that the domain is in").
fact(dispatcher_group, [domain:id, dispatcher:id, group:atom], [domain, dispatcher], [placement],
     "the dispatcher is of that group of its domain's manifest").
fact(timeslot, [domain:id, phase:id, who:term, offset:nanoseconds, found:atom], [domain, phase, who], [placement],
     "in that phase, whatever others do, the periods of a gang (its group) or a dispatcher (its number) begin at that offset of the synchronised clocks").
fact(combination_slots, [combination:term, offsets:term, found:atom], [combination], [placement],
     "where no timeslots hold for all combinations of phases: those of one, each u(Domain, Phase, Who)-Offset").
fact(built_for, [domain:id, isas:term], [domain], [placement],
     "the domain's image is built for a list of instruction sets only").
fact(timers_synchronised, [clock:oneof([tsc, pit, messages]), error:nanoseconds], 0, [placement],
     "the cores' timers were put in step by that clock last, to within so much of each other").
fact(timer_offset, [core:core, offset:int], [core], [placement],
     "the core's timer was so many ns ahead of the first core's when they were last compared").
fact(timer_drift_measured, [core:core, ppb:int], [core], [placement],
     "the core's timer was seen to gain so many parts in a billion on the first core's").
fact(offline, [core:core], [core], [placement],
     "the core was taken off line: nothing is placed there").
fact(considered,
     [domain:id, dispatcher:id, policy:atom, core:core, cost:number, alternatives:term, forbidden:term],
     [domain, dispatcher], [placement],
     "why a dispatcher is where it is: the cost of its core, the best others as Core-Cost, forbidden(ByPolicy, NoRoom, SameGang) numbers of cores").

fact(can_spare, [domain:id, cores:count], [domain], [placement],
     "the domain says that it could do with so many cores fewer").
fact(wants_cores, [domain:id, cores:count], [domain], [placement],
     "the domain says that it could make use of so many cores more").
fact(may_reclaim, [domain:id, cores:count], [domain], [a_priori],
     "to make room for others the domain may be asked for so many cores, though it has not said that it can spare them").
fact(asked_back, [domain:id, core:core], none, [placement],
     "the domain has been asked to give up the core, and has some time left for it").
fact(gave_up, [domain:id, dispatcher:id, core:core], [domain, dispatcher], [placement],
     "the dispatcher has ended, and given up that core").
fact(virtualised, [domain:id, dispatcher:id, core:core], [domain, dispatcher], [placement],
     "the dispatcher did not give up that core in time, and is multiplexed on another of its domain's").
fact(unganged, [domain:id, group:atom], none, [placement],
     "that gang of the domain's is best effort, since two of its members share a core").

% -- derived

derived(core, [core:core], nondet,
        "Core is a core (hardware thread) of the machine, by the operating system's number").
derived(apic_of, [core:core, apic_id:id], nondet,
        "Core has that local APIC id").
derived(package_of, [core:core, package:id], nondet,
        "Core is on Package").
derived(die_of, [core:core, die:id], nondet,
        "Core is on Die").
derived(cluster_of, [core:core, cluster:id], nondet,
        "Core belongs to Cluster").
derived(node_of, [core:core, node:id], nondet,
        "Core is in NUMA node Node; a machine that states no nodes is node 0").
derived(thread_of, [core:core, thread:id], nondet,
        "Core is the hardware thread of that number on its physical core").
derived(sibling, [a:core, b:core], nondet,
        "A and B are hardware threads of one physical core").
derived(core_type, [core:core, kind:atom], nondet,
        "Core is of that kind; uniform where the machine tells no kinds apart").
derived(isa_of, [core:core, isa:atom], nondet,
        "Core executes the instruction set Isa").
derived(on_line, [core:core], nondet,
        "Core has not been taken off line since the machine booted").
derived(clock_hz, [core:core, clock:hertz], nondet,
        "cycles of Core are counted at that clock").
derived(shares_cache, [a:core, b:core, level:level], nondet,
        "two distinct cores share a data or unified cache of that level").
derived(cache_of, [core:core, level:level, size:bytes, line_size:bytes], nondet,
        "Core has a data or unified cache of that level").
derived(package_link, [a:id, b:id], nondet,
        "two packages are connected directly").
derived(hops, [a:core, b:core, hops:count], nondet,
        "messages between two cores cross so many links between packages; 0 within a package").
derived(package_hops, [a:id, b:id, hops:count], nondet,
        "the shortest way between two packages has so many links").
derived(distance, [a:core, b:core, latency:cycles], nondet,
        "one-way latency of a message from A to another core B, in cycles of A").
derived(distance_ns, [a:core, b:core, latency:nanoseconds], nondet,
        "one-way latency of a message from A to another core B").
derived(nearest_cores, [core:core, cores:list], det,
        "all other cores, nearest first: by latency, else shared cache, hops and number").
derived(nearest_cores, [core:core, count:count, cores:list], det,
        "the nearest so many other cores").
derived(cores_of_package, [package:id, cores:list], nondet,
        "the cores on Package, ascending").
derived(cores_of_node, [node:id, cores:list], nondet,
        "the cores in NUMA node Node, ascending").
derived(domain_node, [domain:id, node:id], nondet,
        "Node is the operating system's number of the firmware's proximity domain Domain").
derived(closest_memory, [core:core, node:id], semidet,
        "Node has memory, and none that has is closer to Core").
derived(device_near, [address:addr, cores:list], nondet,
        "the cores closest to a PCI function, ascending").
derived(route, [a:core, b:core, packages:list], semidet,
        "the packages that a message from A to B passes, both ends included").
derived(package_route, [a:id, b:id, packages:list], semidet,
        "the packages on the way from one to the other, both included").
derived(monitor_route, [mode:atom, a:core, b:core, cores:list], semidet,
        "the cores whose monitors pass a message on, from a to b: direct, by the ring of all, or by package leaders (tree)").
derived(cycles_per_hop, [latency:cycles], semidet,
        "each further link between packages makes a message later by so many cycles").
derived(memory_at, [address:address, node:id], semidet,
        "the byte at that physical address is in the memory of Node").
derived(memory_distance, [core:core, node:id, distance:count], semidet,
        "relative distance from Core to the memory of Node; 10 is local, 255 cannot be reached").
derived(same_memory_link, [a:core, b:core], nondet,
        "two cores reach their closest memory over the same memory controller").
derived(access_ns, [core:core, address:address, latency:nanoseconds], semidet,
        "Core reads the byte at that physical address, uncached, in so many ns").
derived(buffer_node, [sender:core, receiver:core, node:id], semidet,
        "messages between two cores are best kept in the memory of Node").
derived(cores_by_memory, [groups:list], det,
        "Node-Cores for each node that is the closest memory of some cores").
derived(equal_cores, [groups:list], det,
        "groups of cores that nothing but their numbers tells apart").
derived(equal_cores, [core:core, cores:list], semidet,
        "the cores that nothing but their numbers tells from Core, itself included").
derived(interrupt_gsi, [address:addr, gsi:id], nondet,
        "the pin of the PCI function raises that global system interrupt").
derived(isa_gsi, [irq:id, gsi:id, trigger:oneof([edge, level]), polarity:oneof([high, low])], det,
        "the ISA interrupt arrives as that global system interrupt").
derived(ioapic_input, [gsi:id, ioapic:id, input:id], semidet,
        "the global system interrupt is that input of that I/O APIC").
derived(interrupt_plan, [plan:list], det,
        "interrupt(Address, Source, Core, Vector) for each interrupt, spread over the cores near its function").
derived(interrupt_core, [address:addr, core:core], semidet,
        "the plan sends the first interrupt of the PCI function to that core").
derived(pci_roots, [buses:list], det,
        "the PCI buses that no bridge leads to").
derived(pci_windows, [bus:term, windows:list], det,
        "what the root of a PCI bus decodes: window(Space, From, To), To excluded").
derived(pci_problem, [bus:term, problem:term], det,
        "problem(Registers, Windows, Buses): how much there is to arrange behind the root bus").
derived(pci_plan, [bus:term, plan:term], semidet,
        "plan(Regions, Used, Wasted, Bound) gives everything behind the root bus its addresses").
derived(pci_refusal, [bus:term, reason:text], nondet,
        "why there is no plan for the root bus").
derived(multicast_tree, [root:core, cores:list, tree:term], semidet,
        "tree(Core, Subtrees) that brings a message from Root to all Cores soonest, of those we know to make").
derived(multicast_sends, [tree:term, sends:list], semidet,
        "the messages of a tree, each send(From, To, Start, Arrival) in ns after the root began").
derived(multicast_cost, [tree:term, latency:nanoseconds], semidet,
        "all cores of a tree have the message so many ns after its root began").
derived(broadcast_cost, [root:core, cores:list, method:atom, latency:nanoseconds], nondet,
        "what a message to all Cores takes in ns: unicast, by_package, passed_on, multicast_tree, best (up to 6)").
derived(layout_cost, [traffic:list, layout:list, cost:number], det,
        "what the messages of Traffic, a list of traffic(From, To, Weight), take in a layout (Dispatcher-Core), in ns").
derived(least_layout, [traffic:list, cores:term, plan:term], det,
        "the cheapest layout on a list of cores, or any: plan(Layout, Cost, Bound, exact or repair), in ns").
derived(quick_layout, [traffic:term, dispatchers:list, cores:list, layout:list, shares:list], det,
        "a good layout of all dispatchers on these cores, as fast as a placement needs it, and what each one's messages cost").
derived(traffic_between, [dispatchers:list, traffic:term], det,
        "who talks to whom in the domain being placed: by traffic/4, or evenly").
derived(cost_of, [name:atom, value:number, unit:atom, source:text], nondet,
        "what a mechanism costs on this machine, defaults included").
derived(line_transfer, [from:core, to:core, latency:cycles], nondet,
        "moving a cache line between two cores takes so many cycles of the receiver").
derived(coherent, [a:core, b:core], nondet,
        "hardware keeps the caches of two cores coherent").
derived(shares_memory, [a:core, b:core], nondet,
        "two cores can map the same memory").
derived(linux_cpu, [core:core, cpu:id], nondet,
        "the Linux that runs on the core calls it CPU number Cpu; the same, but where caches are not coherent").
derived(linux_memory, [core:core, node:id], nondet,
        "the Linux that runs on the core calls the NUMA node whose memory is closest by that number").
derived(numbered_by, [who:oneof([kernel, firmware, description])], det,
        "whose the numbers of cores are").
derived(mpb_access, [from:core, to:core, operation:oneof([read, write]), latency:cycles], nondet,
        "a core's read of a word of another's message-passing buffer, or its write of a line, takes so many of its cycles").
derived(memory_access, [core:core, controller:id, latency:cycles], nondet,
        "a core's uncached read of a word behind a memory controller takes so many of its cycles").
derived(fact_source, [fact:pattern, source:atom], nondet,
        "the fact holds because Source says so").
derived(contradiction, [fact:pattern, source:atom, other:pattern, other_source:atom], nondet,
        "Fact holds because Source says so, which overrules Other that OtherSource says; both cannot be true").
derived(finding, [severity:oneof([error, warning, note]), rule:atom, text:text], nondet,
        "what is said of the machine does not fit together, or is unlikely: Text says what, Rule which rule says so").
derived(load, [core:core, load:percent], nondet,
        "by so many percent more time does a best-effort dispatcher finish its work on Core than alone").
derived(utilisation, [core:core, utilisation:number], nondet,
        "the largest share of Core that hard real time may take in any combination of phases").
derived(sibling_load, [core:core, load:percent], det,
        "sum of the loads of the other hardware threads of Core's physical core").
derived(package_load, [core:core, load:percent], semidet,
        "mean load of the cores on Core's package").
derived(peers, [core:core, count:count], det,
        "so many dispatchers of the domain being placed are on Core so far").
derived(package_peers, [core:core, count:count], semidet,
        "so many dispatchers of the domain being placed are on Core's package so far").
derived(spread, [dispatcher:id, core:core, hops:number], semidet,
        "mean hops from Core to the dispatchers of the domain being placed; 0 for its first").
derived(component, [domain:id, domains:list], semidet,
        "Domains share cores for hard real time with Domain, directly or by others").
derived(next_combinations, [domains:list, combinations:list], det,
        "the combinations of phases of a component, lists of Domain-Phase: the present one, then those nearest to it, at most 256").
derived(schedule, [combination:list, slots:list, how:term], det,
        "what each dispatcher of a component gets in that combination of phases: slot(Domain, Dispatcher, Core, Parameters, Offset); how(static or separate, how it was found, empty slots, the fewest that can be)").
derived(ousterhout_rows, [domains:list, rows:list], det,
        "rows of Domains that have no core in common, those that the row is for first: whose turn it is at a time").
derived(reference_clock, [clock:atom], det,
        "timers are put in step by that clock: tsc, pit or messages").
derived(clock_error, [nanoseconds:nanoseconds], det,
        "timers may be apart by so much at any time, as they were put in step last and drift").
derived(clock_error, [clock:atom, nanoseconds:nanoseconds], nondet,
        "timers that have just been put in step by Clock differ by so much at most").
derived(resynchronise_after, [nanoseconds:nanoseconds], semidet,
        "after so long, timers that drift as measured are to be put in step again").
derived(asks, [dispatcher:id, group:atom, phases:list], nondet,
        "Dispatcher of the domain being placed asks for that in each phase").
derived(room_at, [core:core, parameters:term, offset:nanoseconds], semidet,
        "a gang with such parameters has room on Core at that offset, in every combination of phases").
derived(time_slots, [period:nanoseconds, offsets:list], det,
        "the offsets in a period at which gangs or hard real time begin").
derived(busy_share, [core:core, percent:percent], det,
        "what hard real time uses of Core at most, less what gangs wait for devices (io_share/2)").
derived(io_bound, [group:atom], semidet,
        "gangs of Group wait for devices at least half of their time").
derived(gang_row, [dispatcher:id, offset:nanoseconds, cores:list], semidet,
        "the gang of Dispatcher, which is being placed, best fits the time slot at that offset, which has room on Cores").
derived(least_loaded, [cores:list, core:core], semidet,
        "none of Cores has less load than Core").
derived(least_loaded_near, [address:addr, core:core], semidet,
        "of the cores closest to a PCI function, Core has the least load").
derived(explain, [domain:id, reasons:list], semidet,
        "why each dispatcher of Domain is where it is").
derived(may_ask, [domain:id, cores:list], nondet,
        "to make room for others Domain may be asked to give up Cores, the first ones first").
derived(policies, [policies:list], det,
        "the placement policies, each policy(Name, Description)").
derived(record, [name:atom, attributes:list], nondet,
        "there is a record of that Name; Attributes are its Attribute=Value, by name (oct sets records)").
derived(record_attribute, [name:atom, attribute:atom, value:term], nondet,
        "the record of that Name has the Attribute with that Value").

%!  untold(?Predicate, ?Argument, ?Value, ?Sources) is nondet.
%
%   Where one of Sources (a list, or `all`) says Value of that argument of Predicate, it does not know: what another
%   source says of it is no contradiction.

untold(cpu_cache/9, size, 0, all).
untold(cpu_cache/9, associativity, 0, all).
untold(cpu_cache/9, line_size, 0, all).
untold(cpu_cache/9, inclusive, unknown, all).
untold(memory_side_cache/6, associativity, unknown, all).
untold(memory_side_cache/6, write_policy, unknown, all).
untold(bar/7, size, 0, all).                    % lspci without -v tells no sizes
untold(expansion_rom/3, size, 0, all).
untold(device/8, interrupt_pin, -1, [hwloc]).
untold(device/8, interface, 0, [hwloc]).        % its XML has it from format 3 on
untold(bridge/8, interface, 0, [hwloc]).
untold(device/8, bus_type, pci, [pci, sysfs, hwloc]).   % PCI Express is seen by its capability alone
untold(bridge/8, bus_type, pci, [pci, sysfs, hwloc]).
untold(device_link_speed/2, bandwidth, 0, all).

%!  declared(?Name, ?Arity, ?Kind, ?Args, ?Key, ?Meaning) is nondet.
%
%   Name/Arity is a `fact` or `derived` predicate (Kind) with arguments Args, a list of Name:Type. Key is
%   a list of argument names, or `none`.

declared(Name, Arity, Kind, Args, Key, Meaning) :-
    (   Kind == fact
    ->  declared_fact(Name, Arity, Args, Key, Meaning)
    ;   Kind == derived
    ->  Key = none,
        derived(Name, Args, _, Meaning),
        length(Args, Arity)
    ;   Kind = fact,
        declared_fact(Name, Arity, Args, Key, Meaning)
    ;   Kind = derived,
        declared(Name, Arity, derived, Args, Key, Meaning)
    ).

declared_fact(Name, Arity, Args, Key, Meaning) :-
    fact(Name, Args, Key0, _, Meaning),
    length(Args, Arity),
    key_names(Key0, Args, Key).

key_names(none, _, none) :- !.
key_names(Count, Args, Names) :-
    integer(Count),
    !,
    length(Leading, Count),
    append(Leading, _, Args),
    argument_names(Leading, Names).
key_names(Names, _, Names).

argument_names([], []).
argument_names([Name:_|Args], [Name|Names]) :-
    argument_names(Args, Names).

%!  declared_source(?Name, ?Arity, ?Source) is nondet.
%
%   Source asserts facts Name/Arity.

declared_source(Name, Arity, Source) :-
    fact(Name, Args, _, Sources, _),
    length(Args, Arity),
    member(Source, Sources).

%!  determinism(?Name, ?Arity, ?Determinism) is nondet.
%
%   The derived predicate Name/Arity is det, semidet or nondet.

determinism(Name, Arity, Determinism) :-
    derived(Name, Args, Determinism, _),
    length(Args, Arity).

%!  key_positions(+Name, +Arity, -Positions) is semidet.
%
%   Positions (1-based) of the arguments that identify a fact; fails for a relation.

key_positions(Name, Arity, Positions) :-
    length(Args, Arity),
    fact(Name, Args, Key0, _, _),
    !,
    key_names(Key0, Args, Key),
    Key \== none,
    findall(Position, (nth1(Position, Args, Arg:_), memberchk(Arg, Key)), Positions).

%!  label_positions(+Name, +Arity, -Positions) is det.
%
%   Positions (1-based) of the arguments of a fact that sources name as they please.

label_positions(Name, Arity, Positions) :-
    length(Args, Arity),
    (   fact(Name, Args, _, _, _)
    ->  findall(Position, nth1(Position, Args, _:label(_)), Positions)
    ;   Positions = []
    ).

%!  suggestion(+Name, +Arity, -Text) is det.
%
%   What the user may have meant by the undeclared Name/Arity: the same name with other arguments, else the
%   declared fact whose name takes the fewest edits; text to follow a message, empty when nothing is near.

suggestion(Name, _, Text) :-
    declared(Name, _, fact, Args, _, _),
    !,
    args_text(Args, ArgsText),
    format(string(Text), "; it is ~w(~w)", [Name, ArgsText]).
suggestion(Name, _, Text) :-
    declared(Name, _, derived, _, _, _),
    !,
    format(string(Text), "; ~w is concluded by rules, it cannot be asserted", [Name]).
suggestion(Name, Arity, Text) :-
    atom_codes(Name, Codes),
    findall(Edits-(Other/OtherArity),
            ( declared(Other, OtherArity, fact, _, _, _),
              atom_codes(Other, OtherCodes),
              edits(Codes, OtherCodes, Between),
              Edits is 4*Between + sign(abs(Arity - OtherArity))
            ),
            Found),
    keysort(Found, [Fewest-Nearest|_]),
    length(Codes, Length),
    (   Fewest =< 4 * max(1, Length // 3) + 1
    ->  format(string(Text), "; did you mean ~w?", [Nearest])
    ;   Text = "; facts lists those there are"
    ).

args_text(Args, Text) :-
    findall(Name, member(Name:_, Args), Names),
    atomic_list_concat(Names, ', ', Text).

%   edits(+Codes, +Others, -Edits): Levenshtein distance, a row of the table at a time.

edits(Codes, Others, Edits) :-
    length(Others, Length),
    numlist(0, Length, Row),
    foldl(next_row(Others), Codes, Row, Last),
    last(Last, Edits).

next_row(Others, Code, [Corner|Row], [First|Next]) :-
    First is Corner + 1,
    next_cells(Others, Code, Corner, Row, First, Next).

next_cells([], _, _, [], _, []).
next_cells([Other|Others], Code, Corner, [Above|Row], Left, [Cell|Next]) :-
    (   Code == Other
    ->  Cell = Corner
    ;   Cell is min(Corner, min(Above, Left)) + 1
    ),
    next_cells(Others, Code, Above, Row, Cell, Next).
