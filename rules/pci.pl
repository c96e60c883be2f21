:- encoding(utf8).
:- module(pci,
          [ pci_roots/1,                % -Buses
            pci_windows/2,              % +Bus, -Windows
            pci_plan/2,                 % +Bus, -Plan
            pci_refusal/2,              % +Bus, -Reason
            pci_problem/2               % +Bus, -Problem
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- autoload(arranging, [arrange/3]).    % constraints take long to load

/** <module> Where PCI functions find room: the bridge-programming problem

Every base address register wants an aligned range of addresses, every bridge a window that holds those of all functions
behind it, and a root decodes what its windows say. Prefetchable registers go into the prefetchable window of their bridge
where it has one. Nothing may overlap, nor touch what cannot be moved: fixed_memory/2, the controllers and tables that the
firmware placed (ioapic/3, hpet/4, local_apic_address/1, pcie_confspace/4), and functions with device_fixed/1, with which
the whole tree of bridges they are behind stays as it is.

It is solved bus by bus from the leaves. What matters of a bus to the one above is the size of its window and the alignment
it needs, which does not depend on where it goes; the smallest window of a bus is part of a smallest whole. A bus is packed
greedily, the largest alignment first; where that is larger than the sum of what is in it, constraints (CLP(FD)) look for
a smaller one, or show that there is none. What is on the root's bus is then placed by constraints on
addresses.

A plan is plan(Regions, Used, Wasted, Bound): Regions are region(What, Space, Base, Size), What bar(Address, Number),
rom(Address) or window(Address), Space io, mem or prefetchable; of the Used bytes of windows Wasted hold nothing, and no plan
wastes less than Bound. Registers whose size no dump tells are taken to be as large as where they are now lets them be.
*/

%   granularity(+Space, -Bytes): bridge windows begin and end at multiples of it (PCI-to-PCI bridge specification 1.2,
%   3.2.5).

granularity(io, 0x1000).
granularity(mem, 0x100000).
granularity(prefetchable, 0x100000).

%   How far constraints are followed before the greedy packing is taken as it is.

effort(2000000).

%!  pci_roots(-Buses:list) is det.
%
%   The buses that no bridge leads to, bus numbers ascending, or Segment:Bus in segments other than 0.

pci_roots(Buses) :-
    findall(Bus,
            ( ( facts:device(_, Address, _, _, _, _, _, _) ; facts:bridge(_, Address, _, _, _, _, _, _)
              ; facts:bar(Address, _, _, _, _, _, _) ; facts:bridge_buses(Address, _, _, _)
              ),
              on_bus(Address, Bus),
              \+ behind(_, Bus)
            ),
            Buses0),
    sort(Buses0, Buses).

on_bus(addr(Bus, _, _), Bus).
on_bus(addr(Segment, Bus, _, _), Segment:Bus).

%   behind(?Bridge, ?Bus): Bridge leads to Bus.

behind(Bridge, Bus) :-
    facts:bridge_buses(Bridge, _, Secondary, _),
    Secondary > 0,
    (   Bridge = addr(_, _, _)
    ->  Bus = Secondary
    ;   Bridge = addr(Segment, _, _, _),
        Bus = Segment:Secondary
    ).

% -- what wants room

%   item(Id, Size, Align) for each thing on a bus that wants room in a space; a window has its layout behind it.

items(Bus, Space, Items) :-
    findall(Item, item_on(Bus, Space, Item), Items0),
    sort(0, @<, Items0, Items).

item_on(Bus, Space, item(What, Size, Size, [])) :-
    wants(What, Space, Size, Bus).
item_on(Bus, Space, item(window(Bridge, Own), Size, Align, Layout)) :-
    behind(Bridge, Below),
    on_bus(Bridge, Bus),
    Below \== Bus,
    member(Own, [io, mem, prefetchable]),
    passed_on(Own, Bus, Space),
    window_of(Below, Own, Size, Align, Layout).

%   passed_on(+Own, +Bus, ?Space): a window for Own of a bridge on Bus lies in what Bus has for Space.

passed_on(io, _, Space) :- !, Space = io.
passed_on(mem, _, Space) :- !, Space = mem.
passed_on(prefetchable, Bus, Space) :-
    (   behind(Bridge, Bus),
        \+ facts:bridge_window(Bridge, prefetchable, _, _)
    ->  Space = mem
    ;   Space = prefetchable
    ).

%   window_of(+Bus, +Space, -Size, -Align, -Layout): the smallest window for what is on Bus and behind it. Fails for an
%   empty one. Layout is a list of at(Offset, Item).

window_of(Bus, Space, Size, Align, Layout) :-
    items(Bus, Space, Items),
    Items = [_|_],
    granularity(Space, Grain),
    pack(Items, Grain, Size, Layout),
    foldl(widest, Items, Grain, Align).

widest(item(_, _, Align, _), Align0, Align1) :-
    Align1 is max(Align0, Align).

%   wants(?What, ?Space, -Size, +Bus): a register of a function on Bus.

wants(bar(Address, Number), Space, Size, Bus) :-
    facts:bar(Address, Number, Base, Size0, Kind, Prefetch, _),
    on_bus(Address, Bus),
    space(Kind, Prefetch, Bus, Space),
    known_size(Size0, Base, Address, Size).
wants(rom(Address), Space, Size, Bus) :-
    facts:expansion_rom(Address, _, Size),
    Size > 0,
    on_bus(Address, Bus),
    space(mem, nonprefetchable, Bus, Space).

%   space(+Kind, +Prefetch, +Bus, ?Space): the space of a register on Bus.

space(Kind, Prefetch, Bus, Space) :-
    (   Kind == io
    ->  Space = io
    ;   Prefetch == prefetchable,
        behind(Bridge, Bus),
        facts:bridge_window(Bridge, prefetchable, _, _)
    ->  Space = prefetchable
    ;   Space = mem
    ).

%   A register that tells no size is at most as large as its base is aligned, and ends before the next begins.

known_size(Size, _, _, Size) :-
    Size > 0,
    !.
known_size(0, Base, Address, Size) :-
    Base > 0,
    Aligned is Base /\ -Base,
    findall(Gap,
            ( ( facts:bar(_, _, Next, _, _, _, _)
              ; on_bus(Address, Bus), behind(Bridge, Bus), facts:bridge_window(Bridge, _, _, Limit), Next is Limit + 1
              ),
              Next > Base,
              Gap is Next - Base
            ),
            Gaps),
    min_list([Aligned|Gaps], Room),
    Size is 1 << (msb(Room)).

% -- packing a bus

%   pack(+Items, +Grain, -Size, -Layout): Size is the least multiple of Grain that holds Items, if it was found.

pack(Items, Grain, Size, Layout) :-
    greedy(Items, Layout0, End),
    up_to(Grain, End, Size0),
    least_size(Items, Grain, Least),
    (   Size0 =:= Least
    ->  Size = Size0,
        Layout = Layout0
    ;   smaller(Least, Size0, Grain, Items, Size, Layout)
    ->  true
    ;   Size = Size0,
        Layout = Layout0
    ).

least_size(Items, Grain, Least) :-
    aggregate_all(sum(Size), member(item(_, Size, _, _), Items), Sum),
    up_to(Grain, Sum, Least).

up_to(Grain, Bytes, Rounded) :-
    Rounded is (Bytes + Grain - 1) // Grain * Grain.

%   greedy(+Items, -Layout, -End): the largest alignment first, each at the lowest place that is free.

greedy(Items, Layout, End) :-
    hardest_first(Items, Sorted),
    foldl(lowest_place, Sorted, [], Layout0),
    sort(1, @=<, Layout0, Layout),
    foldl(end_of, Layout, 0, End).

hardest_first(Items, Sorted) :-
    sort(2, @>=, Items, BySize),
    sort(3, @>=, BySize, Sorted).

lowest_place(item(What, Size, Align, Below), Layout0, Layout) :-
    sort(1, @=<, Layout0, Taken),
    free_place(Taken, 0, Size, Align, Offset),
    Layout = [at(Offset, item(What, Size, Align, Below))|Layout0].

free_place([], From, _, Align, Offset) :-
    up_to(Align, From, Offset).
free_place([at(Next, item(_, NextSize, _, _))|Taken], From, Size, Align, Offset) :-
    up_to(Align, From, Here),
    (   Here + Size =< Next
    ->  Offset = Here
    ;   After is max(From, Next + NextSize),
        free_place(Taken, After, Size, Align, Offset)
    ).

end_of(at(Offset, item(_, Size, _, _)), End0, End) :-
    End is max(End0, Offset + Size).

%   smaller(+Try, +Known, +Grain, +Items, -Size, -Layout): a size below Known that holds Items, from Try up.

smaller(Try, Known, Grain, Items, Size, Layout) :-
    Try < Known,
    effort(Effort),
    call_with_inference_limit(fits(Items, Try, Layout0), Effort, Outcome),
    !,
    Outcome \== inference_limit_exceeded,
    Size = Try,
    Layout = Layout0,
    Grain > 0.
smaller(Try, Known, Grain, Items, Size, Layout) :-
    Try < Known,
    Next is Try + Grain,
    smaller(Next, Known, Grain, Items, Size, Layout).

fits(Items, Size, Layout) :-
    hardest_first(Items, Sorted),
    maplist(extent, Sorted, Extents),
    arrange(Extents, [0-Size], Offsets),
    maplist(at, Offsets, Sorted, Layout).

at(Offset, Item, at(Offset, Item)).

extent(item(_, Size, Align, _), extent(Size, Align)).

% -- the root

%!  pci_windows(+Bus, -Windows:list) is det.
%
%   The root bus decodes Windows, each window(Space, From, To), To excluded: what the firmware says (rootbridge/3,
%   rootbridge_address_window/2), else the span of what is decoded below it now, memory beneath and beyond 4 GiB apart.

pci_windows(Bus, Windows) :-
    findall(window(mem, From, To), told_window(Bus, From, To), Told0),
    sort(Told0, Told),
    findall(Space-(From-To), decoded_now(Bus, Space, From, To), Now0),
    sort(Now0, Now),
    findall(window(Kind, Low, High),
            ( member(Kind-Condition, [io-io, mem-low, mem-high]),
              \+ ( Kind == mem, Told = [_|_] ),
              span(Condition, Now, Low, High)
            ),
            Spans),
    append(Told, Spans, Windows).

told_window(Bus, From, To) :-
    facts:rootbridge(Address, childbus(First, Last), mem(From, Limit)),
    number_of(Bus, Number),
    on_bus(Address, _),
    Number >= First,
    Number =< Last,
    Limit > From,
    To is Limit + 1.
told_window(Bus, From, To) :-
    facts:rootbridge(Address, childbus(First, Last), _),
    number_of(Bus, Number),
    Number >= First,
    Number =< Last,
    facts:rootbridge_address_window(Address, mem(From, Limit)),
    Limit > From,
    To is Limit + 1.

number_of(_:Bus, Number) :- !, Number = Bus.
number_of(Bus, Bus).

%   decoded_now(+Bus, -Space, -From, -To): a register or bridge of the root's own bus decodes that now.

decoded_now(Bus, Space, From, To) :-
    facts:bar(Address, _, From, Size0, Kind, Prefetch, _),
    on_bus(Address, Bus),
    From > 0,
    space(Kind, Prefetch, Bus, Space),
    known_size(Size0, From, Address, Size),
    To is From + Size.
decoded_now(Bus, Space, From, To) :-
    behind(Bridge, _),
    on_bus(Bridge, Bus),
    facts:bridge_window(Bridge, Space, From, Limit),
    To is Limit + 1.

span(io, Now, Low, High) :-
    findall(From-To, member(io-(From-To), Now), Ranges),
    hull(Ranges, Low, High).
span(low, Now, Low, High) :-
    findall(From-To, ( member(Space-(From-To), Now), Space \== io, From < 0x100000000 ), Ranges),
    hull(Ranges, Low, High).
span(high, Now, Low, High) :-
    findall(From-To, ( member(Space-(From-To), Now), Space \== io, From >= 0x100000000 ), Ranges),
    hull(Ranges, Low, High).

hull(Ranges, Low, High) :-
    Ranges = [_|_],
    aggregate_all(r(min(From), max(To)), member(From-To, Ranges), r(Low, High)).

%   free_ranges(+Windows, +Space, -Ranges): the windows' addresses for Space without what cannot be moved.

free_ranges(Windows, Space, Ranges) :-
    ( Space == io -> Kind = io ; Kind = mem ),
    findall(From-To, member(window(Kind, From, To), Windows), Open0),
    sort(Open0, Open),
    findall(From-To, ( Kind == mem, fixed(From, To) ), Fixed),
    foldl(without, Fixed, Open, Ranges0),
    sort(Ranges0, Ranges).

without(From-To, Ranges0, Ranges) :-
    findall(Piece,
            ( member(Low-High, Ranges0),
              (   ( To =< Low ; From >= High )
              ->  Piece = Low-High
              ;   ( Low < From, Piece = Low-From ; To < High, Piece = To-High )
              )
            ),
            Ranges).

fixed(From, To) :-
    facts:fixed_memory(From, Limit),
    To is Limit + 1.
fixed(From, To) :-
    facts:ioapic(_, From, _),
    To is From + 0x1000.
fixed(From, To) :-
    facts:hpet(_, From, _, _),
    To is From + 0x400.
fixed(From, To) :-
    facts:local_apic_address(From),
    To is From + 0x1000.
fixed(From, To) :-
    facts:pcie_confspace(From, _, First, Last),
    To is From + (Last - First + 1) << 20.

%   stays(+Bus, -Regions): Regions are those of the root's bus that hold a function which may not be moved.

stays(Bus, Regions) :-
    findall(stay(What, Space, From, To),
            ( facts:device_fixed(Address),
              top_of(Address, Bus, Top),
              held_now(Top, What, Space, From, To)
            ),
            Regions0),
    sort(Regions0, Regions).

top_of(Address, Bus, Top) :-
    on_bus(Address, Own),
    (   Own == Bus
    ->  Top = Address
    ;   behind(Bridge, Own),
        top_of(Bridge, Bus, Top)
    ).

held_now(Address, bar(Address, Number), Space, From, To) :-
    facts:bar(Address, Number, From, Size0, Kind, Prefetch, _),
    on_bus(Address, Bus),
    space(Kind, Prefetch, Bus, Space),
    known_size(Size0, From, Address, Size),
    To is From + Size.
held_now(Bridge, window(Bridge, Space), Space, From, To) :-
    facts:bridge_window(Bridge, Space, From, Limit),
    To is Limit + 1.

%!  pci_plan(+Bus, -Plan) is semidet.
%
%   Plan gives everything behind the root bus its addresses. Fails where there is no room: pci_refusal/2 says why.

pci_plan(Bus, plan(Regions, Used, Wasted, Bound)) :-
    pci_windows(Bus, Windows),
    stays(Bus, Stays),
    placed(io, Bus, Windows, Stays, PlacedIo),
    placed(memory, Bus, Windows, Stays, PlacedMemory),
    append(PlacedIo, PlacedMemory, Placed),
    findall(Region, ( member(Space-At, Placed), region(At, 0, Space, Region) ), Regions0),
    findall(region(Kept, Space, From, Size),
            ( member(stay(What, Space, From, To), Stays),
              ( What = window(Bridge, _) -> Kept = window(Bridge) ; Kept = What ),
              Size is To - From
            ),
            Stayed),
    append(Regions0, Stayed, Regions1),
    sort(3, @=<, Regions1, Regions),
    aggregate_all(sum(Size), member(region(window(_), _, _, Size), Regions0), Used),
    waste(Placed, Wasted),
    least_waste(Placed, Bound).

region(at(Offset, item(What, Size, _, Below)), Start, Space0, Region) :-
    Base is Start + Offset,
    (   What = window(Bridge, Space)
    ->  (   Region = region(window(Bridge), Space, Base, Size)
        ;   member(At, Below),
            region(At, Base, Space, Region)
        )
    ;   Region = region(What, Space0, Base, Size)
    ).

%   placed(+Spaces, +Bus, +Windows, +Stays, -Placed): Placed are Space-at(Base, Item) of the root's bus.

placed(Kind, Bus, Windows, Stays, Placed) :-
    wanted(Kind, Bus, Stays, Wanted),
    ( Kind == io -> Space = io ; Space = mem ),
    room(Windows, Space, Stays, Ranges),
    findall(Item, member(_-Item, Wanted), Items),
    (   Items == []
    ->  Placed = []
    ;   on_root(Items, Ranges, Bases),
        findall(Each-at(Base, Item), ( nth1(N, Wanted, Each-Item), nth1(N, Bases, Base) ), Placed)
    ).

room(Windows, Space, Stays, Ranges) :-
    free_ranges(Windows, Space, Free),
    findall(From-To,
            ( member(stay(_, Each, From, To), Stays), ( Each == io -> Space == io ; Space \== io ) ),
            Taken),
    foldl(without, Taken, Free, Ranges).

wanted(Kind, Bus, Stays, Wanted) :-
    findall(Space-Item,
            ( ( Kind == io -> Space = io ; member(Space, [mem, prefetchable]) ),
              items(Bus, Space, Items),
              member(Item, Items),
              Item = item(What, _, _, _),
              \+ memberchk(stay(What, Space, _, _), Stays)
            ),
            Wanted0),
    predsort(harder, Wanted0, Wanted).

harder(Order, _-item(WhatA, SizeA, AlignA, _), _-item(WhatB, SizeB, AlignB, _)) :-
    compare(Order0, key(AlignB, SizeB), key(AlignA, SizeA)),
    (   Order0 == (=)
    ->  compare(Order, WhatA, WhatB)
    ;   Order = Order0
    ).

on_root(Items, Ranges, Bases) :-
    maplist(extent, Items, Extents),
    arrange(Extents, Ranges, Bases).

%   What windows hold beyond what is wanted, as it was packed and at least (each window by itself).

waste(Placed, Wasted) :-
    aggregate_all(sum(Waste), ( member(_-at(_, Item), Placed), wasted_in(Item, Waste) ), Wasted).

wasted_in(item(window(_, _), Size, _, Layout), Waste) :-
    aggregate_all(sum(Each), member(at(_, item(_, Each, _, _)), Layout), Held),
    aggregate_all(sum(Below), ( member(at(_, Item), Layout), wasted_in(Item, Below) ), Deeper),
    Waste is Size - Held + Deeper.

least_waste(Placed, Bound) :-
    aggregate_all(sum(Least), ( member(_-at(_, Item), Placed), least_in(Item, Least) ), Bound).

least_in(item(window(_, Space), _, _, Layout), Least) :-
    granularity(Space, Grain),
    findall(Item, member(at(_, Item), Layout), Items),
    least_size(Items, Grain, Size),
    aggregate_all(sum(Each), member(item(_, Each, _, _), Items), Held),
    aggregate_all(sum(Below), ( member(Item, Items), least_in(Item, Below) ), Deeper),
    Least is Size - Held + Deeper.

%!  pci_refusal(+Bus, -Reason:string) is nondet.
%
%   There is no plan for the root bus because of Reason. Fails where there is one.

pci_refusal(Bus, Reason) :-
    pci_windows(Bus, Windows),
    stays(Bus, Stays),
    member(Kind, [io, memory]),
    wanted(Kind, Bus, Stays, Wanted),
    Wanted = [_|_],
    ( Kind == io -> Space = io ; Space = mem ),
    room(Windows, Space, Stays, Ranges),
    findall(Item, member(_-Item, Wanted), Items),
    aggregate_all(sum(To - From), member(From-To, Ranges), Free),
    aggregate_all(sum(Size), member(item(_, Size, _, _), Items), Sum),
    (   Sum > Free
    ->  format(string(Reason), "~w: ~D bytes are wanted, ~D are free in ~w", [Kind, Sum, Free, Windows])
    ;   member(item(What, Size, Align, _), Items),
        \+ ( member(From-To, Ranges), up_to(Align, From, Base), Base + Size =< To )
    ->  format(string(Reason), "~w: ~w wants ~D bytes at a multiple of ~D, and no free range of ~w holds them",
               [Kind, What, Size, Align, Ranges])
    ;   \+ on_root(Items, Ranges, _)
    ->  format(string(Reason), "~w: ~D bytes are wanted and ~D are free, but alignment lets no arrangement into ~w",
               [Kind, Sum, Free, Ranges])
    ;   fail
    ).

%!  pci_problem(+Bus, -Problem) is det.
%
%   Problem is problem(Registers, Windows, Buses): how much there is to arrange behind the root bus.

pci_problem(Bus, problem(Registers, Windows, Buses)) :-
    findall(Below, below(Bus, Below), Buses0),
    length(Buses0, Buses),
    aggregate_all(count, ( member(Each, Buses0), wants(_, _, _, Each) ), Registers),
    aggregate_all(count,
                  ( member(Each, Buses0), item_window(Each, _) ),
                  Windows).

item_window(Bus, Bridge-Space) :-
    behind(Bridge, Below),
    on_bus(Bridge, Bus),
    member(Space, [io, mem, prefetchable]),
    items(Below, Space, [_|_]).

below(Bus, Bus).
below(Bus, Below) :-
    behind(Bridge, Next),
    on_bus(Bridge, Bus),
    Next \== Bus,
    below(Next, Below).
