:- encoding(utf8).
:- module(findings,
          [ cores_text/2,               % +Cores, -Text
            things_text/3,              % +Thing, +Numbers, -Text
            listed/3,                   % +Parts, +Most, -Text
            some/3,                     % ?Each, :Goal, -All
            repeated/3,                 % +Pairs, ?Key, -Values
            overlapping/3,              % +Sorted, -Range, -Next
            system_of/2                 % +Core, -System
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(refusal, [ranges_text/2]).

/** <module> How what does not fit is looked for and told

What rules of consistency.pl, firmware_consistency.pl and pci_consistency.pl have in common: what is there twice, ranges that
overlap, and words for many cores at once.
*/

%!  cores_text(+Cores, -Text) is det.
%
%   Cores as `core 3` or `cores 0-3,8`.

cores_text(Cores, Text) :-
    things_text(core, Cores, Text).

%!  things_text(+Thing, +Numbers, -Text) is det.
%
%   Numbers of Things as `node 3` or `nodes 0-3,8`.

things_text(Thing, [Number], Text) :-
    !,
    format(string(Text), "~w ~w", [Thing, Number]).
things_text(Thing, Numbers0, Text) :-
    sort(Numbers0, Numbers),
    ranges_text(Numbers, Ranges),
    format(string(Text), "~ws ~w", [Thing, Ranges]).

%!  some(?Each, :Goal, -All) is semidet.
%
%   Goal has answers; All are Each of them, sorted.

:- meta_predicate some(?, 0, -).

some(Each, Goal, All) :-
    findall(Each, Goal, All0),
    sort(All0, All),
    All = [_|_].

%!  listed(+Parts, +Most, -Text) is det.
%
%   The first Most of Parts, and how many more there are.

listed(Parts, Most, Text) :-
    length(Parts, Count),
    (   Count =< Most
    ->  atomics_to_string(Parts, Text)
    ;   length(First, Most),
        append(First, _, Parts),
        More is Count - Most,
        format(string(Rest), "~w more", [More]),
        append(First, [Rest], Shown),
        atomics_to_string(Shown, Text)
    ).

atomics_to_string(Parts, Text) :-
    atomic_list_concat(Parts, ', ', Atom),
    atom_string(Atom, Text).

%!  repeated(+Pairs, ?Key, -Values) is nondet.
%
%   Key has several different Values in Pairs.

repeated(Pairs0, Key, Values) :-
    sort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups),
    member(Key-Values, Groups),
    Values = [_, _|_].

%!  overlapping(+Sorted, -Range, -Next) is nondet.
%
%   Of ranges range(From, To, What) in standard order, Next begins before Range, that of those before it which reaches
%   farthest, has ended.

overlapping([First|Rest], Range, Next) :-
    overlapping(Rest, First, Range, Next).

overlapping([One|Rest], Farthest, Range, Next) :-
    Farthest = range(_, Limit, _),
    One = range(Base, OneLimit, _),
    (   Base =< Limit,
        Range = Farthest,
        Next = One
    ;   ( OneLimit > Limit -> Farther = One ; Farther = Farthest ),
        overlapping(Rest, Farther, Range, Next)
    ).

%!  system_of(+Core, -System) is det.
%
%   Cores on a card, and those that share no memory, are systems of their own, which may have the same ids.

system_of(Core, System) :-
    (   facts:memory_domain(Core, Domain)
    ->  System = memory(Domain)
    ;   facts:device_core(Address, Core)
    ->  System = card(Address)
    ;   System = board
    ).
