:- encoding(utf8).
:- module(costs,
          [ cost_of/4,                  % ?Name, ?Value, ?Unit, ?Source
            cost_ns/3,                  % +Name, +Core, -Nanoseconds
            nanoseconds_per/2,          % ?Unit, ?Nanoseconds
            line_transfer/3             % ?From, ?To, ?Cycles
          ]).
:- use_module(store).
:- use_module(topology).

/** <module> What kernel mechanisms cost on this machine

A machine states its costs as facts cost(Name, Value, Unit, Source). For a machine that states none, the
figures below stand in, each with where it was measured; `facts cost` shows what is stated,
cost_of/4 what is used.
*/

%!  default_cost(?Name, ?Value, ?Unit, ?Source) is nondet.
%
%   Used where the machine states no cost of that name.

default_cost(lmp_buffer, 22, words, "Barrelfish: DEFAULT_LMP_BUF_WORDS, two messages of 10 words and a header").
default_cost(multihop_window, 100, messages, "Barrelfish: multihop_chan, credits of a virtual circuit").
default_cost(context_switch, 4, us, "4x4-core AMD system").
default_cost(lmp, 1463, cycles, "dissertation table 2.4, 4x4-core AMD system").
default_cost(ump_shared_cache, 448, cycles, "dissertation table 2.5, 4x4-core AMD system: shared cache").
default_cost(ump_same_package, 450, cycles, "dissertation table 2.5, 2x2-core AMD system: same die").
default_cost(ump_hop, 545, cycles, "dissertation table 2.5, 4x4-core AMD system: one hop").
default_cost(ump_next_hop, 13, cycles, "dissertation table 2.5, 4x4-core AMD system: two hops less one").
default_cost(line_same_package, 75, cycles, "dissertation 3.1.2, 4x4-core AMD system").
default_cost(line_other_package, 160, cycles, "dissertation 3.1.2, 4x4-core AMD system").
default_cost(update, 30, cycles, "dissertation 2.1.3, 4x4-core AMD system").
default_cost(block, 7370, ns, "dissertation 3.2.5, 4x4-core AMD system").
default_cost(tsc_read, 25, cycles, "dissertation 3.5.4").
default_cost(pit_read, 10000, cycles, "dissertation 3.5.4: reading the PIT takes ten thousands of cycles").
default_cost(pit_tick, 838, ns, "the PIT's input clock of 1.193182 MHz (Intel 8254)").
default_cost(clock_rounds, 8, messages, "NTP's clock filter keeps the best of eight round trips (RFC 5905)").
default_cost(clock_comparison, 1, s, "dissertation 3.5.4: timers are compared every second").
default_cost(timeslice, 80, ms, "dissertation 3.6.3, and Barrelfish's default").
default_cost(barrier_spin, 50, us, "dissertation 3.3.3: enough for 16 threads to pass a barrier").
default_cost(cache_line, 64, bytes, "dissertation 2.6.3: the x86 systems").
default_cost(lmp_payload, 10, words, "Barrelfish: LMP on x86-64, message length in registers").
default_cost(system_call, 2000, cycles, "Barrelfish notification study, 2010: invocation of a capability").
default_cost(interrupt, 1000, cycles, "Barrelfish notification study, 2010: take and acknowledge, 500-1000").
default_cost(activation, 2000, cycles, "Barrelfish notification study, 2010: upcall of a dispatcher").
default_cost(poll, 2000, cycles, "Barrelfish waitset: cycles polled before a thread gives up").
default_cost(trap, 800, cycles,
             "Barrelfish notification study, 2010: raw system call; a trap enters and leaves the kernel likewise").
default_cost(fpu_save, 52, cycles, "measured: FXSAVE64, AMD EPYC at 2.6 GHz, benchmarks/fpu_save.c").
default_cost(fpu_restore, 104, cycles, "measured: FXRSTOR64, AMD EPYC at 2.6 GHz, benchmarks/fpu_save.c").
default_cost(sql_instruction, 11, ns,
             "measured: 10.9-11.4 ns in SQLite 3.40.1, AMD EPYC at 2.6 GHz, benchmarks/sql_instruction.py").
default_cost(replacement_horizon, 1, s,
             "chosen: placement is the longest of the scales, far above timeslices (dissertation 3.4.2)").
