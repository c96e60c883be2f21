:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(random)).
:- use_module(library(aggregate)).
:- use_module('../../rules/store').
:- use_module('../../rules/pci').

holds(Facts) :-
    forget_machine,
    load_facts(pci, Facts).

also(Source, Facts) :-
    load_facts(Source, Facts).

mem(Device, Number, Base, Size, bar(addr(Bus, Slot, 0), Number, Base, Size, mem, nonprefetchable, 32)) :-
    Device = Bus/Slot.

%   A root with a bridge to bus 1, and windows that the firmware says.

bridged(From, To, Registers) :-
    holds([ bridge_buses(addr(0, 1, 0), 0, 1, 1), bridge_window(addr(0, 1, 0), mem, 0x80000000, 0x800fffff) | Registers]),
    also(acpi, [rootbridge(addr(0, 0, 0), childbus(0, 255), mem(From, To))]).

%   What makes a plan one, whatever it was made by: all that was wanted is there, aligned, in its window, apart from the
%   rest and from what is fixed.

sound(Bus) :-
    pci_plan(Bus, plan(Regions, _, Wasted, Bound)),
    Wasted >= Bound,
    forall(facts:bar(Address, Number, _, Size, _, _, _),
           memberchk(region(bar(Address, Number), _, _, Size), Regions)),
    forall(member(region(bar(_, _), _, Base, Size), Regions), Base mod Size =:= 0),
    forall(( member(region(bar(Address, _), Space, Base, Size), Regions),
             facts:bridge_buses(Bridge, _, Secondary, _),
             Address = addr(Secondary, _, _)
           ),
           inside(Bridge, Space, Base, Size, Regions)),
    forall(( member(region(window(Inner), Space, Base, Size), Regions),
             Inner = addr(Secondary, _, _),
             facts:bridge_buses(Bridge, _, Secondary, _)
           ),
           ( inside(Bridge, Space, Base, Size, Regions)
           ; Space == prefetchable,     % its parent has no such window
             \+ facts:bridge_window(Bridge, prefetchable, _, _),
             inside(Bridge, mem, Base, Size, Regions)
           )),
    forall(( select(region(A, Space, BaseA, SizeA), Regions, Others),
             member(region(B, SpaceB, BaseB, SizeB), Others),
             ( Space == io -> SpaceB == io ; SpaceB \== io ),
             same_bus(A, B)
           ),
           ( BaseA + SizeA =< BaseB ; BaseB + SizeB =< BaseA )),
    forall(( member(region(_, Space, Base, Size), Regions), Space \== io, facts:fixed_memory(Low, High) ),
           ( Base + Size =< Low ; Base > High )).

inside(Bridge, Space, Base, Size, Regions) :-
    once(( member(region(window(Bridge), Space, Start, Extent), Regions),
           Base >= Start,
           Base + Size =< Start + Extent
         )).

same_bus(A, B) :-
    bus(A, Bus),
    bus(B, Bus).

bus(bar(addr(Bus, _, _), _), Bus).
bus(window(addr(Bus, _, _)), Bus).

:- begin_tests(pci, [cleanup(forget_machine)]).

test(a_function_on_the_root_s_bus, Base == 0x80000000) :-
    mem(0/3, 0, 0xf0000000, 0x1000, Bar),
    holds([Bar]),
    also(acpi, [rootbridge(addr(0, 0, 0), childbus(0, 0), mem(0x80000000, 0x8fffffff))]),
    pci_plan(0, plan([region(_, mem, Base, 0x1000)], 0, 0, 0)).
test(all_of_it_beyond_4_gib, Base == 0x4000000000) :-
    holds([bar(addr(0, 3, 0), 0, 0x4000000000, 0x10000, mem, prefetchable, 64)]),
    also(acpi, [ioapic(2, 0xfec00000, 0)]),
    pci_plan(0, plan([region(_, mem, Base, 0x10000)], 0, 0, 0)).
test(a_window_holds_what_is_behind_it, Wasted-Bound =:= 0xfd000-0xfd000) :-
    mem(1/0, 0, 0x80000000, 0x2000, Bar),
    mem(1/1, 0, 0x80002000, 0x1000, Other),
    bridged(0x80000000, 0x8fffffff, [Bar, Other]),
    sound(0),
    pci_plan(0, plan(_, 0x100000, Wasted, Bound)), !.
test(what_is_fixed_is_left_alone, Base == 0x80200000) :-
    mem(0/3, 0, 0xf0000000, 0x100000, Bar),
    holds([Bar]),
    also(acpi, [ rootbridge(addr(0, 0, 0), childbus(0, 0), mem(0x80000000, 0x803fffff)),
                 fixed_memory(0x80000000, 0x801fffff)
               ]),
    pci_plan(0, plan([region(_, mem, Base, _)], _, _, _)).
test(a_fixed_function_keeps_its_bridge_where_it_is, [Window, Moved] == [0x80000000, 0x80100000]) :-
    mem(1/0, 0, 0x80000000, 0x1000, Bar),
    mem(0/2, 0, 0x80300000, 0x100000, Other),
    bridged(0x80000000, 0x8fffffff, [Bar, Other]),
    also(a_priori, [device_fixed(addr(1, 0, 0))]),
    pci_plan(0, plan(Regions, _, _, _)),
    memberchk(region(window(_), mem, Window, _), Regions),
    memberchk(region(bar(addr(0, 2, 0), 0), mem, Moved, _), Regions).
