:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module('../../rules/skb').

%   Linux's numbers of cores and nodes: those it tells itself, the firmware's counted anew, and of cores that run one each.

:- begin_tests(take_home, [cleanup(store:forget_machine)]).

told(Said) :-
    store:forget_machine,
    forall(member(Source-Facts, Said), store:load_facts(Source, Facts)).

test(what_linux_tells_stays, true(Who-Cpu-Node == kernel-5-7)) :-
    told([ sysfs-[cpu_thread(5, 0, 0, 0), cpu_node(5, 7), node_memory(7, 4096), node_memory(9, 4096)] ]),
    take_home:numbered_by(Who),
    take_home:linux_cpu(5, Cpu),
    take_home:linux_memory(5, Node).
test(domains_of_the_firmware_are_counted_in_their_order, true(Who-Nodes == firmware-[0, 1])) :-
    told([ acpi-[ apic(0, 0, 1), apic(1, 2, 1), cpu_affinity(0, 0, 4), cpu_affinity(2, 0, 9),
                  memory_affinity(0, 4096, 4), memory_affinity(4096, 4096, 9) ] ]),
    take_home:numbered_by(Who),
    findall(Node, take_home:linux_memory(_, Node), Nodes).
test(where_no_memory_is_told_there_is_no_node, fail) :-
    told([ cpuid-[cpu_thread(0, 0, 0, 0)] ]),
    take_home:linux_memory(0, _).
test(cores_that_are_not_coherent_run_a_linux_each, true(Who-Cpus == description-[2-0, 3-1, 4-0])) :-
    told([ a_priori-[ cpu_thread(2, 0, 0, 0), cpu_thread(3, 0, 1, 0), cpu_thread(4, 1, 0, 0),
                      coherence_domain(2, 0), coherence_domain(3, 0), coherence_domain(4, 1) ] ]),
    take_home:numbered_by(Who),
    findall(Core-Cpu, take_home:linux_cpu(Core, Cpu), Cpus).
test(their_linux_knows_their_memory_alone, true(Node == 0)) :-
    told([ a_priori-[ cpu_thread(2, 0, 0, 0), cpu_thread(4, 1, 0, 0), cpu_node(2, 0), cpu_node(4, 1),
                      coherence_domain(2, 0), coherence_domain(4, 1), node_memory(0, 4096), node_memory(1, 4096) ] ]),
    take_home:linux_memory(4, Node).

:- end_tests(take_home).
