:- encoding(utf8).
:- module(pci_consistency,
          [ pci_finding_rule/3,         % ?Rule, ?Severity, ?Meaning
            bar_outside_window/1,       % -Text
            bars_overlap/1,             % -Text
            window_outside_bridge/1,    % -Text
            windows_overlap/1,          % -Text
            buses_outside_bridge/1,     % -Text
            function_not_there/1,       % -Text
            function_in_no_node/1,      % -Text
            confspace_overlap/1         % -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(library(ordsets)).
:- use_module(findings, [overlapping/3]).

/** <module> Whether what is said of PCI fits together

Rules of consistency.pl about functions, bridges and addresses. A bridge passes on what lies in its windows (PCI-to-PCI bridge
specification 1.2, 3.2.5), so that what is behind it must lie within them and bridges beside each other must share no
address. A subtractive bridge (interface 1, ibid. 3.2) passes on whatever nobody else wants; nothing is told of what is behind it.
*/

%!  pci_finding_rule(?Rule, ?Severity, ?Meaning) is nondet.
%
%   Rule is a predicate of this module; Meaning says in a line what breaks it.

pci_finding_rule(bar_outside_window, warning, "registers of PCI functions that their bridge does not pass on").
pci_finding_rule(bars_overlap, warning, "registers of PCI functions at the same addresses").
pci_finding_rule(window_outside_bridge, warning, "windows of bridges outside those of the bridge above").
pci_finding_rule(windows_overlap, error, "bridges beside each other that pass on the same addresses").
pci_finding_rule(buses_outside_bridge, warning, "bridges to buses that the bridge above does not lead to").
pci_finding_rule(function_not_there, warning, "things stated of PCI functions that no dump has").
pci_finding_rule(function_in_no_node, warning, "PCI functions attached to NUMA nodes that are not there").
pci_finding_rule(confspace_overlap, error, "configuration spaces that overlap each other").

%   address_text(+Address, -Text): as lspci writes it.

address_text(addr(Bus, Device, Function), Text) :-
    format(string(Text), "~|~`0t~16r~2+:~|~`0t~16r~2+.~w", [Bus, Device, Function]).
address_text(addr(Segment, Bus, Device, Function), Text) :-
    format(string(Text), "~|~`0t~16r~4+:~|~`0t~16r~2+:~|~`0t~16r~2+.~w", [Segment, Bus, Device, Function]).

on_bus(addr(Bus, _, _), 0, Bus).
on_bus(addr(Segment, Bus, _, _), Segment, Bus).

%   above(+Address, -Bridge): the bridge to the function's bus.

above(Address, Bridge) :-
    on_bus(Address, Segment, Bus),
    leads_to(Bridge, Segment, Bus),
    Bridge \== Address,
    !.

leads_to(Bridge, Segment, Bus) :-
    facts:bridge_buses(Bridge, Primary, Bus, _),
    Bus > 0,
    on_bus(Bridge, Segment, On),
    On =:= Primary,
    On =\= Bus.

subtractive(Bridge) :-
    facts:bridge(_, Bridge, _, _, _, _, 1, _).

%   passes(+Bridge, +Space, -From, -To): a window in which addresses of io or mem behind Bridge may lie.

passes(Bridge, Space, From, To) :-
    facts:bridge_window(Bridge, Own, From, To),
    (   Own == Space
    ->  true
    ;   Space == mem,
        Own == prefetchable
    ).

tells_windows(Bridge) :-
    \+ \+ facts:bridge_window(Bridge, _, _, _).

%   register(-What, -Address, -Space, -From, -To): addresses that a function's register has been given; one byte where no
%   dump tells the size.

register(Number, Address, Space, From, To) :-
    facts:bar(Address, Number, From, Size, Kind, _, _),
    Kind \== vf,                        % those of virtual functions are enabled one by one
    From > 0,
    ( Kind == io -> Space = io ; Space = mem ),
    To is From + max(Size, 1) - 1.

%!  bar_outside_window(-Text) is nondet.
%
%   A register behind a bridge lies in none of its windows, so that nothing reaches it. One that was never set up, with
%   the bridge's windows closed as well, is none.

bar_outside_window(Text) :-
    register(Number, Address, Space, From, To),
    above(Address, Bridge),
    tells_windows(Bridge),
    \+ subtractive(Bridge),
    \+ ( passes(Bridge, Space, First, Last), From >= First, To =< Last ),
    address_text(Address, AddressText),
    address_text(Bridge, BridgeText),
    format(string(Text), "~w BAR ~w at 0x~16r: outside the ~w windows of bridge ~w",
           [AddressText, Number, From, Space, BridgeText]).

%!  bars_overlap(-Text) is nondet.
%
%   Two registers have the same addresses in one space.

bars_overlap(Text) :-
    member(Space, [mem, io]),
    findall(Segment-range(From, To, Address-Number),
            ( register(Number, Address, Space, From, To),
              To > From,
              on_bus(Address, Segment, _)
            ),
            Registers0),
    sort(Registers0, Registers),
    group_pairs_by_key(Registers, Segments),
    member(_-Ranges, Segments),
    overlapping(Ranges, range(_, _, Address-Number), range(From, _, Other-OtherNumber)),
    address_text(Address, AddressText),
    address_text(Other, OtherText),
    format(string(Text), "~w BAR ~w and ~w BAR ~w: both have ~w address 0x~16r",
           [AddressText, Number, OtherText, OtherNumber, Space, From]).

%!  window_outside_bridge(-Text) is nondet.
%
%   A bridge passes on addresses that the bridge above it does not.

window_outside_bridge(Text) :-
    facts:bridge_window(Bridge, Own, From, To),
    above(Bridge, Above),
    tells_windows(Above),
    \+ subtractive(Above),
    ( Own == io -> Space = io ; Space = mem ),
    \+ ( passes(Above, Space, First, Last), From >= First, To =< Last ),
    address_text(Bridge, BridgeText),
    address_text(Above, AboveText),
    format(string(Text), "bridge ~w: ~w window 0x~16r-0x~16r outside those of bridge ~w",
           [BridgeText, Own, From, To, AboveText]).

%!  windows_overlap(-Text) is nondet.
%
%   Two bridges on one bus pass on the same addresses.

windows_overlap(Text) :-
    member(Space, [mem, io]),
    findall(Segment/Bus-range(From, To, Bridge),
            ( facts:bridge_window(Bridge, Own, From, To),
              From > 0,                 % registers that were never set up are all 0
              ( Own == io -> Space == io ; Space == mem ),
              on_bus(Bridge, Segment, Bus)
            ),
            Windows0),
    sort(Windows0, Windows),
    group_pairs_by_key(Windows, Buses),
    member(_-Ranges, Buses),
    overlapping(Ranges, range(_, _, Bridge), range(From, _, Other)),
    Bridge \== Other,
    address_text(Bridge, BridgeText),
    address_text(Other, OtherText),
    format(string(Text), "bridges ~w and ~w: both pass on ~w address 0x~16r", [BridgeText, OtherText, Space, From]).

%!  buses_outside_bridge(-Text) is nondet.
%
%   The buses behind a bridge are among those behind the bridge above it. A bridge to bus 0 was never set up.

buses_outside_bridge(Text) :-
    facts:bridge_buses(Bridge, _, Secondary, Subordinate),
    Secondary > 0,
    above(Bridge, Above),
    facts:bridge_buses(Above, _, First, Last),
    \+ ( Secondary > First, Subordinate =< Last ),
    address_text(Bridge, BridgeText),
    address_text(Above, AboveText),
    format(string(Text), "bridge ~w: leads to buses ~16r-~16r, but bridge ~w to ~16r-~16r",
           [BridgeText, Secondary, Subordinate, AboveText, First, Last]).

%!  function_not_there(-Text) is nondet.
%
%   What is stated of a PCI function is of one that a dump has.

function_not_there(Text) :-
    functions(Functions),
    Functions = [_|_],
    member(What-Address,
           [ "device_fixed/1"-One, "device_core/2"-Two, "initiator_affinity/2"-Three ]),
    (   What == "device_fixed/1", facts:device_fixed(One)
    ;   What == "device_core/2", facts:device_core(Two, _)
    ;   What == "initiator_affinity/2", facts:initiator_affinity(pci(_, Three), _)
    ),
    \+ ord_memberchk(Address, Functions),
    address_text(Address, AddressText),
    format(string(Text), "~w: ~w is stated, but no dump has that function", [AddressText, What]).

functions(Functions) :-
    findall(Address,
            ( facts:device(_, Address, _, _, _, _, _, _)
            ; facts:bridge(_, Address, _, _, _, _, _, _)
            ; facts:device_description(Address, _)
            ),
            Functions0),
    sort(Functions0, Functions).

%!  function_in_no_node(-Text) is nondet.
%
%   The node that a function is attached to has neither cores nor memory; all functions of such a node are told together.

function_in_no_node(Text) :-
    findall(Node, ( facts:cpu_node(_, Node) ; facts:node_memory(Node, _) ), Nodes0),
    Nodes0 = [_|_],
    sort(Nodes0, Nodes),
    findall(Node-Address, ( facts:device_node(Address, Node), \+ ord_memberchk(Node, Nodes) ), Lost0),
    sort(Lost0, Lost),
    group_pairs_by_key(Lost, Groups),
    member(Node-[First|More], Groups),
    address_text(First, FirstText),
    length(More, Count),
    format(string(Text), "~w and ~w more: attached to node ~w, which has neither cores nor memory",
           [FirstText, Count, Node]).

%!  confspace_overlap(-Text) is nondet.
%
%   The memory-mapped configuration space of some buses (MCFG), 1 MiB each (PCI Express 4.0, 7.2.2), is that of no others.
%   Ranges of the SRAT may have it in a hole of theirs, and real ones do.

confspace_overlap(Text) :-
    findall(range(Base, To, Segment),
            ( facts:pcie_confspace(Start, Segment, First, Last),
              Base is Start + (First << 20),
              To is Start + ((Last + 1) << 20) - 1
            ),
            Spaces0),
    sort(Spaces0, Spaces),
    overlapping(Spaces, range(_, _, Segment), range(Base, _, Other)),
    format(string(Text), "configuration spaces of segments ~w and ~w: both have address 0x~16r", [Segment, Other, Base]).
