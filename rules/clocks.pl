:- encoding(utf8).
:- module(clocks,
          [ reference_clock/1,          % -Clock
            clock_error/1,              % -Nanoseconds
            clock_error/2,              % ?Clock, -Nanoseconds
            resynchronise_after/1,      % -Nanoseconds
            timers_in_step/4            % +Clock, +Error, +Offsets, +Drifts
          ]).
:- use_module(library(lists)).
:- use_module(store).
:- use_module(topology).
:- use_module(distance).
:- use_module(costs).

/** <module> By which clock timers are put in step, how well, and how often

Phase-locked scheduling needs the cores' timers to read the same (dissertation §3.5.4). They are put in step by a clock
that all cores can read, the time-stamp counters (TSC) or the programmable interval timer (PIT), or by the round-trip
times of messages where there is none (§3.6.3). What timers may differ by after that is the protocol's error; what they
drift apart by since then has been measured by the kernel, and says when they are to be put in step again.
*/

%!  reference_clock(-Clock) is det.
%
%   Clock is `tsc`, `pit` or `messages`: the TSC where the counters of all cores agree, else the PIT; messages where some
%   cores share no memory with others, for they have no clock in common either (the SCC, §3.5.4).

reference_clock(messages) :-
    facts:message_buffer(_, _, _),
    !.
reference_clock(pit) :-
    tsc_spread(Spread),
    Spread > 0,
    !.
reference_clock(tsc).

tsc_spread(Spread) :-
    findall(Offset, ( core(Core), ( facts:tsc_offset(Core, Known) -> Offset = Known ; Offset = 0 ) ), Offsets),
    min_list(Offsets, Least),
    max_list(Offsets, Most),
    Spread is Most - Least.

%!  clock_error(?Clock, -Nanoseconds) is nondet.
%
%   Timers that have just been put in step by Clock differ by so much at most. There is none for a clock that not all
%   cores can read.
%
%   - `tsc`: each core is late by one reading at most; where the counters do not agree, by their difference as well.
%   - `pit`: the cores read one device, one after the other; each is late by one round of readings at most, and the device
%     counts in ticks.
%   - `messages`: half of what a round trip takes is the most that the two directions can differ by, for each of two
%     cores: a latency there and one back, and a monitor to be woken on either side.

clock_error(tsc, Nanoseconds) :-
    \+ facts:message_buffer(_, _, _),
    slowest(tsc_read, Read),
    tsc_spread(Spread),
    Nanoseconds is ceiling(Read + Spread).
clock_error(pit, Nanoseconds) :-
    \+ facts:message_buffer(_, _, _),
    slowest(pit_read, Read),
    aggregate_cores(Cores),
    once(core(Core)),
    cost_ns(pit_tick, Core, Tick),
    Nanoseconds is ceiling(Cores * Read + 2 * Tick).
clock_error(messages, Nanoseconds) :-
    once(core(First)),
    findall(Half,
            ( core(Core), Core =\= First, distance_ns(First, Core, There), distance_ns(Core, First, Back),
              awake(First, Here), awake(Core, Far),
              Half is (There + Back + Here + Far) / 2
            ),
            Halves),
    max_list([0|Halves], Most),
    Nanoseconds is ceiling(2 * Most).

aggregate_cores(Count) :-
    findall(Core, core(Core), Cores),
    length(Cores, Count).

slowest(Name, Nanoseconds) :-
    findall(Cost, ( core(Core), cost_ns(Name, Core, Cost) ), Costs),
    max_list(Costs, Nanoseconds).

awake(Core, Nanoseconds) :-
    cost_ns(interrupt, Core, Interrupt),
    cost_ns(context_switch, Core, Switch),
    cost_ns(system_call, Core, Call),
    Nanoseconds is Interrupt + Switch + 2 * Call.

%!  clock_error(-Nanoseconds) is det.
%
%   How far timers may be apart at any time, as they were put in step last: by the protocol's error and, where they drift, by
%   what that may come to until they are put in step again.

clock_error(Nanoseconds) :-
    (   facts:timers_synchronised(_, Error)
    ->  true
    ;   reference_clock(Clock),
        clock_error(Clock, Error)
    ),
    (   drift_spread(Spread),
        Spread > 0
    ->  tolerance(Tolerance),
        Nanoseconds is Error + Tolerance
    ;   Nanoseconds = Error
    ).

drift_spread(Spread) :-
    findall(Drift, facts:timer_drift_measured(_, Drift), Drifts),
    Drifts = [_|_],
    min_list([0|Drifts], Least),
    max_list([0|Drifts], Most),
    Spread is Most - Least.

%   A gang whose members begin within a context switch of each other loses no more by that than by being switched to.

tolerance(Nanoseconds) :-
    once(core(Core)),
    cost_ns(context_switch, Core, Exact),
    Nanoseconds is ceiling(Exact).

%!  resynchronise_after(-Nanoseconds) is semidet.
%
%   After so long timers are to be put in step again: half of the time in which those that drift most come to be apart by a
%   context switch, as it takes a while, and a drift is known to some accuracy. Fails if none has been seen to drift.

resynchronise_after(Nanoseconds) :-
    drift_spread(Spread),
    Spread > 0,
    tolerance(Tolerance),
    Nanoseconds is Tolerance * 500_000_000 // Spread.

%!  timers_in_step(+Clock, +Error, +Offsets:list, +Drifts:list) is det.
%
%   The kernel has put the timers in step by Clock, to within Error ns of each other. They were ahead of the first core's by Offsets, pairs Core-Nanoseconds, and
%   gain Drifts, pairs Core-PartsInABillion.

timers_in_step(Clock, Error, Offsets, Drifts) :-
    atomically(( withdraw(placement, timers_synchronised(_, _)),
                 withdraw(placement, timer_offset(_, _)),
                 withdraw(placement, timer_drift_measured(_, _)),
                 findall(timer_offset(Core, Offset), member(Core-Offset, Offsets), Facts),
                 findall(timer_drift_measured(Core, Drift), member(Core-Drift, Drifts), More),
                 append([timers_synchronised(Clock, Error)|Facts], More, All),
                 load_facts(placement, All) )).
