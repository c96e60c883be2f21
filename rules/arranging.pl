:- encoding(utf8).
:- module(arranging,
          [ arrange/3                   % +Extents, +Ranges, -Bases
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(clpfd)).

/** <module> Ranges of addresses that do not overlap, by constraints

A module of its own because CLP(FD) takes long to load, and few ask what needs it.
*/

%!  arrange(+Extents:list, +Ranges:list, -Bases:list) is semidet.
%
%   Bases are where Extents may begin, each extent(Size, Align) at a multiple of Align within one of Ranges
%   (From-To, To excluded), no two overlapping. The extents that come first get the lowest bases that leave room for the
%   rest. Fails if there is no arrangement.

arrange(Extents, Ranges, Bases) :-
    maplist(within(Ranges), Extents, Bases),
    apart(Extents, Bases),
    maplist(lowest_first, Bases),
    !.

within(Ranges, extent(Size, Align), Base) :-
    findall(Low..High,
            ( member(From-To, Ranges),
              Low is (From + Align - 1) // Align,
              High is (To - Size) // Align,
              Low =< High
            ),
            [First|Domains]),
    foldl(or, Domains, First, Union),
    Step in Union,
    Base #= Step * Align.

or(Domain, Union, Union \/ Domain).

apart([], []).
apart([extent(Size, _)|Extents], [Base|Bases]) :-
    maplist(apart_from(Base, Size), Extents, Bases),
    apart(Extents, Bases).

apart_from(Base, Size, extent(OtherSize, _), Other) :-
    Base + Size #=< Other #\/ Other + OtherSize #=< Base.

lowest_first(Base) :-
    indomain(Base).
