:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module('../../rules/store', [load_facts/2, forget_machine/0]).
:- use_module('../../rules/disagreement').
:- use_module('../../rules/topology', [domain_node/2]).

%   said(+Source, +Facts): what the sources of a test's machine say, and nothing else.

supposing(Said) :-
    forget_machine,
    forall(member(Source-Facts, Said), load_facts(Source, Facts)).

disagreements(Said, Pairs) :-
    supposing(Said),
    findall(by(Source, Fact)-by(Other, Fact2), contradiction(Fact, Source, Fact2, Other), Pairs).

cache(Core, Ways, Shared, Inclusive, cpu_cache(Core, l2, 2, unified, 1048576, Ways, 64, Shared, Inclusive)).

threads(Places, Facts) :-
    findall(cpu_thread(Core, Package, Within, Thread), member(Core-(Package/Within/Thread), Places), Facts).

:- begin_tests(disagreement, [cleanup(forget_machine)]).

test(what_one_source_does_not_know_is_no_contradiction, Pairs == []) :-
    cache(0, 16, 1, 1, Known),
    cache(0, 0, 1, unknown, Unknown),
    disagreements([cpuid-[Known], sysfs-[Unknown]], Pairs).

test(what_both_know_is, Pairs == [by(cpuid, Known)-by(sysfs, Other)]) :-
    cache(0, 16, 1, 1, Known),
    cache(0, 8, 1, unknown, Other),
    disagreements([sysfs-[Other], cpuid-[Known]], Pairs).

test(hwloc_tells_no_interrupt_pins, Pairs == []) :-
    disagreements([ pci-[device(pcie, addr(0, 1, 0), 1, 2, 2, 0, 16, 0)],
                    hwloc-[device(pci, addr(0, 1, 0), 1, 2, 2, 0, 0, -1)] ], Pairs).

test(hwloc_tells_vendors, Vendors == [1, 9]) :-
    disagreements([ pci-[device(pcie, addr(0, 1, 0), 1, 2, 2, 0, 16, 0)],
                    hwloc-[device(pci, addr(0, 1, 0), 9, 2, 2, 0, 0, -1)] ], Pairs),
    findall(Vendor, ( member(One-Other, Pairs), member(by(_, Fact), [One, Other]), arg(3, Fact, Vendor) ), Vendors0),
    sort(Vendors0, Vendors).

test(packages_and_cores_may_have_other_numbers, Pairs == []) :-
    threads([0-(0/0/0), 1-(0/1/0), 2-(1/0/0), 3-(1/0/1)], Ours),
    threads([0-(7/4/0), 1-(7/2/0), 2-(0/9/1), 3-(0/9/0)], Theirs),
    disagreements([cpuid-Ours, sysfs-Theirs], Pairs).

test(the_numbers_of_packages_can_be_told, all(Pairs == [[0-7, 1-0]])) :-
    threads([0-(0/0/0), 1-(0/1/0), 2-(1/0/0), 3-(1/0/1)], Ours),
    threads([0-(7/4/0), 1-(7/2/0), 2-(0/9/1), 3-(0/9/0)], Theirs),
    supposing([cpuid-Ours, sysfs-Theirs]),
    renumbered_packages(cpuid, sysfs, Pairs).

test(other_packages_are_a_contradiction, Cores == [1, 2]) :-
    threads([0-(0/0/0), 1-(0/1/0), 2-(1/0/0), 3-(2/0/0)], Ours),
    threads([0-(0/0/0), 1-(1/1/0), 2-(1/2/0), 3-(2/0/0)], Theirs),
    disagreements([cpuid-Ours, sysfs-Theirs], Pairs),
    findall(Core, member(by(cpuid, cpu_thread(Core, _, _, _))-_, Pairs), Cores0),
    sort(Cores0, Cores).

test(threads_of_one_core_are_not_two_cores, Cores == [1]) :-
    threads([0-(0/0/0), 1-(0/0/1)], Ours),
    threads([0-(0/0/0), 1-(0/1/0)], Theirs),
    disagreements([cpuid-Ours, hwloc-Theirs], Pairs),
    findall(Core, member(by(cpuid, cpu_thread(Core, _, _, _))-_, Pairs), Cores).

test(cores_that_one_source_does_not_have_are_left_out, Pairs == []) :-
    threads([0-(0/0/0), 1-(0/0/1), 2-(1/0/0)], Ours),
    threads([0-(0/0/0), 2-(1/0/0)], Theirs),
    cache(0, 8, 2, 0, Shared),
    cache(0, 8, 1, unknown, Alone),
    disagreements([cpuid-[Shared|Ours], sysfs-[Alone|Theirs]], Pairs).