default_cost(ipi_send, 300, cycles, "Barrelfish notification study, 2010: sending an interrupt, a few hundred cycles").
default_cost(interrupt_timeslice, 80, ms, "as RBED's timeslice, dissertation 3.6.3").
default_cost(gang_timeslice, 15, ms, "dissertation 3.3.3: the user-level gang scheduler sleeps so long").
default_cost(slurm_timeslice, 30, s, "Slurm: default of SchedulerTimeSlice in slurm.conf").
default_cost(tcp_packet, 12287, cycles,
             "dissertation table 2.7: Linux passes 1823 Mbit/s in packets of 1000 bytes on the 2x2-core AMD at 2.8 GHz").
default_cost(tcp_request, 5, packets, "RFC 9293: three to open a connection, the request and its acknowledgement").
default_cost(tcp_reply, 6, packets, "RFC 9293: the reply and its acknowledgement, four to close a connection").
default_cost(cfs_latency, 5, ms, "Linux 2.6.32: sched_latency, times 1 + log2 of the cores").
default_cost(cfs_granularity, 1, ms, "Linux 2.6.32: sched_min_granularity, times 1 + log2 of the cores").
default_cost(cfs_wakeup, 1, ms, "Linux 2.6.32: sched_wakeup_granularity, times 1 + log2 of the cores").
default_cost(cfs_tick, 4, ms, "Linux: HZ=250, its default on x86").
default_cost(cfs_migration, 500, us, "Linux 2.6.32: sched_migration_cost, for so long caches count as warm").
default_cost(cfs_balance, 64, ms, "Linux 2.6.32: a busy core balances every busy_factor (64) times 1 ms").
default_cost(negotiation_patience, 1, s,
             "chosen: a user would wait as long; the figure stands for 'promptly' (dissertation 3.4.5)").
default_cost(inference, 18, ns, "measured: 1,000,000 inferences take 16-20 ms in SWI-Prolog 9.0.4").

%!  cost_of(?Name, ?Value, ?Unit, ?Source) is nondet.
%
%   Value (in Unit) is what the mechanism Name costs on this machine, known from Source.

cost_of(Name, Value, Unit, Source) :-
    facts:cost(Name, Value, Unit, Source).
cost_of(Name, Value, Unit, Source) :-
    default_cost(Name, Value, Unit, Source),
    \+ facts:cost(Name, _, _, _).

%!  cost_ns(+Name, +Core, -Nanoseconds) is semidet.
%
%   What the mechanism Name takes on Core.

cost_ns(Name, Core, Nanoseconds) :-
    once(cost_of(Name, Value, Unit, _)),
    (   Unit == cycles
    ->  clock_hz(Core, Hertz),
        Nanoseconds is Value * 1000000000 / Hertz
    ;   nanoseconds_per(Unit, Scale),
        Nanoseconds is Value * Scale
    ).

%!  nanoseconds_per(?Unit, ?Nanoseconds) is nondet.
%
%   A Unit of time has so many.

nanoseconds_per(ns, 1).
nanoseconds_per(us, 1000).
nanoseconds_per(ms, 1000000).
nanoseconds_per(s, 1000000000).

%!  line_transfer(?From, ?To, ?Cycles) is nondet.
%
%   Moving a cache line from core From to another core To takes Cycles of core To: line_shared_cache where they
%   share a cache and that is stated, else line_same_package; over a link line_other_package, and for each further
%   one line_next_hop, where that is stated.

line_transfer(From, To, Cycles) :-
    package_of(From, Package),
    package_of(To, Other),
    From \== To,
    (   Package == Other
    ->  within_package(From, To, Cycles)
    ;   cost_of(line_other_package, First, cycles, _),
        (   facts:cost(line_next_hop, Next, cycles, _)
        ->  package_hops(Package, Other, Hops),
            Cycles is round(First + (Hops - 1) * Next)
        ;   Cycles = First
        )
    ).

within_package(From, To, Cycles) :-
    (   facts:cost(line_shared_cache, Shared, cycles, _),
        shares_cache(From, To, _)
    ->  Cycles = Shared
    ;   cost_of(line_same_package, Cycles, cycles, _)
    ).
