:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module('../../rules/skb').

%   Four tiles of two cores in a row, a memory controller at each end, and a host of two cores at the left end.

:- begin_tests(mesh, [setup(machine), cleanup(store:forget_machine)]).

machine :-
    store:forget_machine,
    store:load_facts(boot, [cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0)]),
    findall(Fact, on_a_tile(Fact), Facts),
    store:load_facts(a_priori,
                     [ ht_link(0, 1), ht_link(1, 2), ht_link(2, 3), ht_link(3, 4),
                       memory_controller(0, 1), memory_controller(1, 4),
                       cost(mpb_read, 20, cycles, "this test"), cost(mpb_read_hop, 60, cycles, "this test"),
                       cost(mpb_read_next_hop, 5.6, cycles, "this test"),
                       cost(dram_read, 97, cycles, "this test"), cost(dram_read_next_hop, 5.3, cycles, "this test")
                     | Facts
                     ]).

on_a_tile(Fact) :-
    between(2, 9, Core),
    Package is Core // 2,
    Within is Core mod 2,
    member(Fact, [ cpu_thread(Core, Package, Within, 0), coherence_domain(Core, Core), memory_domain(Core, 7),
                   message_buffer(Core, 8192, 32) ]).

test(cores_of_a_mesh_are_coherent_with_nobody, all(Other == [])) :-
    mesh:coherent(5, Other).
test(cores_of_which_nothing_is_stated_are_coherent, all(A-B == [0-1, 1-0])) :-
    mesh:coherent(A, B).
test(cores_of_a_mesh_share_memory_all_the_same, all(Other == [2, 3, 4, 6, 7, 8, 9])) :-
    mesh:shares_memory(5, Other).
test(a_card_and_its_host_share_no_memory, all(Other == [1])) :-
    mesh:shares_memory(0, Other).
test(a_buffer_is_farther_the_more_links_lie_between, all(To-Cycles == [2-20, 3-20, 4-60, 5-60, 6-66, 7-66, 8-71, 9-71])) :-
    mesh:mpb_access(2, To, read, Cycles).
test(what_no_cost_tells_is_not_known, all(To-Cycles == [])) :-
    mesh:mpb_access(2, To, write, Cycles).
test(memory_is_nearest_at_its_controller, all(Controller-Cycles == [0-102, 1-108])) :-
    mesh:memory_access(4, Controller, Cycles).

:- end_tests(mesh).
