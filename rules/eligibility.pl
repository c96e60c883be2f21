:- encoding(utf8).
:- module(eligibility,
          [ isa_of/2,                   % ?Core, ?Isa
            on_line/1,                  % ?Core
            with_image/2,               % +Image, :Goal
            image_of/2,                 % +Domain, -Image
            eligible_cores/1,           % -Cores
            must_be_eligible/1          % +Cores
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(store).
:- use_module(topology).
:- use_module(refusal).

/** <module> Which cores a program can run on at all

A dispatcher is compiled for an instruction set, and runs on the cores that have it; a domain may span cores of
several, with an image for each (dissertation §2.5.2). And nothing is placed on a core that was taken off line.
An image is `any`, of a program that is compiled for whatever core it is to run on, or the list of the instruction
sets that it is built for.
*/

%!  isa_of(?Core, ?Isa) is nondet.
%
%   Core executes the instruction set Isa: as stated (cpu_isa/2), else as its architecture has it (corename/3,
%   which CPUID's long mode, cpuinfo's flags and ARM's MIDR tell). The cores of Intel's SCC are P54C Pentiums.

isa_of(Core, Isa) :-
    core(Core),
    core_isa(Core, Isa).

core_isa(Core, Isa) :-
    (   facts:cpu_isa(Core, Stated)
    ->  Isa = Stated
    ;   facts:corename(Core, Architecture, _)
    ->  (   architecture_isa(Architecture, Known)
        ->  Isa = Known
        ;   Isa = Architecture
        )
    ).

architecture_isa(scc, x86_32).

%!  on_line(?Core) is nondet.
%
%   Core has not been taken off line since the machine booted.

on_line(Core) :-
    core(Core),
    \+ facts:offline(Core).

:- dynamic image/1.                     % of the domain being placed, if it is not `any`

%!  with_image(+Image, :Goal) is semidet.
%
%   Goal, once, places dispatchers of a domain with that Image.

:- meta_predicate with_image(+, 0).

with_image(Image, Goal) :-
    retractall(image(_)),
    (   Image == any
    ->  true
    ;   assertz(image(Image))
    ),
    once(Goal),
    retractall(image(_)).

%!  image_of(+Domain, -Image) is det.

image_of(Domain, Image) :-
    (   facts:built_for(Domain, Isas)
    ->  Image = Isas
    ;   Image = any
    ).

%!  eligible_cores(-Cores) is det.
%
%   The cores, ascending, on which the domain being placed can run.
%
%   @error placement_error(Text) if there are none

eligible_cores(Cores) :-
    findall(Core, core(Core), All),
    (   All == []
    ->  refuse("there are no cores; load a machine", [])
    ;   \+ facts:offline(_),
        \+ image(_)
    ->  Cores = All
    ;   exclude(off_line, All, Running),
        include(fits_image, Running, Cores),
        (   Cores == []
        ->  image(Isas),
            findall(Isa, ( member(Core, Running), core_isa(Core, Isa) ), Known0),
            sort(Known0, Known),
            listed(Isas, Built),
            listed(Known, KnownText),
            refuse("the image is built for ~w; the cores run ~w", [Built, KnownText])
        ;   true
        )
    ).

off_line(Core) :-
    facts:offline(Core).

fits_image(Core) :-
    (   image(Isas)
    ->  core_isa(Core, Isa),
        memberchk(Isa, Isas)
    ;   true
    ).

listed(Names, Text) :-
    atomic_list_concat(Names, ', ', Text).

%!  must_be_eligible(+Cores) is det.
%
%   The domain being placed can run on all these Cores.
%
%   @error placement_error(Text)

must_be_eligible(Cores) :-
    (   facts:offline(_),
        member(Core, Cores),
        facts:offline(Core)
    ->  refuse("core ~w is off line; core online ~w brings it back", [Core, Core])
    ;   image(Isas),
        member(Core, Cores),
        \+ fits_image(Core)
    ->  ( core_isa(Core, Isa) -> true ; Isa = 'an instruction set that nobody told' ),
        listed(Isas, Built),
        refuse("core ~w runs ~w, and the image is built for ~w", [Core, Isa, Built])
    ;   true
    ).
