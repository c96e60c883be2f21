:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(fixture).
:- use_module('../../rules/store').
:- use_module('../../rules/topology').
:- use_module('../../rules/routes').
:- use_module('../../rules/memory').
:- use_module('../../rules/symmetry').

:- begin_tests(routes, [setup(four_by_four), cleanup(no_machine)]).

test(within_a_package_there_is_no_way_to_go, Packages == [0]) :-
    route(0, 3, Packages).
test(over_one_link, Packages == [1, 3]) :-
    route(4, 12, Packages).
test(of_two_ways_over_two_links_the_lower_one, Packages == [0, 1, 3]) :-
    route(0, 12, Packages).
test(a_way_has_as_many_links_as_hops_says) :-
    forall(( member(A, [0, 1, 2, 3]), member(B, [0, 1, 2, 3]) ),
           ( package_route(A, B, Packages),
             package_hops(A, B, Hops),
             length(Packages, Length),
             Length =:= Hops + 1
           )), !.
test(the_northbridges_say_which_way, Packages == [0, 2, 3]) :-
    setup_call_cleanup(
        load_facts(pci, [ht_route(0, 1, 2, 2, 5), ht_route(0, 2, 4, 4, 3), ht_route(0, 3, 4, 4, 0), ht_route(2, 3, 2, 2, 0)]),
        package_route(0, 3, Packages),
        forget(pci)).
test(monitors_pass_on_by_package_leaders, Cores == [1, 0, 12, 14]) :-
    monitor_route(tree, 1, 14, Cores).
test(a_leader_is_on_the_way_once, Cores == [0, 12, 14]) :-
    monitor_route(tree, 0, 14, Cores).
test(within_a_package_monitors_need_no_leader, Cores == [1, 3]) :-
    monitor_route(tree, 1, 3, Cores).
test(round_the_ring, Cores == [14, 15, 0, 1]) :-
    monitor_route(ring, 14, 1, Cores).
test(at_once, Cores == [14, 1]) :-
    monitor_route(direct, 14, 1, Cores).
test(to_oneself_there_is_no_way, fail) :-
    member(Mode, [direct, ring, tree]),
    monitor_route(Mode, 3, 3, _).
test(no_such_core, fail) :-
    route(0, 99, _).
test(a_further_hop_costs_what_the_table_says, Cycles =:= 558 - 545) :-
    cycles_per_hop(Cycles).

:- end_tests(routes).

:- begin_tests(memory, [setup(four_by_four), cleanup(no_machine)]).

test(an_address_is_in_a_node, Node == 1) :-
    memory_at(4294967296, Node).
test(an_address_beyond_all_memory, fail) :-
    memory_at(0x1000000000000, _).
test(distances_are_the_firmware_s, Distance == 22) :-
    memory_distance(0, 3, Distance).
test(cores_of_a_package_share_its_memory_link, all(Core == [1, 2, 3])) :-
    same_memory_link(0, Core).
test(a_buffer_is_kept_at_the_receiver, Node == 3) :-
    buffer_node(0, 12, Node).
test(a_buffer_within_a_node_stays_there, Node == 2) :-
    buffer_node(8, 9, Node).
test(cores_with_different_local_memory, Groups = [0-[0, 1, 2, 3], _, _, 3-[12, 13, 14, 15]]) :-
    cores_by_memory(Groups).
test(nobody_says_how_long_memory_takes, fail) :-
    access_ns(0, 0, _).
test(the_firmware_says_how_long_memory_takes, Nanoseconds =:= 120) :-
    setup_call_cleanup(
        load_facts(acpi, [memory_latency(0, 1, read, memory, 120000)]),
        access_ns(0, 4294967296, Nanoseconds),
        four_by_four).

:- end_tests(memory).

:- begin_tests(symmetry, [setup(four_by_four), cleanup(no_machine)]).

test(all_cores_of_a_square_are_equal, Groups == [All]) :-
    numlist(0, 15, All),
    equal_cores(Groups).
test(a_faster_core_is_not, Cores == [7]) :-
    setup_call_cleanup(
        assert_fact(cpu_clock(7, 3000000000)),
        equal_cores(7, Cores),
        four_by_four).
test(ends_of_a_line_are_not_its_middle, Groups == [[0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]]) :-
    setup_call_cleanup(
        ( retract_fact(ht_link(2, 0)), retract_fact(node_distance(_, _, _)) ),
        equal_cores(Groups),
        four_by_four).

:- end_tests(symmetry).
