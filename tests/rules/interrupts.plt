:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(aggregate)).
:- use_module(fixture).
:- use_module('../../rules/store').
:- use_module('../../rules/interrupts').

%   A disk on the root bus, and behind a bridge (device 4) a network function with messages and a sound function without.

with_devices :-
    four_by_four,
    load_facts(pci,
               [ device(pci, addr(0, 3, 0), 1, 1, 1, 6, 1, 0),
                 device(pcie, addr(2, 0, 0), 1, 2, 2, 0, 0, 0), device_msix(addr(2, 0, 0), 64, 0),
                 device(pci, addr(2, 5, 1), 1, 3, 4, 3, 0, 1),
                 device(pci, addr(0, 9, 0), 1, 4, 12, 3, 0, -1),
                 device(pci, addr(0, 7, 0), 1, 5, 12, 3, 0, 2), device_interrupt_line(addr(0, 7, 0), 9),
                 bridge(pcie, addr(0, 4, 0), 1, 9, 6, 4, 0, secondary(2)), bridge_buses(addr(0, 4, 0), 0, 2, 2),
                 device_node(addr(0, 3, 0), 1), device_node(addr(2, 0, 0), 2), device_node(addr(2, 5, 1), 2),
                 device_node(addr(0, 7, 0), 0)
               ]),
    load_facts(acpi,
               [ ioapic(2, 0xfec00000, 0), ioapic(3, 0xfec10000, 24),
                 prt(addr(0, 3, any), 0, gsi(16)), prt(addr(0, 4, any), 0, gsi(28)), prt(addr(0, 4, any), 1, gsi(29)),
                 prt(addr(0, 4, any), 2, pir("LNKC")), prt(addr(0, 4, any), 3, gsi(31)), pir("LNKC", 11), pir("LNKC", 10),
                 interrupt_override(0, 9, 20, 0b1101), interrupt_override(0, 0, 2, 0)
               ]).

:- begin_tests(interrupts, [setup(with_devices), cleanup(no_machine)]).

test(the_root_s_table_says, Gsi == 16) :-
    interrupt_gsi(addr(0, 3, 0), Gsi).
test(a_bridge_turns_pins_by_the_device_s_number, Gsi == 10) :-   % pin B of device 5: (1 + 5) mod 4 = C
    interrupt_gsi(addr(2, 5, 1), Gsi).
test(where_no_table_tells_the_line_does, Gsi == 20) :-
    interrupt_gsi(addr(0, 7, 0), Gsi).
test(no_pin_no_interrupt, fail) :-
    interrupt_gsi(addr(0, 9, 0), _).
test(all_functions_with_pins, all(Address == [addr(0, 3, 0), addr(2, 0, 0), addr(0, 7, 0), addr(2, 5, 1)])) :-
    interrupt_gsi(Address, _).
test(an_override_says_how_it_is_signalled, [Gsi, Trigger, Polarity] == [20, level, high]) :-
    isa_gsi(9, Gsi, Trigger, Polarity).
test(without_one_it_is_isa_s, [Gsi, Trigger, Polarity] == [4, edge, high]) :-
    isa_gsi(4, Gsi, Trigger, Polarity).
test(inputs_are_counted_from_the_controller_s_first, [IoApic, Input] == [3, 4]) :-
    ioapic_input(28, IoApic, Input).
test(a_table_may_be_that_of_the_bus_behind_a_bridge, Gsi == 40) :-
    setup_call_cleanup(
        load_facts(acpi, [prt(addr(behind(addr(0, 4, 0)), 5, any), 1, gsi(40)), prt(addr(behind(addr(0, 4, 0)), 5, 0), 1, gsi(41))]),
        interrupt_gsi(addr(2, 5, 1), Gsi),
        with_devices).
test(messages_are_spread_over_the_cores_of_the_device_s_node, Cores == [8, 9, 10, 11]) :-
    interrupt_plan(Plan),
    findall(Core, member(interrupt(addr(2, 0, 0), msix(_), Core, _), Plan), Cores).
test(a_pin_goes_to_a_core_near, [Core, Source] == [4, pin(16, 2, 16)]) :-
    interrupt_plan(Plan),
    memberchk(interrupt(addr(0, 3, 0), Source, Core, _), Plan).
test(no_core_has_a_vector_twice) :-
    interrupt_plan(Plan),
    findall(Core-Vector, member(interrupt(_, _, Core, Vector), Plan), Used),
    sort(Used, Once),
    same_length(Used, Once).
test(the_quietest_core_near_is_next, Core == 8) :-
    interrupt_core(addr(2, 5, 1), Core0),
    interrupt_plan(Plan),
    aggregate_all(count, member(interrupt(_, _, Core0, _), Plan), 2),
    Core = Core0.

:- end_tests(interrupts).
