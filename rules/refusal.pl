:- encoding(utf8).
:- module(refusal,
          [ refuse/2,                   % +Format, +Arguments
            shortfall_text/4,           % +Core, +Demands, +Shortfall, -Text
            unpacked_text/3,            % +Combination, +Verdict, -Text
            percent/2,                  % +Share, -Text
            ranges_text/2               % +Numbers, -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(manifest).
:- use_module(admission).

/** <module> Refusals of the placement controller, in words and figures
*/

%!  refuse(+Format, +Arguments) is erroneous.
%
%   @error placement_error(Text)

refuse(Format, Arguments) :-
    format(string(Text), Format, Arguments),
    throw(error(placement_error(Text), _)).

%!  shortfall_text(+Core, +Demands, +Shortfall, -Text) is det.
%
%   Why these demands do not fit on Core (shortfall/2).

shortfall_text(Core, Demands, rate(_, _), Text) :-
    capacity(Capacity),
    newest_last(Demands, Others, Domain, Asked, Phase),
    demands_utilisation(Others, Taken),
    percent(Asked, AskedText),
    Left is max(0, Capacity - Taken),
    percent(Left, LeftText),
    Reserve is 1 - Capacity,
    percent(Reserve, ReserveText),
    takers_text(Others, TakersText),
    format(string(Text), "core ~w is over-committed: ~w asks for ~s in phase ~w, ~s is left (~s~s is kept for best effort)",
           [Core, Domain, AskedText, Phase, LeftText, TakersText, ReserveText]).
shortfall_text(Core, Demands, deadline(Interval, Due), Text) :-
    ms_text(Interval, IntervalText),
    ms_text(Due, DueText),
    findall(Name, ( member(demand(Domain, _), Demands), domain_name(Domain, Name) ), Names),
    atomic_list_concat(Names, ', ', NamesText),
    format(string(Text), "core ~w cannot meet all deadlines: ~s are due within ~s when the releases of ~w coincide",
           [Core, DueText, IntervalText, NamesText]).

%!  unpacked_text(+Combination, +Verdict, -Text) is det.
%
%   Why the hard real time of these domains in these phases has no schedule: as was proven (`none`), or as nothing
%   was found
%   (`unknown`).

unpacked_text(Combination, Verdict, Text) :-
    findall(Need-Core,
            ( member(Domain-Phase, Combination),
              facts:granted(Domain, Dispatcher, Phase, Parameters, _),
              need(Domain, Phase, Parameters, Need),
              facts:allocation(Domain, Dispatcher, Core)
            ),
            Needs0),
    findall(Core, member(_-Core, Needs0), All0),
    msort(All0, All),
    findall(Core, append(_, [Core, Core|_], All), Shared),
    ( Shared == [] -> Cores0 = All ; Cores0 = Shared ),
    sort(Cores0, Cores),
    ranges_text(Cores, CoresText),
    findall(Need, member(Need-_, Needs0), Needs1),
    sort(Needs1, Needs),
    atomic_list_concat(Needs, ', ', NeedsText),
    ( Cores = [_] -> Noun = core ; Noun = cores ),
    (   Verdict == none
    ->  Told = "no offsets keep them apart, as a search of all has proven"
    ;   Told = "no offsets were found that keep them apart"
    ),
    format(string(Text), "~w ~w cannot meet all deadlines: ~w; ~w", [Noun, CoresText, NeedsText, Told]).

need(Domain, Phase, Parameters, Need) :-
    (   Parameters = gang(W, P, D, Release)
    ;   Parameters = hard(W, P, D, Release)
    ),
    domain_name(Domain, Name),
    maplist(ms_text, [W, P, D], [Wcet, Period, Deadline]),
    ( Release == auto -> When = "" ; When = " from any instant" ),
    format(atom(Need), '~w needs ~s within ~s every ~s~s in phase ~w', [Name, Wcet, Deadline, Period, When, Phase]).

%   The domain that is being placed: the one not running yet, else the newest.

newest_last(Demands, Others, Name, Asked, Phase) :-
    (   selectchk(demand(new, Phases), Demands, Others)
    ->  Name = "the domain"
    ;   findall(Domain, member(demand(Domain, _), Demands), Domains),
        newest(Domains, Domain),
        selectchk(demand(Domain, Phases), Demands, Others),
        Name = "the domain"
    ),
    demand_utilisation(demand(new, Phases), Asked, Phase).

newest(Domains, Domain) :-
    (   member(Domain, Domains),
        \+ facts:domain_phase(Domain, _)
    ->  true
    ;   max_list(Domains, Domain)
    ).

domain_name(new, "the domain") :- !.
domain_name(Domain, Name) :-
    (   facts:domain_phase(Domain, _)
    ->  format(string(Name), "domain ~w", [Domain])
    ;   Name = "the domain"
    ).

takers_text(Demands, Text) :-
    findall(Taker,
            ( member(Demand, Demands),
              Demand = demand(Domain, _),
              demand_utilisation(Demand, Utilisation, Phase),
              Utilisation > 0,
              percent(Utilisation, Percent),
              format(string(Taker), "domain ~w has ~s in phase ~w, ", [Domain, Percent, Phase])
            ),
            Takers),
    atomics_to_string(Takers, Text).

atomics_to_string(Parts, Text) :-
    atomic_list_concat(Parts, Atom),
    atom_string(Atom, Text).

%!  percent(+Share, -Text) is det.

percent(Share, Text) :-
    Percent is float(100 * Share),
    format(string(Text), "~1f %", [Percent]).

%!  ranges_text(+Numbers, -Text) is det.
%
%   Ascending Numbers as 0-3,8.

ranges_text(Numbers, Text) :-
    runs(Numbers, Runs),
    maplist(run_text, Runs, Texts),
    atomic_list_concat(Texts, ',', Text).

runs([], []).
runs([First|Numbers], [First-Last|Runs]) :-
    run(Numbers, First, Last, Rest),
    runs(Rest, Runs).

run([Next|Numbers], Previous, Last, Rest) :-
    Next =:= Previous + 1,
    !,
    run(Numbers, Next, Last, Rest).
run(Rest, Last, Last, Rest).

run_text(First-Last, Text) :-
    (   First == Last
    ->  format(atom(Text), '~w', [First])
    ;   format(atom(Text), '~w-~w', [First, Last])
    ).

:- multifile prolog:error_message//1.

prolog:error_message(placement_error(Text)) -->
    [ '~w'-[Text] ].