test(a_correction_is_in_the_machine_s_own_numbers, Pairs == [by(a_priori, Stated)-by(cpuid, Dumped)]) :-
    Stated = cpu_thread(0, 3, 0, 0),
    Dumped = cpu_thread(0, 0, 0, 0),
    disagreements([cpuid-[Dumped], a_priori-[Stated]], Pairs).

test(a_measured_clock_is_the_nominal_one, Pairs == []) :-
    disagreements([cpuid-[cpu_clock(0, 2494000000)], sysfs-[cpu_clock(0, 2500000000)]], Pairs).

test(another_clock_is_another, Length == 1) :-
    disagreements([cpuid-[cpu_clock(0, 2200000000)], sysfs-[cpu_clock(0, 2500000000)]], Pairs),
    length(Pairs, Length).

test(linux_rounds_latencies_up, Pairs == []) :-
    disagreements([ acpi-[memory_latency(0, 0, read, 0, 90700)],
                    sysfs-[memory_latency(0, 0, read, 0, 91000)] ], Pairs).

test(hwloc_has_one_name_for_two_kinds_of_small_cores, Pairs == []) :-
    disagreements([cpuid-[cpu_kind(0, low_power)], hwloc-[cpu_kind(0, efficiency)]], Pairs).

test(sharing_is_compared_whatever_a_cache_is_called,
     Groups == [die-[2, 3]-[2], cache(3, unified)-[0, 1, 2, 3]-[0, 1]]) :-
    threads([0-(0/0/0), 1-(0/1/0), 2-(0/2/0), 3-(0/3/0)], Threads),
    findall(cpu_cache_id(Core, 3, unified, 0), between(0, 3, Core), Whole),
    findall(cpu_cache_id(Core, 3, unified, Half), ( between(0, 3, Core), Half is Core // 2 + 4 ), Halves),
    append([Threads, Whole, [cpu_die(0, 0), cpu_die(1, 0), cpu_die(2, 1), cpu_die(3, 1)]], Ours),
    append([Threads, Halves, [cpu_die(0, 5), cpu_die(1, 5), cpu_die(2, 3), cpu_die(3, 4)]], Theirs),
    supposing([cpuid-Ours, sysfs-Theirs]),
    findall(What-Cores-Others, grouped_otherwise(What, cpuid, Cores, sysfs, Others), Groups0),
    sort(Groups0, Groups).

%   Two nodes whose proximity domains are 1 and 2.

moved(Distance,
      [ sysfs-[ corename(0, x86_64, apic(0)), corename(1, x86_64, apic(2)), cpu_node(0, 0), cpu_node(1, 1),
                node_distance(0, 0, 10), node_distance(0, 1, 21), node_distance(1, 0, 21), node_distance(1, 1, 10) ],
        acpi-[ cpu_affinity(0, 0, 1), cpu_affinity(2, 0, 2),
               node_distance(1, 1, 10), node_distance(1, 2, Distance), node_distance(2, 1, 21),
               node_distance(2, 2, 10) ]
      ]).

test(domains_are_joined_to_nodes_by_their_processors, Pairs == [1-0, 2-1]) :-
    moved(21, Said),
    supposing(Said),
    findall(Domain-Node, domain_node(Domain, Node), Pairs).

test(a_domain_of_memory_alone_is_the_node_without_cores, Pairs == [1-0, 2-1, 4-2]) :-
    moved(21, Said),
    supposing(Said),
    load_facts(acpi, [memory_affinity(0, 4096, 1), memory_affinity(8192, 4096, 4)]),
    load_facts(sysfs, [node_memory(0, 4096), node_memory(1, 0), node_memory(2, 4096)]),
    findall(Domain-Node, domain_node(Domain, Node), Pairs).

test(where_no_system_tells_nodes_a_domain_has_its_own_number, Pairs == [1-1, 2-2]) :-
    supposing([acpi-[cpu_affinity(0, 0, 1), cpu_affinity(2, 0, 2)]]),
    findall(Domain-Node, domain_node(Domain, Node), Pairs).

test(distances_of_domains_are_compared_as_those_of_their_nodes, Pairs == []) :-
    moved(21, Said),
    disagreements(Said, Pairs).

test(and_contradict_where_those_differ, Pairs == [by(sysfs, node_distance(0, 1, 21))-by(acpi, node_distance(1, 2, 31))]) :-
    moved(31, Said),
    disagreements(Said, Pairs).

:- end_tests(disagreement).
