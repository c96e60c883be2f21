:- encoding(utf8).
:- module(component_packing,
          [ find_packing/4,             % +Domains, +Demand, -Packing, -Failure
            largest_packing/3,          % +Domains, -Factor, -Packing
            rates_fit/1,                % +Problem
            hints/2,                    % +Domains, -Hints
            counted/2                   % :Goal, -Inferences
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(admission).
:- use_module(combinations).
:- use_module(packing).
:- use_module(slots).

/** <module> The packing of a component: for all its combinations of phases, or for each

Offsets that hold in all combinations are looked for first; where none are found, those of each combination by
itself, of at most so many (combinations.pl). If there is no packing, the largest factor is found by which all WCETs
can be multiplied for there to be one.
*/

%   The factor is looked for until it is known to within this share.

factor_tolerance(1r256).

%!  find_packing(+Domains, +Demand, -Packing, -Failure) is det.
%
%   Offsets that Domains have are kept where they can be, those of the first before those of the last.
%   Packing is static(Offsets, How), or separate(Schedules), a list of Combination-packed(Offsets, How), or `none`;
%   then Failure is
%   why: rate, combinations(Count), or unpacked(Combination, Verdict): for that one there is no packing (`none`,
%   proven),
%   or no packing was found (`unknown`).

find_packing(Members, Demand, Packing, Failure) :-
    problem(Members, all, Demand, Problem),
    hints(Members, Hints),
    sort(Members, Domains),
    most_combinations(Most),
    combination_count(Domains, Count),
    (   \+ rates_fit(Problem)
    ->  Packing = none, Failure = rate
    ;   packed(Domains, all, Demand, Hints, Answer),
        (   Answer = packed(Offsets, How)
        ->  Packing = static(Offsets, How)
        ;   Count =:= 1
        ->  Packing = none,
            current_combination(Domains, Only),
            Failure = unpacked(Only, Answer)
        ;   Count > Most
        ->  Packing = none, Failure = combinations(Count)
        ;   next_combinations(Domains, Combinations),
            separately(Combinations, Demand, Hints, Schedules, Failure),
            ( var(Failure) -> Packing = separate(Schedules) ; Packing = none )
        )
    ).

%   packed(+Domains, +Combination, +Demand, +Hints, -Answer): gangs in slots of their own, so that their members run
%   at the
%   same time; failing that, within their deadlines. Answer is packed(Offsets, How), `none` or `unknown`.

packed(Domains, Combination, Demand, Hints, Answer) :-
    member(Within, [slots(Demand), Demand]),
    problem(Domains, Combination, Within, Problem),
    pack(Problem, Hints, How),
    !,
    offsets(Problem, Offsets),
    Answer = packed(Offsets, How).
packed(Domains, Combination, Demand, _, Answer) :-
    problem(Domains, Combination, Demand, Problem),
    search_exactly(Problem, Found),
    (   Found == found
    ->  offsets(Problem, Offsets),
        Answer = packed(Offsets, exact)
    ;   Answer = Found
    ).

%   Constraints are loaded when they are first needed: counted/2, outside of any transaction, does it and
%   starts anew.

search_exactly(Problem, Found) :-
    (   current_predicate(packing_exact:rehearsed/0)
    ->  packing_exact:exact(Problem, Found)
    ;   throw(need_exact)
    ).

%!  counted(:Goal, -Inferences) is semidet.
%
%   Goal, once, took so many inferences: the same for the same knowledge, whatever was asked before.

:- meta_predicate counted(0, -).

counted(Goal, Inferences) :-
    (   current_transaction(_)
    ->  counted_once(Goal, Inferences)
    ;   catch(counted_once(Goal, Inferences), need_exact,
              ( load_exact, counted_once(Goal, Inferences) ))
    ).

counted_once(Goal, Inferences) :-
    statistics(inferences, Before),
    once(Goal),
    statistics(inferences, After),
    Inferences is After - Before.

load_exact :-
    module_property(component_packing, file(Here)),
    file_directory_name(Here, Folder),
    atom_concat(Folder, '/packing_exact.pl', File),
    load_files(File, [if(not_loaded), silent(true), imports([])]),
    packing_exact:rehearse_exact,
    (   current_predicate(rehearsal:rehearse/0)
    ->  rehearsal:rehearse              % now that decisions need not end where the search begins
    ;   true
    ).

separately([], _, _, [], _).
separately([Combination|Combinations], Demand, Hints, Schedules, Failure) :-
    pairs_keys(Combination, Domains),
    packed(Domains, Combination, Demand, Hints, Answer),
    (   Answer = packed(Offsets, How)
    ->  append(Hints, Offsets, Hints1),
        Schedules = [Combination-packed(Offsets, How)|Rest],
        separately(Combinations, Demand, Hints1, Rest, Failure)
    ;   Failure = unpacked(Combination, Answer),
        Schedules = []
    ).

rates_fit(problem(Units, Columns)) :-
    capacity(Capacity),
    \+ ( maplist(anywhere, Units),
         member(Column, Columns),
         column_rate(Column, Rate),
         Rate > Capacity
       ).

anywhere(unit(_, _, _, _, 0, _)).

%   hints(+Domains, -Hints): where they are now.

hints(Domains, Hints) :-
    findall(u(Domain, Phase, Who)-Offset,
            ( member(Domain, Domains), facts:timeslot(Domain, Phase, Who, Offset, _) ),
            Static),
    findall(Offset,
            ( facts:combination_slots(Combination, Offsets, _),
              \+ \+ ( member(Domain-_, Combination), memberchk(Domain, Domains) ),
              member(Offset, Offsets)
            ),
            Separate),
    append(Static, Separate, Hints).

%   largest_packing(+Domains, -Factor, -Packing): with all that they ask for multiplied by Factor, Packing holds.

largest_packing(Domains, Factor, Packing) :-
    problem(Domains, all, asked(1), Problem),
    highest_factor(Problem, Highest),
    packed_at(Domains, Highest, Factor0, Packing0),
    (   Factor0 =:= Highest
    ->  Factor = Factor0, Packing = Packing0
    ;   worst_case(Domains, Problem, Factor1, Packing1),
        better(Factor0-Packing0, Factor1-Packing1, Lower),
        narrowed(Domains, Lower, Highest, Factor-Packing)
    ).

%   What no packing can exceed: the rates, and what the loose tasks need among themselves.

highest_factor(problem(Units, Columns), Factor) :-
    findall(Rate, ( maplist(anywhere, Units), member(Column, Columns), column_rate(Column, Rate) ), Rates),
    max_list([0|Rates], Most),
    capacity(Capacity),
    (   Most > Capacity
    ->  Factor0 is Capacity rdiv Most
    ;   Factor0 = 1
    ),
    packing_factor(problem(Units, Columns), Factor0, Factor).

%   packed_at(+Domains, +Factor, -Found, -Packing): the packing found for that factor holds for Found; 0 if there is
%   none.

packed_at(Domains, Factor, Found, Packing) :-
    find_packing(Domains, asked(Factor), Packing, _),
    (   Packing == none
    ->  Found = 0
    ;   packings_factor(Packing, Domains, Factor, Found)
    ).

%   Between what can certainly be had and what cannot be exceeded first fit looks, for offsets that hold in all
%   combinations.

quickly_packed_at(Domains, Factor, Found, Packing) :-
    hints(Domains, Hints),
    (   member(Within, [slots(asked(Factor)), asked(Factor)]),
        problem(Domains, all, Within, Problem),
        pack_quickly(Problem, Hints)
    ->  offsets(Problem, Offsets),
        Packing = static(Offsets, greedy),
        packings_factor(Packing, Domains, Factor, Found)
    ;   Found = 0,
        Packing = none
    ).

packings_factor(static(Offsets, _), Domains, Factor0, Factor) :-
    problem(Domains, all, asked(1), Problem),
    put(Problem, Offsets),
    packing_factor(Problem, Factor0, Factor).
packings_factor(separate(Schedules), Domains, Factor0, Factor) :-
    foldl(combination_factor(Domains), Schedules, Factor0, Factor).

combination_factor(Domains, Combination-packed(Offsets, _), Factor0, Factor) :-
    problem(Domains, Combination, asked(1), Problem),
    put(Problem, Offsets),
    packing_factor(Problem, Factor0, Factor).

%   Whoever is somewhere stays there, and all others begin at 0: that holds for some factor.

worst_case(Domains, Problem, Factor, static(Offsets, greedy)) :-
    hints(Domains, Hints),
    put(Problem, Hints),
    Problem = problem(Units, _),
    maplist(anywhere_else, Units),
    packing_factor(Problem, 1, Factor),
    offsets(Problem, Offsets).

anywhere_else(unit(_, _, _, _, Offset, _)) :-
    (   var(Offset)
    ->  Offset = 0
    ;   true
    ).

better(A-PackingA, B-PackingB, Best) :-
    ( A >= B -> Best = A-PackingA ; Best = B-PackingB ).

narrowed(Domains, Lower-Packing, Upper, Best) :-
    factor_tolerance(Tolerance),
    (   Upper - Lower =< Tolerance * Upper
    ->  Best = Lower-Packing
    ;   Middle is (Lower + Upper) / 2,
        quickly_packed_at(Domains, Middle, Found, Other),
        (   Found > Lower
        ->  Upper1 is max(Upper, Found),
            ( Found < Middle -> Upper2 = Middle ; Upper2 = Upper1 ),
            narrowed(Domains, Found-Other, Upper2, Best)
        ;   narrowed(Domains, Lower-Packing, Middle, Best)
        )
    ).

