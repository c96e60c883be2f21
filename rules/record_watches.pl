:- encoding(utf8).
:- module(record_watches,
          [ watch/6,                    % +Query, +Events, +Life, +Owner, +Purpose, -Watch
            watch_as/6,                 % +Watch, +Query, +Events, +Life, +Owner, +Purpose
            watched/6,                  % ?Watch, ?Query, ?Events, ?Life, ?Owner, ?Purpose
            unwatch/1,                  % +Watch
            next_watch/1,               % -Watch
            set_record//4,              % +Name, +Attributes, +Owner, -Record
            delete_record//2,           % +Name, -Record
            publish_record//3,          % +Name, +Attributes, -Count
            notice//5,                  % +Watch, +Owner, +Event, +Record, +Over
            no_watches/0
          ]).
:- use_module(library(lists)).
:- use_module(record_store).

/** <module> Changes of records, and who is told of them

All changes go through here, and each change fires every watch whose query means the record as it was set, deleted or
published, once, in the order in which the watches were installed. The grammar rules emit notices for those who asked,
in that order:

    notice(Watch, Owner, Event, Record, Over)

Event is `set`, `del` or `publish`, or what else the watch waited for; Record is the record or `none`; Over is true
where it is the last notice of that watch.

What a watch is for is its Purpose: `tell` emits a notice; any other purpose is carried on by a clause of woken//4,
once all watches of that change have been told.
*/

:- dynamic
       watching/7,              % Watch, Key, Query, Events, Life, Owner, Purpose
       last_watch/1.

:- multifile woken//4.          % +Purpose, +Watch, +Event, +Record

%!  watch(+Query, +Events, +Life, +Owner, +Purpose, -Watch) is det.
%
%   From now on Owner's Watch fires at each of Events (set, del, publish) of a record that Query means: for good if Life
%   is `lasting`, at the first if it is `once`.

watch(Query, Events, Life, Owner, Purpose, Watch) :-
    next_watch(Watch),
    watch_as(Watch, Query, Events, Life, Owner, Purpose).

%!  watch_as(+Watch, +Query, +Events, +Life, +Owner, +Purpose) is det.
%
%   The same, of a number that next_watch/1 gave.

watch_as(Watch, Query, Events, Life, Owner, Purpose) :-
    query_key(Query, Key),
    assertz(watching(Watch, Key, Query, Events, Life, Owner, Purpose)).

%!  next_watch(-Watch) is det.
%
%   Watch is a number that no watch has had.

next_watch(Watch) :-
    (   retract(last_watch(Last))
    ->  true
    ;   Last = 0
    ),
    !,
    Watch is Last + 1,
    assertz(last_watch(Watch)).

%!  watched(?Watch, ?Query, ?Events, ?Life, ?Owner, ?Purpose) is nondet.
%
%   There is that watch.

watched(Watch, Query, Events, Life, Owner, Purpose) :-
    ( nonvar(Query) -> query_key(Query, Key) ; true ),
    watching(Watch, Key, Query, Events, Life, Owner, Purpose).

%!  unwatch(+Watch) is det.
%
%   That watch is no more.

unwatch(Watch) :-
    retractall(watching(Watch, _, _, _, _, _, _)).

%!  set_record(+Name, +Attributes, +Owner, -Record)// is det.
%
%   The record is set, whether there was one of that Name or not, and those who watch are told.

set_record(Name, Attributes, Owner, Record) -->
    { hold(Name, Attributes, Owner, Record, _) },
    fire(set, Record).

%!  delete_record(+Name, -Record)// is semidet.
%
%   The record there was is deleted, and those who watch are told.

delete_record(Name, Record) -->
    { let_go(Name, Record) },
    fire(del, Record).

%!  publish_record(+Name, +Attributes, -Count)// is det.
%
%   Count subscriptions that mean it are told of a record which nobody keeps.

publish_record(Name, Given, Count) -->
    { sort(1, @<, Given, Attributes) },
    fire(publish, record(Name, Attributes, 0, 0), Count).

fire(Event, Record) -->
    fire(Event, Record, _).

fire(Event, Record, Count) -->
    { fired(Event, Record, Watches) },
    tell(Watches, Event, Record),
    wake(Watches, Event, Record),
    { length(Watches, Count) }.

%   fired(+Event, +Record, -Watches): those that fire; such as fire once only are no more.

fired(Event, record(Name, Attributes, _, _), Watches) :-
    findall(watch(Watch, Life, Owner, Purpose), fires(Event, Name, Attributes, Watch, Life, Owner, Purpose), Found),
    sort(1, @<, Found, Watches),
    forall(member(watch(Watch, once, _, _), Watches), unwatch(Watch)).

fires(Event, Name, Attributes, Watch, Life, Owner, Purpose) :-
    record_key(Name, Attributes, Key),
    watching(Watch, Key, Query, Events, Life, Owner, Purpose),
    memberchk(Event, Events),
    satisfies(Query, Name, Attributes).

tell([], _, _) --> [].
tell([watch(Watch, Life, Owner, Purpose)|Watches], Event, Record) -->
    (   { Purpose == tell }
    ->  { Life == once -> Over = true ; Over = false },
        notice(Watch, Owner, Event, Record, Over)
    ;   []
    ),
    tell(Watches, Event, Record).

wake([], _, _) --> [].
wake([watch(Watch, _, _, Purpose)|Watches], Event, Record) -->
    (   { Purpose == tell }
    ->  []
    ;   woken(Purpose, Watch, Event, Record)
    ),
    wake(Watches, Event, Record).

%!  notice(+Watch, +Owner, +Event, +Record, +Over)// is det.
%
%   Owner gets that notice.

notice(Watch, Owner, Event, Record, Over) -->
    [ notice(Watch, Owner, Event, Record, Over) ].

%!  no_watches is det.
%
%   Nobody watches any more, and counting starts anew.

no_watches :-
    retractall(watching(_, _, _, _, _, _, _)),
    retractall(last_watch(_)).