test(too_much_is_told, true(sub_string(Reason, _, _, _, "2,097,152 bytes are wanted, 1,048,576 are free"))) :-
    mem(0/3, 0, 0xf0000000, 0x200000, Bar),
    holds([Bar]),
    also(acpi, [rootbridge(addr(0, 0, 0), childbus(0, 0), mem(0x80000000, 0x800fffff))]),
    \+ pci_plan(0, _),
    pci_refusal(0, Reason), !.
test(no_range_is_large_enough_is_told, true(sub_string(Reason, _, _, _, "no free range"))) :-
    mem(0/3, 0, 0xf0000000, 0x200000, Bar),
    holds([Bar]),
    also(acpi, [ rootbridge(addr(0, 0, 0), childbus(0, 0), mem(0x80000000, 0x803fffff)),
                 fixed_memory(0x80180000, 0x8027ffff)
               ]),
    \+ pci_plan(0, _),
    pci_refusal(0, Reason), !.
test(alignment_is_told, true(sub_string(Reason, _, _, _, "alignment"))) :-
    mem(0/3, 0, 0xf0000000, 0x200000, A),
    mem(0/4, 0, 0xf0200000, 0x200000, B),
    holds([A, B]),
    also(acpi, [rootbridge(addr(0, 0, 0), childbus(0, 0), mem(0x80100000, 0x804fffff))]),
    \+ pci_plan(0, _),
    pci_refusal(0, Reason), !.
test(where_there_is_a_plan_nothing_is_refused, fail) :-
    mem(1/0, 0, 0x80000000, 0x2000, Bar),
    bridged(0x80000000, 0x8fffffff, [Bar]),
    pci_refusal(0, _).
test(a_register_without_size_is_as_large_as_its_place_lets_it, Size == 0x1000) :-
    mem(0/3, 0, 0x80003000, 0, Bar),
    mem(0/4, 0, 0x80004800, 0x800, Other),
    holds([Bar, Other]),
    pci_plan(0, plan(Regions, _, _, _)),
    memberchk(region(bar(addr(0, 3, 0), 0), mem, _, Size), Regions).

%   Windows of 3 and 5 MiB do not nest like powers of two: the greedy packing leaves gaps that constraints close.

test(constraints_find_what_greed_does_not, Size == 7) :-
    pci:pack([item(a, 3, 1, []), item(b, 2, 2, []), item(c, 2, 2, [])], 1, Size, _).
test(nothing_smaller_is_overlooked, [forall(between(1, 30, Seed)), true(Size =:= Least)]) :-
    set_random(seed(Seed)),
    random_between(2, 5, Count),
    findall(item(N, Bytes, Align, []),
            ( between(1, Count, N), random_between(1, 6, Bytes), random_member(Align, [1, 2, 4]) ),
            Items),
    pci:pack(Items, 1, Size, Layout),
    length(Layout, Count),
    least_by_trying(Items, Least).

least_by_trying(Items, Least) :-
    between(1, 100, Least),
    tried(Items, Least, []),
    !.

tried([], _, _).
tried([item(_, Size, Align, _)|Items], End, Taken) :-
    Last is End - Size,
    between(0, Last, Base),
    Base mod Align =:= 0,
    \+ ( member(Other-OtherSize, Taken), Base < Other + OtherSize, Other < Base + Size ),
    tried(Items, End, [Base-Size|Taken]).

%   Random trees of bridges.

test(any_plan_is_sound, [forall(between(1, 25, Seed)), true]) :-
    set_random(seed(Seed)),
    random_tree(Facts),
    holds(Facts),
    also(acpi, [ rootbridge(addr(0, 0, 0), childbus(0, 255), mem(0x80000000, 0xfebfffff)),
                 fixed_memory(0x90000000, 0x90ffffff)
               ]),
    sound(0), !.

random_tree(Facts) :-
    random_between(1, 8, Bridges),
    findall(bridge_buses(addr(Parent, Bus, 0), Parent, Bus, Bus),
            ( between(1, Bridges, Bus), Top is Bus - 1, random_between(0, Top, Parent) ),
            Buses),
    findall(bridge_window(Bridge, prefetchable, 1, 1),
            ( member(bridge_buses(Bridge, _, _, _), Buses), maybe ),
            Windows),
    findall(bar(addr(Bus, Slot, 1), 0, 0, Size, Kind, Prefetch, 32),
            ( between(0, Bridges, Bus),
              between(0, 4, Slot),
              maybe,
              random_member(Kind-Prefetch, [io-nonprefetchable, mem-nonprefetchable, mem-prefetchable]),
              ( Kind == io -> random_between(2, 8, Bits) ; random_between(12, 24, Bits) ),
              Size is 1 << Bits
            ),
            Bars),
    append([Buses, Windows, Bars, [bridge_window(addr(0, 1, 0), io, 0x1000, 0xffff)]], Facts).

:- end_tests(pci).
