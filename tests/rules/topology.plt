:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(fixture).
:- use_module('../../rules/store').
:- use_module('../../rules/topology').
:- use_module('../../rules/distance').

:- begin_tests(four_by_four, [setup(four_by_four), cleanup(no_machine)]).

%   What the hardware is like, as a table of questions and all their answers.

answers(core(X), X, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]).
answers(core(15), yes, [yes]).
answers(core(16), yes, []).
answers(apic_of(3, X), X, [19]).
answers(apic_of(X, 19), X, [3]).
answers(package_of(5, X), X, [1]).
answers(package_of(X, 2), X, [8, 9, 10, 11]).
answers(package_of(99, X), X, []).
answers(die_of(5, X), X, [1]).
answers(cluster_of(5, X), X, []).
answers(node_of(5, X), X, [1]).
answers(node_of(X, 3), X, [12, 13, 14, 15]).
answers(node_of(X, 4), X, []).
answers(node_of(99, X), X, []).
answers(thread_of(5, X), X, [0]).
answers(sibling(5, X), X, []).
answers(core_type(5, X), X, [uniform]).
answers(clock_hz(5, X), X, [2500000000]).
answers(shares_cache(0, X, 3), X, [1, 2, 3]).
answers(shares_cache(X, 6, 3), X, [4, 5, 7]).
answers(shares_cache(0, X, 2), X, []).
answers(shares_cache(0, 3, X), X, [3]).
answers(shares_cache(0, 4, X), X, []).
answers(shares_cache(0, 0, X), X, []).
answers(cache_of(0, X, _, _), X, [1, 2, 3]).
answers(cache_of(0, 3, X, _), X, [6291456]).
answers(cache_of(0, 3, _, X), X, [64]).
answers(package_link(0, X), X, [1, 2]).
answers(package_link(3, X), X, [1, 2]).
answers(package_hops(0, X, 2), X, [3]).
answers(hops(0, 3, X), X, [0]).
answers(hops(0, 0, X), X, [0]).
answers(hops(0, 4, X), X, [1]).
answers(hops(0, 12, X), X, [2]).
answers(hops(12, X, 2), X, [0, 1, 2, 3]).
answers(distance(0, 1, X), X, [448]).
answers(distance(0, 8, X), X, [545]).
answers(distance(0, 12, X), X, [558]).
answers(distance(0, 0, X), X, []).
answers(distance(0, 99, X), X, []).
answers(distance(15, X, 448), X, [12, 13, 14]).
answers(distance_ns(0, 12, X), X, [223.2]).
answers(nearest_cores(5, X), X, [[4, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]]).
answers(nearest_cores(5, 3, X), X, [[4, 6, 7]]).
answers(nearest_cores(5, 0, X), X, [[]]).
answers(cores_of_package(2, X), X, [[8, 9, 10, 11]]).
answers(cores_of_package(X, [8, 9, 10, 11]), X, [2]).
answers(cores_of_package(4, X), X, []).
answers(cores_of_node(X, _), X, [0, 1, 2, 3]).
answers(closest_memory(5, X), X, [1]).
answers(packages(X), X, [[0, 1, 2, 3]]).

test(answers, [forall(answers(Goal, Term, Expected)), Answers == Expected]) :-
    (   Term == yes
    ->  findall(yes, Goal, Answers)
    ;   findall(Term, Goal, Answers)
    ).

%   With the arguments that identify an answer given, nothing is left open.

one_answer(core(3)).
one_answer(apic_of(3, _)).
one_answer(package_of(3, _)).
one_answer(node_of(3, _)).
one_answer(clock_hz(3, _)).
one_answer(core_type(3, _)).
one_answer(shares_cache(0, 3, 3)).
one_answer(cache_of(0, 3, _, _)).
one_answer(hops(0, 12, _)).
one_answer(package_hops(0, 3, _)).
one_answer(distance(0, 12, _)).
one_answer(distance_ns(0, 12, _)).
one_answer(nearest_cores(0, _)).
one_answer(nearest_cores(0, 3, _)).
one_answer(cores_of_package(0, _)).
one_answer(cores_of_node(0, _)).
one_answer(closest_memory(0, _)).

test(determinism, [forall(one_answer(Goal)), true(Det == true)]) :-
    call_cleanup(Goal, Det = true),
    !.

test(distances_are_symmetric, Asymmetric == []) :-
    findall(A-B, ( distance(A, B, D), \+ distance(B, A, D) ), Asymmetric).

