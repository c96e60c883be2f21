:- encoding(utf8).
:- module(examples,
          [ example/3                   % ?Name, ?Arity, ?Goal
          ]).

/** <module> A question by each derived predicate, as `help NAME` shows it

The goals are text, so that their variables keep their names. Each has an answer on the 4×4-core AMD system (amd-4x4),
unless that lacks what is asked for, such as message-passing buffers; the tests ask them all.
*/

%!  example(?Name:atom, ?Arity:integer, ?Goal:string) is nondet.
%
%   Goal asks by Name/Arity.

example(core, 1, "core(Core)").
example(apic_of, 2, "apic_of(3, Apic)").
example(package_of, 2, "package_of(Core, 1)").
example(die_of, 2, "die_of(Core, 0)").
example(cluster_of, 2, "cluster_of(Core, 0)").
example(node_of, 2, "node_of(5, Node)").
example(thread_of, 2, "thread_of(0, Thread)").
example(sibling, 2, "sibling(0, Core)").
example(core_type, 2, "core_type(Core, efficiency)").
example(isa_of, 2, "isa_of(0, Isa)").
example(on_line, 1, "on_line(Core)").
example(clock_hz, 2, "clock_hz(0, Hz)").
example(shares_cache, 3, "shares_cache(0, Core, 3)").
example(cache_of, 4, "cache_of(0, Level, Size, Line)").
example(package_link, 2, "package_link(0, Package)").
example(hops, 3, "hops(0, 15, Hops)").
example(package_hops, 3, "package_hops(0, 3, Hops)").
example(distance, 3, "distance(0, 12, Cycles)").
example(distance_ns, 3, "distance_ns(0, 12, Ns)").
example(nearest_cores, 2, "nearest_cores(0, Cores)").
example(nearest_cores, 3, "nearest_cores(0, 5, Cores)").
example(cores_of_package, 2, "cores_of_package(1, Cores)").
example(cores_of_node, 2, "cores_of_node(2, Cores)").
example(domain_node, 2, "domain_node(0, Node)").
example(closest_memory, 2, "closest_memory(5, Node)").
example(device_near, 2, "device_near(addr(1, 0, 0), Cores)").
example(route, 3, "route(0, 15, Packages)").
example(package_route, 3, "package_route(0, 3, Packages)").
example(cycles_per_hop, 1, "cycles_per_hop(Cycles)").
example(monitor_route, 4, "monitor_route(tree, 1, 14, Cores)").
example(memory_at, 2, "memory_at(0x100000000, Node)").
example(memory_distance, 3, "memory_distance(15, 0, Distance)").
example(same_memory_link, 2, "same_memory_link(5, Core)").
example(access_ns, 3, "access_ns(0, 0x100000000, Ns)").
example(buffer_node, 3, "buffer_node(0, 12, Node)").
example(cores_by_memory, 1, "cores_by_memory(Groups)").
example(equal_cores, 1, "equal_cores(Groups)").
example(equal_cores, 2, "equal_cores(0, Cores)").
example(interrupt_gsi, 2, "interrupt_gsi(addr(0, 5, 0), Gsi)").
example(isa_gsi, 4, "isa_gsi(0, Gsi, Trigger, Polarity)").
example(ioapic_input, 3, "ioapic_input(2, IoApic, Input)").
example(interrupt_plan, 1, "interrupt_plan(Plan)").
example(interrupt_core, 2, "interrupt_core(addr(1, 0, 0), Core)").
example(pci_roots, 1, "pci_roots(Buses)").
example(pci_windows, 2, "pci_windows(0, Windows)").
example(pci_problem, 2, "pci_problem(0, Problem)").
example(pci_plan, 2, "pci_plan(0, Plan)").
example(pci_refusal, 2, "pci_refusal(0, Reason)").
example(multicast_tree, 3, "multicast_tree(0, [1, 2, 4, 8, 12], Tree)").
example(multicast_sends, 2, "multicast_tree(0, [1, 4, 5], Tree), multicast_sends(Tree, Sends)").
example(multicast_cost, 2, "multicast_tree(0, [1, 4, 5], Tree), multicast_cost(Tree, Ns)").
example(broadcast_cost, 4, "broadcast_cost(0, [1, 2, 4, 5, 8], Method, Ns)").
example(layout_cost, 3, "layout_cost([traffic(a, b, 10), traffic(b, c, 1)], [a-0, b-1, c-12], Ns)").
example(least_layout, 3, "least_layout([traffic(a, b, 10), traffic(b, c, 1)], any, Plan)").
example(quick_layout, 5, "quick_layout(evenly, [0, 1, 2], [0, 4, 5, 6], Layout, Shares)").
example(traffic_between, 2, "traffic_between([0, 1], Traffic)").
example(cost_of, 4, "cost_of(context_switch, Value, Unit, Source)").
example(line_transfer, 3, "line_transfer(0, 12, Cycles)").
example(coherent, 2, "coherent(0, 12)").
example(linux_cpu, 2, "linux_cpu(5, Cpu)").
example(linux_memory, 2, "linux_memory(5, Node)").
example(numbered_by, 1, "numbered_by(Who)").
example(shares_memory, 2, "shares_memory(0, 12)").
example(mpb_access, 4, "mpb_access(0, 47, read, Cycles)").
example(memory_access, 3, "memory_access(0, Controller, Cycles)").
example(fact_source, 2, "fact_source(cpu_clock(0, Hz), Source)").
example(contradiction, 4, "contradiction(Fact, Source, Other, OtherSource)").
example(finding, 3, "finding(Severity, Rule, Text)").
example(load, 2, "load(0, Percent)").
example(utilisation, 2, "utilisation(0, Share)").
example(sibling_load, 2, "sibling_load(0, Percent)").
example(package_load, 2, "package_load(0, Percent)").
example(peers, 2, "peers(0, Count)").
example(package_peers, 2, "package_peers(0, Count)").
example(spread, 3, "spread(0, 5, Hops)").
example(component, 2, "component(1, Domains)").
example(next_combinations, 2, "component(1, Domains), next_combinations(Domains, Combinations)").
example(schedule, 3, "component(1, Domains), next_combinations(Domains, [Now|_]), schedule(Now, Slots, How)").
example(ousterhout_rows, 2, "ousterhout_rows([1, 2], Rows)").
example(reference_clock, 1, "reference_clock(Clock)").
example(clock_error, 1, "clock_error(Nanoseconds)").
example(clock_error, 2, "clock_error(Clock, Nanoseconds)").
example(resynchronise_after, 1, "resynchronise_after(Nanoseconds)").
example(asks, 3, "asks(0, Group, Phases)").
example(room_at, 3, "room_at(0, gang(20000000, 80000000, 20000000, auto), 0)").
example(time_slots, 2, "time_slots(80000000, Offsets)").
example(busy_share, 2, "busy_share(0, Percent)").
example(io_bound, 1, "io_bound(Group)").
example(gang_row, 3, "gang_row(0, Offset, Cores)").
example(least_loaded, 2, "least_loaded([4, 5, 6], Core)").
example(least_loaded_near, 2, "least_loaded_near(addr(1, 0, 0), Core)").
example(explain, 2, "explain(1, Reasons)").
example(may_ask, 2, "may_ask(Domain, Cores)").
example(policies, 1, "policies(Policies)").
example(record, 2, "record(Name, Attributes)").
example(record_attribute, 3, "record_attribute(Name, Attribute, Value)").
