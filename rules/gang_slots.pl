:- encoding(utf8).
:- module(gang_slots,
          [ asks/3,                     % ?Dispatcher, ?Group, -Phases
            room_at/3,                  % +Core, +Parameters, +Offset
            time_slots/2,               % +Period, -Offsets
            busy_share/2,               % +Core, -Percent
            io_bound/1,                 % +Group
            gang_row/3,                 % +Dispatcher, -Offset, -Cores
            begin_asking/1,             % +Requests
            end_asking/0
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(topology).
:- use_module(packing).
:- use_module(schedules).

/** <module> What policies for gangs see of the matrix of time slots and cores

Rows are the offsets at which gangs begin, columns the cores. A gang fits a row on those cores where its slot is
free at that offset in every combination of phases. The fewest slots stay empty if each gang fills the row that is
full with it, or nearly so (best fit), and begins a new row only where it fits none; which of the row's cores it
takes is open then, and a policy may put side by side those that wait for devices and those that compute (Wiseman
and Feitelson, 2003).
*/

:- dynamic
       asking/3,                        % Dispatcher, Group, Phases of the domain being placed
       row_of/3.                        % Group, Offset, Cores: found in this decision

%!  begin_asking(+Requests) is det.
%
%   These requests (requests.pl) are being decided.

begin_asking(Requests) :-
    end_asking,
    forall(member(request(Dispatcher, Group, Phases), Requests), assertz(asking(Dispatcher, Group, Phases))).

%!  end_asking is det.

end_asking :-
    retractall(asking(_, _, _)),
    retractall(row_of(_, _, _)).

%!  asks(?Dispatcher, ?Group, -Phases:list) is nondet.
%
%   Dispatcher, of that Group of the domain that is being placed, asks for Phases: its parameters in each.

asks(Dispatcher, Group, Phases) :-
    asking(Dispatcher, Group, Phases).

%!  time_slots(+Period, -Offsets:list) is det.
%
%   Offsets, ascending, at which something begins on some core, as a gang of that Period (ns) could.

time_slots(Period, Offsets) :-
    findall(Offset, ( facts:timeslot(_, _, _, Known, _), Offset is Known mod Period ), Offsets0),
    sort(Offsets0, Offsets).

%!  room_at(+Core, +Parameters, +Offset) is semidet.
%
%   A gang with these Parameters has room on Core at Offset, whatever phases the domains there are in.

room_at(Core, Parameters, Offset) :-
    (   Parameters = gang(W, P, _, Release)
    ;   Parameters = hard(W, P, _, Release)
    ),
    !,
    core_problem(Core, [[gang(W, P, W, Release)]], granted, Problem),
    Problem = problem(Units, _),
    maplist(known_offset, Units),
    put(Problem, [u(new, 0, 0)-Offset]),
    rate_fitting(Problem).

known_offset(unit(u(Domain, Phase, Who), _, _, _, Offset, _)) :-
    (   facts:timeslot(Domain, Phase, Who, Offset, _)
    ->  true
    ;   true
    ).

rate_fitting(Problem) :-
    fitting(Problem).

%!  busy_share(+Core, -Percent) is det.
%
%   What hard real time will use of Core, in the phases that take most: its share, less what io_share/2 says that
%   gangs wait.

busy_share(Core, Percent) :-
    findall(Domain, facts:allocation(Domain, _, Core), Domains0),
    sort(Domains0, Domains),
    foldl(add_busy(Core), Domains, 0, Sum),
    Percent is float(Sum).

add_busy(Core, Domain, Sum0, Sum) :-
    findall(Busy,
            ( facts:allocation(Domain, Dispatcher, Core),
              facts:granted(Domain, Dispatcher, _, Parameters, _),
              busy(Domain, Dispatcher, Parameters, Busy)
            ),
            All),
    max_list([0|All], Most),
    Sum is Sum0 + Most.

busy(Domain, Dispatcher, Parameters, Busy) :-
    (   Parameters = gang(W, P, _, _)
    ;   Parameters = hard(W, P, _, _)
    ),
    (   facts:dispatcher_group(Domain, Dispatcher, Group),
        facts:io_share(Group, Waits)
    ->  true
    ;   Waits = 0
    ),
    Busy is (100 - Waits) * W / P.

%!  io_bound(+Group) is semidet.
%
%   Gangs of that Group wait for devices at least half of their time (io_share/2).

io_bound(Group) :-
    facts:io_share(Group, Percent),
    Percent >= 50.

%!  gang_row(+Dispatcher, -Offset, -Cores:list) is semidet.
%
%   The gang of Dispatcher, which is being placed, best fits the row of that Offset, which has room on Cores: of the
%   rows that there
%   are the one with fewest free slots that suffice, else the earliest new one. Fails for who is of no gang, or where
%   no row suffices.

gang_row(Dispatcher, Offset, Cores) :-
    asking(Dispatcher, Group, Phases),
    (   row_of(Group, Known, Found)
    ->  Offset-Cores = Known-Found
    ;   heaviest_gang(Phases, Parameters),
        found_row(Group, Parameters, Found, Known)
    ->  assertz(row_of(Group, Known, Found)),
        Offset-Cores = Known-Found
    ;   assertz(row_of(Group, none, [])),
        fail
    ),
    Cores \== [].

heaviest_gang(Phases, Parameters) :-
    findall(Share-gang(W, P, D, R), ( member(gang(W, P, D, R), Phases), Share is W rdiv P ), Gangs),
    sort(0, @>=, Gangs, [_-Parameters|_]).

found_row(Group, Parameters, Cores, Offset) :-
    Parameters = gang(_, Period, _, _),
    findall(Member, asking(Member, Group, _), Members),
    length(Members, Size),
    time_slots(Period, Rows0),
    ( Rows0 == [] -> Rows = [0] ; Rows = Rows0 ),
    findall(free(Count, Row, Free),
            ( member(Row, Rows), free_in(Parameters, Row, Free), length(Free, Count), Count >= Size ),
            Fitting0),
    sort(Fitting0, Fitting),
    (   Fitting = [free(_, Offset, Cores)|_]
    ->  true
    ;   new_rows(Period, Rows, News),
        member(Offset, News),
        free_in(Parameters, Offset, Cores),
        length(Cores, Count),
        Count >= Size
    ->  true
    ).

free_in(Parameters, Row, Free) :-
    findall(Core, ( core(Core), \+ facts:offline(Core), room_at(Core, Parameters, Row) ), Free).

new_rows(Period, Rows, News) :-
    findall(End,
            ( facts:timeslot(Domain, Phase, Who, Offset, _),
              once(( facts:granted(Domain, Dispatcher, Phase, Parameters, _),
                     who(Domain, Dispatcher, Parameters, Who)
                   )),
              arg(1, Parameters, Wcet),
              End is (Offset + Wcet) mod Period
            ),
            Ends0),
    sort(Ends0, Ends),
    subtract(Ends, Rows, News).
