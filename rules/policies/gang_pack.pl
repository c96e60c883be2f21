:- encoding(utf8).
:- policy(gang_pack, "gangs fill time slots, who waits beside who computes; best effort fills the rest").

% A gang takes cores of the row of time slots that it fills best (gang_row/3). Of those a gang that computes takes the cores with
% least to do, and one that waits for devices half of its time or more (io_share/2) those with most, so that each gets beside
% it what leaves time, or needs it. All others go where gangs and best effort leave most time.

shortage(reduce).

cost(Dispatcher, Core, Cost) :-
    (   gang_row(Dispatcher, _, Cores)
    ->  (   memberchk(Core, Cores)
        ->  busy_share(Core, Busy),
            asks(Dispatcher, Group, _),
            (   io_bound(Group)
            ->  Cost is 100 - Busy
            ;   Cost = Busy
            )
        ;   load(Core, Load),
            Cost is 1000 + Load         % no core of the row has more
        )
    ;   load(Core, Cost)
    ).
