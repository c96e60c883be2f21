:- encoding(utf8).
:- module(matrix,
          [ ousterhout_rows/2,          % +Domains, -Rows
            rows/2,                     % +Domains, -Answer
            migrated/3                  % +Domain, +Dispatcher, +Core
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(ordsets)).
:- use_module(store).
:- use_module(component_packing, [counted/2]).

/** <module> Rows of jobs that run side by side

What schedulers other than RBED need to know of where domains are placed: Ousterhout's matrix (1982) has a column for
each core and a row for each timeslice; a job has all its cores in one row. Jobs are put into the first row where their
cores are free, the largest first. A row that has cores free then takes in jobs of other rows that fit (alternate
selection), so that no core is empty while somebody could have it.
*/

%!  ousterhout_rows(+Domains:list, -Rows:list) is det.
%
%   Rows are lists of Domains, those that the row is for first, that have no core in common. Each domain is the row's
%   own in exactly one; one that is placed nowhere is in none.

ousterhout_rows(Domains, Rows) :-
    findall(Size-job(Domain, Cores),
            ( member(Domain, Domains), cores_of(Domain, Cores), length(Cores, Many), Many > 0, Size is -Many ),
            Sized0),
    sort(0, @=<, Sized0, Sized),
    pairs_values(Sized, Jobs),
    foldl(into_first_row, Jobs, [], Rows0),
    maplist(filled(Jobs), Rows0, Rows).

cores_of(Domain, Cores) :-
    findall(Core, facts:allocation(Domain, _, Core), Cores0),
    sort(Cores0, Cores).

%   into_first_row(+Job, +Rows0, -Rows): a row is row(Cores, Jobs), its jobs in the order in which they came.

into_first_row(job(Domain, Cores), [], [row(Cores, [Domain])]).
into_first_row(job(Domain, Cores), [row(Taken, Jobs)|Rows0], [Row|Rows]) :-
    (   ord_disjoint(Cores, Taken)
    ->  ord_union(Cores, Taken, Union),
        append(Jobs, [Domain], More),
        Row = row(Union, More),
        Rows = Rows0
    ;   Row = row(Taken, Jobs),
        into_first_row(job(Domain, Cores), Rows0, Rows)
    ).

filled(Jobs, Row, Domains) :-
    foldl(fill, Jobs, Row, row(_, Domains)).

fill(job(Domain, Cores), row(Taken, Own), Row) :-
    (   ord_disjoint(Cores, Taken)
    ->  ord_union(Cores, Taken, Union),
        append(Own, [Domain], More),
        Row = row(Union, More)
    ;   Row = row(Taken, Own)
    ).

%!  rows(+Domains:list, -Answer) is det.
%
%   Answer is answer(Inferences, Rows), Rows as of ousterhout_rows/2, and what finding them took.

rows(Domains, answer(Inferences, Rows)) :-
    counted(ousterhout_rows(Domains, Rows), Inferences).

%!  migrated(+Domain, +Dispatcher, +Core) is det.
%
%   A load balancer that asks nobody has moved a dispatcher to Core.

migrated(Domain, Dispatcher, Core) :-
    withdraw(placement, allocation(Domain, Dispatcher, _)),
    withdraw(placement, considered(Domain, Dispatcher, _, _, _, _, _)),
    load_facts(placement,
               [ allocation(Domain, Dispatcher, Core),
                 considered(Domain, Dispatcher, load_balancer, Core, 0.0, [], forbidden(0, 0, 0))
               ]).
