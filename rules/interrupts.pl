:- encoding(utf8).
:- module(interrupts,
          [ interrupt_gsi/2,            % ?Address, -Gsi
            isa_gsi/4,                  % +Irq, -Gsi, -Trigger, -Polarity
            ioapic_input/3,             % +Gsi, -IoApic, -Input
            interrupt_plan/1,           % -Plan
            interrupt_core/2            % +Address, -Core
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- use_module(topology).

/** <module> From a device's interrupt pin to a core

A function's pin reaches, over the bridges above it, a root whose routing table (prt/3) says which global system interrupt
(GSI) it raises; that is an input of the I/O APIC whose range it falls into. A bridge passes pins on turned by the device's
number (PCI-to-PCI bridge specification 1.2, 9.1). Where the firmware's table is not known, the line that it wrote into the
function tells, by way of the ISA overrides of the MADT. Functions with MSI or MSI-X need no pin.

Interrupts are spread: each goes to the core that has fewest so far among those closest to its device
(device_near/2), as many of a table of messages as there are such cores.
*/

%!  interrupt_gsi(?Address, -Gsi) is nondet.
%
%   The pin of the PCI function at Address raises the global system interrupt Gsi; deterministic with Address given.

interrupt_gsi(Address, Gsi) :-
    (   nonvar(Address)
    ->  once(pin(Address, Pin)),
        once(gsi_of(Address, Pin, Gsi))
    ;   pin(Address, Pin),
        once(gsi_of(Address, Pin, Gsi))
    ).

pin(Address, Pin) :-
    facts:device(_, Address, _, _, _, _, _, Pin),
    Pin >= 0.

gsi_of(Address, Pin, Gsi) :-
    routed(Address, Pin, Gsi).
gsi_of(Address, _, Gsi) :-
    facts:device_interrupt_line(Address, Line),
    Line > 0,
    Line < 255,
    isa_gsi(Line, Gsi, _, _).

%   routed(+Address, +Pin, -Gsi): the root's table, or over the bridge above.

routed(Address, Pin, Gsi) :-
    table_entry(Address, Pin, Interrupt),
    (   Interrupt = gsi(Gsi0)
    ->  Gsi = Gsi0
    ;   Interrupt = pir(Link),
        aggregate_all(min(Each), facts:pir(Link, Each), Gsi)
    ).
routed(Address, Pin, Gsi) :-
    \+ table_entry(Address, _, _),
    place(Address, Segment, Bus, Device),
    facts:bridge_buses(Bridge, _, Bus, _),
    place(Bridge, Segment, Above, _),
    Above \== Bus,
    Turned is (Pin + Device) mod 4,
    routed(Bridge, Turned, Gsi).

%   table_entry(+Address, ?Pin, -Interrupt): an entry of the table of the function's bus, whose number the firmware may leave
%   to the operating system: then it is the bus behind a bridge.

table_entry(Address, Pin, Interrupt) :-
    place(Address, Segment, Bus, Device),
    entry_key(Segment, Bus, Device, Key, Function),
    facts:prt(Key, Pin, Interrupt),
    ( Function == any -> true ; functor(Address, _, Arity), arg(Arity, Address, Function) ).

entry_key(0, Bus, Device, addr(Bus, Device, Function), Function).
entry_key(Segment, Bus, Device, addr(Segment, Bus, Device, Function), Function).
entry_key(Segment, Bus, Device, addr(behind(Bridge), Device, Function), Function) :-
    facts:bridge_buses(Bridge, _, Bus, _),
    place(Bridge, Segment, _, _).

place(addr(Bus, Device, _), 0, Bus, Device).
place(addr(Segment, Bus, Device, _), Segment, Bus, Device).

%!  isa_gsi(+Irq, -Gsi, -Trigger, -Polarity) is det.
%
%   The ISA interrupt Irq arrives as Gsi: as an override of the MADT says, else as itself, `edge` triggered and active
%   `high`, as ISA has it (ACPI 6.5, 5.2.12.5).

isa_gsi(Irq, Gsi, Trigger, Polarity) :-
    (   facts:interrupt_override(_, Irq, Gsi0, Flags)
    ->  Gsi = Gsi0,
        ( Flags /\ 0b1100 =:= 0b1100 -> Trigger = level ; Trigger = edge ),
        ( Flags /\ 0b0011 =:= 0b0011 -> Polarity = low ; Polarity = high )
    ;   Gsi = Irq,
        Trigger = edge,
        Polarity = high
    ).

%!  ioapic_input(+Gsi, -IoApic, -Input) is semidet.
%
%   Gsi is input number Input of the I/O APIC IoApic: the one whose first interrupt is the nearest below.

ioapic_input(Gsi, IoApic, Input) :-
    findall(Base-Id, ( facts:ioapic(Id, _, Base), Base =< Gsi ), Found),
    Found = [_|_],
    max_member(Base-IoApic, Found),
    Input is Gsi - Base.

%!  interrupt_core(+Address, -Core) is semidet.
%
%   The plan sends the first interrupt of the function at Address to Core.

interrupt_core(Address, Core) :-
    interrupt_plan(Plan),
    memberchk(interrupt(Address, _, Core, _), Plan).

%!  interrupt_plan(-Plan:list) is det.
%
%   Plan has an interrupt(Address, Source, Core, Vector) for each interrupt of each function that has one, in the order of
%   their addresses. Source is msix(Number), msi(0), or pin(Gsi, IoApic, Input); functions that share a Gsi share its core
%   and vector. A function that is near no core in particular may go to any.

interrupt_plan(Plan) :-
    findall(Core, core(Core), All),
    findall(wants(Address, Sources),
            ( function(Address), sources(Address, All, Sources), Sources = [_|_] ),
            Wants0),
    sort(Wants0, Wants),
    foldl(assign(All), Wants, state([], []), state(_, Plan0)),
    reverse(Plan0, Plan).

function(Address) :-
    findall(Each,
            ( pin(Each, _) ; facts:device_msi(Each, _, _, _, _) ; facts:device_msix(Each, _, _) ),
            Addresses0),
    sort(Addresses0, Addresses),
    member(Address, Addresses),
    \+ facts:bridge(_, Address, _, _, _, _, _, _).

sources(Address, All, Sources) :-
    (   facts:device_msix(Address, Count, _)
    ->  near(Address, All, Cores),
        length(Cores, Most),
        Last is min(Count, Most) - 1,
        findall(msix(Number), between(0, Last, Number), Sources)
    ;   facts:device_msi(Address, _, _, _, _)
    ->  Sources = [msi(0)]
    ;   interrupt_gsi(Address, Gsi),
        ioapic_input(Gsi, IoApic, Input)
    ->  Sources = [pin(Gsi, IoApic, Input)]
    ;   Sources = []
    ).

near(Address, All, Cores) :-
    (   device_near(Address, Near)
    ->  Cores = Near
    ;   Cores = All
    ).

%   assign(+All, +Wants, +State0, -State): State has Core-Count pairs of what is assigned, and the plan so far, reversed.

assign(All, wants(Address, Sources), State0, State) :-
    near(Address, All, Cores),
    foldl(assign_one(Address, Cores), Sources, State0, State).

assign_one(Address, Cores, Source, state(Counts0, Plan0), state(Counts, Plan)) :-
    (   Source = pin(Gsi, _, _),
        member(interrupt(_, pin(Gsi, _, _), Core, Vector), Plan0)
    ->  Counts = Counts0,
        Plan = [interrupt(Address, Source, Core, Vector)|Plan0]
    ;   findall(Count-Each, ( member(Each, Cores), count(Counts0, Each, Count), Count < 192 ), Pairs),
        sort(Pairs, [Fewest-Core|_])
    ->  Vector is 0x30 + Fewest,
        Next is Fewest + 1,
        ( selectchk(Core-_, Counts0, Counts1) -> true ; Counts1 = Counts0 ),
        Counts = [Core-Next|Counts1],
        Plan = [interrupt(Address, Source, Core, Vector)|Plan0]
    ;   Counts = Counts0,               % every near core has all the vectors there are, 0x30-0xef
        Plan = Plan0
    ).

count(Counts, Core, Count) :-
    (   memberchk(Core-Known, Counts)
    ->  Count = Known
    ;   Count = 0
    ).