test(sharing_a_cache_is_symmetric, Asymmetric == []) :-
    findall(A-B, ( shares_cache(A, B, L), \+ shares_cache(B, A, L) ), Asymmetric).

:- end_tests(four_by_four).

load_all(Pairs) :-
    forget_machine,
    forall(member(Source-Facts, Pairs), load_facts(Source, Facts)).

two_packages([cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 0, 1), cpu_thread(2, 1, 0, 0), cpu_thread(3, 1, 0, 1)]).

:- begin_tests(other_machines, [cleanup(forget_machine)]).

test(nothing_is_known_of_nothing, Cores == []) :-
    forget_machine,
    findall(Core, ( core(Core) ; node_of(Core, _) ; hops(Core, _, _) ; distance(Core, _, _) ), Cores).

test(firmware_alone_tells_cores, Apics == [0-8, 1-10]) :-
    load_all([acpi-[apic(1, 10, 1), apic(0, 8, 1), apic(2, 12, 0)]]),
    findall(Core-Apic, apic_of(Core, Apic), Apics).

test(a_machine_without_nodes_is_node_0, Nodes == [0-0, 1-0, 2-0, 3-0]) :-
    two_packages(Threads),
    load_all([cpuid-Threads]),
    findall(Core-Node, node_of(Core, Node), Nodes).

test(the_operating_systems_nodes_come_first, Nodes == [0-2, 1-2]) :-
    load_all([cpuid-[corename(0, x86_64, apic(0)), corename(1, x86_64, apic(1))],
              acpi-[cpu_affinity(0, 0, 1), cpu_affinity(1, 0, 1)],
              sysfs-[cpu_node(0, 2), cpu_node(1, 2)]]),
    findall(Core-Node, node_of(Core, Node), Nodes).

test(a_core_that_the_firmware_forgot_is_in_the_first_node, Nodes == [0-3, 1-2]) :-
    load_all([cpuid-[corename(0, x86_64, apic(0)), corename(1, x86_64, apic(1))],
              acpi-[cpu_affinity(0, 0, 3), cpu_affinity(7, 0, 2)]]),
    findall(Core-Node, node_of(Core, Node), Nodes).

test(hardware_threads_are_siblings, Siblings == [0-1, 1-0, 2-3, 3-2]) :-
    two_packages(Threads),
    load_all([cpuid-Threads]),
    findall(A-B, sibling(A, B), Siblings).

test(without_links_every_package_is_one_hop_away, Hops == [0, 0, 1, 1]) :-
    two_packages(Threads),
    load_all([cpuid-Threads]),
    findall(Each, hops(0, _, Each), Hops).

test(a_package_without_a_link_cannot_be_reached, Reached == [0, 1]) :-
    two_packages(Threads),
    load_all([cpuid-Threads, a_priori-[ht_link(0, 7)]]),
    findall(Core, hops(0, Core, _), Reached).

test(links_are_followed_anew_when_they_change, Hops-Fewer == 3-1) :-
    findall(cpu_thread(Core, Core, 0, 0), between(0, 3, Core), Threads),
    load_all([cpuid-Threads, a_priori-[ht_link(0, 1), ht_link(1, 2), ht_link(2, 3)]]),
    hops(0, 3, Hops),
    assert_fact(ht_link(0, 3)),
    hops(0, 3, Fewer).

test(nanoseconds_become_cycles_of_the_sender, Cycles-Back == 250-100) :-
    two_packages(Threads),
    load_all([cpuid-[cpu_clock(0, 2500000000), cpu_clock(2, 1000000000)|Threads],
              measured-[core_latency(0, 2, 100, ns)]]),
    distance(0, 2, Cycles),
    distance(2, 0, Back).

test(half_a_round_trip_is_a_way, Cycles == 450) :-
    two_packages(Threads),
    load_all([cpuid-Threads, measured-[message_rtt(0, 2, 900, 1, 890, 910)]]),
    distance(0, 2, Cycles).

test(one_way_measured_wins_over_round_trips, Cycles == 440) :-
    two_packages(Threads),
    load_all([cpuid-Threads,
              measured-[message_rtt(0, 2, 900, 1, 890, 910), core_latency(0, 2, 440, cycles)]]),
    distance(0, 2, Cycles).

