:- encoding(utf8).
:- module(slots,
          [ overload/3,                 % +Column, +Factor, -Overload
            column_fits/1,              % +Column
            column_factor/3,            % +Column, +Factor0, -Factor
            column_rate/2,              % +Column, -Rate
            slots_meet/3                % +Slot, +Slot, -Meet
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(admission).

/** <module> Hard real-time tasks whose slots are known: whether EDF meets every deadline on a core

Clocks are synchronised, so that a task which is released at Offset + k * Period of them stands in a known relation to
all others that are. What a core may have to do is a _column_ (a core is a column of Ousterhout's matrix, 1982): a
list of domains, each domain(Domain, Phases), Phases a list of the tasks of each phase, task(Wcet, Period,
Deadline, Offset) in ns. Offset is `loose` of a task whose releases may come at any time, and a variable of one whose
place is not chosen yet, which does not count.

A domain is in one of its phases, independently of the others. So what is due within an interval is at most the sum of
each domain's largest, and some combination of phases makes it that: the test is exact for all combinations at once.
Within a busy interval EDF is late if and only if more is due than the interval is long (Baruah, Rosier and Howell,
1990). It may be taken to begin with a release of known time, and all loose tasks with it: sliding an interval to its
first known release leaves as much due in it. All such releases of one hyperperiod are tried, each by quick
processor-demand analysis (Zhang and Burns, 2009). All arithmetic is exact.
*/

:- set_prolog_flag(optimise, true).

%   Releases that are tried within a hyperperiod, at most; and jobs in the hyperperiod of all tasks, so that the
%   kernel's
%   own test (kernel/admission.py, which looks at two hyperperiods and 100,000 jobs) decides it as well.

most_releases(2000).
most_jobs(10000).

%!  column_fits(+Column) is semidet.
%
%   No combination of phases over-commits the core.

column_fits(Column) :-
    \+ overload(Column, 1, _).

%!  overload(+Column, +Factor, -Overload) is semidet.
%
%   With all WCETs multiplied by Factor the core is over-committed: rate(Rate, Capacity); or due(Length, Due): in an
%   interval of Length ns so much work is due, in ns; or long(Jobs): nothing shows that it is not, and so many jobs
%   would have
%   to be looked at to tell.

overload(Column, Factor, Overload) :-
    column_rate(Column, Rate0),
    Rate is Factor * Rate0,
    capacity(Capacity),
    (   Rate > Capacity
    ->  Overload = rate(Rate, Capacity)
    ;   relative(Column, together, Together),
        overloaded(Together, Factor, Rate, Length, Due)
    ->  columns_releases(Column, Releases),
        (   Releases = long(_)
        ->  Overload = Releases
        ;   Releases == []
        ->  Overload = due(Length, Due)
        ;   member(Release, Releases),
            relative(Column, Release, Started),
            overloaded(Started, Factor, Rate, Within, Work)
        ->  Overload = due(Within, Work)
        )
    ).

%!  column_factor(+Column, +Factor0, -Factor) is det.
%
%   Factor is the largest, at most Factor0, by which all WCETs may be multiplied for the column to fit.

column_factor(Column, Factor0, Factor) :-
    (   overload(Column, Factor0, Overload)
    ->  relieved(Overload, Column, Factor0, Factor1),
        column_factor(Column, Factor1, Factor)
    ;   Factor = Factor0
    ).

%   Work due grows in proportion to the factor: what just fits an overloaded interval is exact for it.

relieved(rate(Rate, Capacity), _, Factor0, Factor) :-
    Factor is Factor0 * Capacity rdiv Rate.
relieved(due(Length, Due), _, Factor0, Factor) :-
    Factor is Factor0 * Length rdiv Due.
relieved(long(_), Column, Factor0, Factor) :-
    relative(Column, together, Together),
    column_rate(Column, Rate),
    loosely(Together, Rate, Factor0, Factor).

loosely(Together, Rate0, Factor0, Factor) :-
    Rate is Factor0 * Rate0,
    (   overloaded(Together, Factor0, Rate, Length, Due)
    ->  Factor1 is Factor0 * Length rdiv Due,
        loosely(Together, Rate0, Factor1, Factor)
    ;   Factor = Factor0
    ).

%!  column_rate(+Column, -Rate) is det.
%
%   The largest share of the core that a combination of phases takes, a rational.

column_rate(Column, Rate) :-
    foldl(add_rate, Column, 0, Rate).

add_rate(domain(_, Phases), Sum0, Sum) :-
    most(Phases, 0, Most),
    Sum is Sum0 + Most.

most([], Most, Most).
most([Tasks|Phases], Most0, Most) :-
    taken(Tasks, 0, Taken),
    Most1 is max(Most0, Taken),
    most(Phases, Most1, Most).

taken([], Sum, Sum).
taken([task(W, P, _, Offset)|Tasks], Sum0, Sum) :-
    (   var(Offset)
    ->  Sum1 = Sum0
    ;   Sum1 is Sum0 + W rdiv P
    ),
    taken(Tasks, Sum1, Sum).

%   relative(+Column, +Start, -Work): a list, for each domain, of a list, for each phase, of w(Wcet, Period, Due):
%   Due is the first
%   deadline of a job released not before Start; `together`: all are released at the start.

relative(Column, Start, Work) :-
    maplist(domain_work(Start), Column, Work).

domain_work(Start, domain(_, Phases0), Phases) :-
    phases_work(Phases0, Start, Phases).

phases_work([], _, []).
phases_work([Tasks|Rest], Start, Work) :-
    tasks_work(Tasks, Start, Own),
    (   Own == []
    ->  Work = More
    ;   Work = [Own|More]
    ),
    phases_work(Rest, Start, More).

tasks_work([], _, []).
tasks_work([task(W, P, D, Offset)|Tasks], Start, Work) :-
    (   var(Offset)
    ->  Work = Rest
    ;   (   ( Start == together ; Offset == loose )
        ->  Due = D
        ;   Due is (Offset - Start) mod P + D
        ),
        Work = [w(W, P, Due)|Rest]
    ),
    tasks_work(Tasks, Start, Rest).

%   columns_releases(+Column, -Releases): the instants of a hyperperiod at which tasks of known offsets are released.

columns_releases(Column, Releases) :-
    findall(P, ( column_task(Column, task(_, P, _, Offset)), nonvar(Offset) ), Periods0),
    sort(Periods0, Periods),
    findall(P-Offset, ( column_task(Column, task(_, P, _, Offset)), integer(Offset) ), Known0),
    sort(Known0, Known),
    foldl(common_multiple, Periods, 1, All),
    foldl(add_jobs(All), Periods, 0, Jobs),
    findall(P, member(P-_, Known), KnownPeriods),
    foldl(common_multiple, KnownPeriods, 1, Hyperperiod),
    foldl(add_jobs(Hyperperiod), KnownPeriods, 0, Count),
    most_releases(MostReleases),
    most_jobs(MostJobs),
    (   ( Jobs > MostJobs ; Count > MostReleases )
    ->  Releases = long(Jobs)
    ;   findall(Release,
                ( member(P-Offset, Known),
                  First is Offset mod P,
                  Last is Hyperperiod // P - 1,
                  between(0, Last, K),
                  Release is First + K * P
                ),
                Releases0),
        sort(Releases0, Releases)
    ).

common_multiple(Period, Multiple0, Multiple) :-
    Multiple is lcm(Multiple0, Period).

add_jobs(Span, Period, Sum0, Sum) :-
    Sum is Sum0 + Span // Period.

column_task(Column, Task) :-
    member(domain(_, Phases), Column),
    member(Tasks, Phases),
    member(Task, Tasks).

%   overloaded(+Work, +Factor, +Rate, -Length, -Due): within Length from the start, Due is to be done. Beyond the
%   horizon the
%   rates alone keep what is due within the interval.

overloaded(Work, Factor, Rate, Length, Due) :-
    earliness(Work, 0, Early),
    Horizon is floor(Factor * Early rdiv (1 - Rate)) + 2,
    last_before(Work, Horizon, Last),
    Last > 0,
    descend(Last, Work, Factor, Length, Due).

descend(At, Work, Factor, Length, Due) :-
    due_by(Work, At, 0, Due0),
    Now is Factor * Due0,
    (   Now > At
    ->  Length = At, Due = Now
    ;   Before is min(At, floor(Now) + 1),      % all in between have no more due than that
        last_before(Work, Before, Next),
        Next > 0,
        descend(Next, Work, Factor, Length, Due)
    ).

earliness([], Sum, Sum).
earliness([Phases|Work], Sum0, Sum) :-
    earliest(Phases, 0, Most),
    Sum1 is Sum0 + Most,
    earliness(Work, Sum1, Sum).

earliest([], Most, Most).
earliest([Tasks|Phases], Most0, Most) :-
    early(Tasks, 0, Early),
    Most1 is max(Most0, Early),
    earliest(Phases, Most1, Most).

early([], Sum, Sum).
early([w(W, P, Due)|Tasks], Sum0, Sum) :-
    (   Due < P
    ->  Sum1 is Sum0 + W * (P - Due) rdiv P
    ;   Sum1 = Sum0
    ),
    early(Tasks, Sum1, Sum).

due_by([], _, Sum, Sum).
due_by([Phases|Work], At, Sum0, Sum) :-
    phases_due(Phases, At, 0, Most),
    Sum1 is Sum0 + Most,
    due_by(Work, At, Sum1, Sum).

phases_due([], _, Most, Most).
phases_due([Tasks|Phases], At, Most0, Most) :-
    tasks_due(Tasks, At, 0, Sum),
    Most1 is max(Most0, Sum),
    phases_due(Phases, At, Most1, Most).

tasks_due([], _, Sum, Sum).
tasks_due([w(W, P, Due)|Tasks], At, Sum0, Sum) :-
    (   At >= Due
    ->  Sum1 is Sum0 + ((At - Due) // P + 1) * W
    ;   Sum1 = Sum0
    ),
    tasks_due(Tasks, At, Sum1, Sum).

%   last_before(+Work, +At, -Last): the last deadline before At, 0 if there is none.

last_before(Work, At, Last) :-
    domains_last(Work, At, 0, Last).

domains_last([], _, Last, Last).
domains_last([Phases|Work], At, Last0, Last) :-
    phases_last(Phases, At, Last0, Last1),
    domains_last(Work, At, Last1, Last).

phases_last([], _, Last, Last).
phases_last([Tasks|Phases], At, Last0, Last) :-
    tasks_last(Tasks, At, Last0, Last1),
    phases_last(Phases, At, Last1, Last).

tasks_last([], _, Last, Last).
tasks_last([w(_, P, Due)|Tasks], At, Last0, Last) :-
    (   Due < At
    ->  Own is Due + (At - 1 - Due) // P * P,
        Last1 is max(Last0, Own)
    ;   Last1 = Last0
    ),
    tasks_last(Tasks, At, Last1, Last).

%!  slots_meet(+Slot, +Other, -Meet) is semidet.
%
%   However slot(Wcet, Period, Deadline) and Other are put, some of their jobs want the same time: meet(Common),
%   their starts
%   come within every distance modulo Common ns, which is less than both take. Only of slots that leave no choice
%   (WCET equal to deadline).

slots_meet(slot(W, P, W), slot(X, Q, X), meet(Common)) :-
    Common is gcd(P, Q),
    W + X > Common.