test(costs_stand_in_for_measurements, Cycles == [1-448, 2-545, 3-558, 4-571]) :-
    findall(cpu_thread(Core, Package, 0, 0), ( between(0, 4, Core), Package is max(0, Core - 1) ), Threads),
    load_all([cpuid-[cpu_cache_id(0, 3, unified, 0), cpu_cache_id(1, 3, unified, 0)|Threads],
              a_priori-[ht_link(0, 1), ht_link(1, 2), ht_link(2, 3),
                        cost(ump_shared_cache, 448, cycles, "table 2.5"), cost(ump_hop, 545, cycles, "table 2.5"),
                        cost(ump_next_hop, 13, cycles, "table 2.5")]]),
    findall(Core-Each, distance(0, Core, Each), Cycles).

test(cores_are_near_by_relation_where_nothing_was_measured, Cores == [1, 3, 2, 4]) :-
    load_all([cpuid-[cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 0, 1), cpu_thread(2, 0, 1, 0),
                     cpu_thread(3, 0, 2, 0), cpu_thread(4, 1, 0, 0),
                     cpu_cache_id(0, 2, unified, 0), cpu_cache_id(3, 2, unified, 0),
                     cpu_cache_id(2, 2, unified, 1)]]),
    nearest_cores(0, Cores).

test(instruction_caches_are_not_shared_data, fail) :-
    load_all([cpuid-[cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0),
                     cpu_cache_id(0, 1, instr, 0), cpu_cache_id(1, 1, instr, 0)]]),
    shares_cache(0, 1, _).

test(a_board_description_may_tell_of_sharing, Others == [1-2]) :-
    load_all([cpuid-[cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0)], a_priori-[cache_share(1, 0, 2)]]),
    findall(B-Level, shares_cache(0, B, Level), Others).

test(kinds_of_cores, Kinds == [0-performance, 1-efficiency]) :-
    load_all([cpuid-[corename(0, x86_64, apic(0)), corename(1, x86_64, apic(1)),
                     cpu_kind(0, performance), cpu_kind(1, efficiency)]]),
    findall(Core-Kind, core_type(Core, Kind), Kinds).

test(memory_is_sought_where_there_is_some, Node == 2) :-
    load_all([sysfs-[cpu_node(0, 0), node_memory(0, 0), node_memory(1, 1024), node_memory(2, 1024),
                     node_distance(0, 1, 20), node_distance(0, 2, 12)],
              cpuid-[corename(0, x86_64, apic(0))]]),
    closest_memory(0, Node).

test(without_memory_none_is_close, fail) :-
    load_all([cpuid-[corename(0, x86_64, apic(0))]]),
    closest_memory(0, _).

test(a_device_is_near_the_package_of_its_root, Cores == [2, 3]) :-
    two_packages(Threads),
    load_all([cpuid-Threads,
              acpi-[rootbridge(addr(0, 0, 0), childbus(0, 15), mem(0, 1)),
                    rootbridge(addr(16, 0, 0), childbus(16, 31), mem(0, 1))],
              a_priori-[rootcomplex_addr(0, addr(0, 0, 0)), rootcomplex_addr(1, addr(16, 0, 0))]]),
    device_near(addr(20, 0, 0), Cores).

test(a_device_is_near_its_node, Cores == [2, 3]) :-
    two_packages(Threads),
    load_all([cpuid-Threads,
              sysfs-[cpu_node(0, 0), cpu_node(1, 0), cpu_node(2, 1), cpu_node(3, 1),
                     device_node(addr(20, 0, 0), 1)]]),
    device_near(addr(20, 0, 0), Cores).

test(a_node_without_cores_has_neighbours, Cores == [2, 3]) :-
    two_packages(Threads),
    load_all([cpuid-Threads,
              sysfs-[cpu_node(0, 0), cpu_node(1, 0), cpu_node(2, 1), cpu_node(3, 1),
                     node_distance(7, 0, 28), node_distance(7, 1, 17), device_node(addr(20, 0, 0), 7)]]),
    device_near(addr(20, 0, 0), Cores).

test(northbridges_tell_which_buses_are_theirs, Cores == [2, 3]) :-
    two_packages(Threads),
    load_all([cpuid-Threads,
              sysfs-[cpu_node(0, 0), cpu_node(1, 0), cpu_node(2, 1), cpu_node(3, 1)],
              pci-[ht_bus(0, 1, 0, 15), ht_bus(1, 1, 16, 31)]]),
    device_near(addr(20, 0, 0), Cores).

test(a_device_that_nothing_places_is_near_nobody, fail) :-
    two_packages(Threads),
    load_all([cpuid-Threads]),
    device_near(addr(20, 0, 0), _).

:- end_tests(other_machines).
