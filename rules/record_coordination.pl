:- encoding(utf8).
:- module(record_coordination,
          [ lock//3,                    % +Name, +Owner, -Outcome
            unlock//3,                  % +Name, +Owner, -Outcome
            enter//4,                   % +Name, +Count, +Owner, -Outcome
            leave//3,                   % +Name, +Owner, -Outcome
            new_semaphore//3,           % +Value, +Owner, -Outcome
            post//2,                    % +Semaphore, -Outcome
            acquire//3,                 % +Semaphore, +Owner, -Outcome
            try_acquire//2,             % +Semaphore, -Outcome
            called_off//2               % +Watch, +Purpose
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(record_store).
:- use_module(record_watches).

/** <module> Locks, barriers and semaphores, made of sequential records and watches

As Barrelfish's client library makes them. All of them are records that anyone can look at:

    lock l         l_0 { lock: 'l' }, l_1 ...: who has the lowest holds it, each other watches the one before it
    barrier b      b_0 { barrier: 'b', count: 3 } ... for each that has entered; the last to come sets b { open: true }
                   (and its count), the last to leave deletes it
    semaphore 0    sem.0 { value: 2 }, as it was made, and a token sem.0.0 { sem: 0 } ... for each that may pass

The records of locks and of barriers' members belong to the domain they stand for: when it dies they go, and the next
in line is told. Tokens belong to nobody; who dies with one taken has taken it (a semaphore does not know its holders).
What blocks answers blocked(Watch), and a notice `granted`, `opened`, `left` or `acquired` of that watch follows, or
`removed` where what was waited for is no more.
*/

:- multifile record_watches:woken//4.
:- discontiguous record_watches:woken//4.

%   members(+Kind, +Name, -Names): the sequential records NAME_N that say `Kind: 'Name'`, by number.

members(Kind, Name, Names) :-
    atom_string(Name, Value),
    findall(Number-Numbered,
            ( matching(query(any, [Kind=Value], []), Numbered), numbered(Name, '_', Numbered, Number) ),
            Pairs),
    keysort(Pairs, Sorted),
    findall(Numbered, member(_-Numbered, Sorted), Names).

numbered(Name, Sign, Numbered, Number) :-
    atom_concat(Name, Sign, Base),
    atom_concat(Base, Digits, Numbered),
    atom_number(Digits, Number),
    integer(Number).

sequential(Name, Sign, Numbered) :-
    atom_concat(Name, Sign, Base),
    next_in_sequence(Base, _, Numbered).

current(Name, record(Name, Attributes, Owner, Revision)) :-
    held(Name, Attributes, Owner, Revision).

%   -- locks

%!  lock(+Name, +Owner, -Outcome)// is det.
%
%   Outcome is granted(Record) if Owner holds the lock now, else blocked(Watch). A domain that asks twice waits for
%   itself: its threads may do that.

lock(Name, Owner, Outcome) -->
    {   sequential(Name, '_', Mine),
        atom_string(Name, Value)
    },
    set_record(Mine, [lock=Value], Owner, Record),
    {   before(Name, Mine, Before)
    ->  watch(query(name(Before), [], []), [set, del], once, Owner, lock(Name, Mine, Owner), Watch),
        Outcome = blocked(Watch)
    ;   Outcome = granted(Record)
    }.

%   before(+Name, +Mine, -Before): Before is next before Mine in the line for the lock.

before(Name, Mine, Before) :-
    members(lock, Name, Names),
    append(_, [Before, Mine|_], Names),
    !.

record_watches:woken(lock(Name, Mine, Owner), Watch, _, _) -->
    (   { current(Mine, Record) }
    ->  (   { before(Name, Mine, Before) }
        ->  { watch_as(Watch, query(name(Before), [], []), [set, del], once, Owner, lock(Name, Mine, Owner)) }
        ;   notice(Watch, Owner, granted, Record, true)
        )
    ;   notice(Watch, Owner, removed, none, true)
    ).

%!  unlock(+Name, +Owner, -Outcome)// is det.
%
%   Outcome is done if Owner held the lock, and whoever comes next holds it now; failed(not_held, Text) if not.

unlock(Name, Owner, Outcome) -->
    (   { members(lock, Name, [Lowest|_]), held(Lowest, _, Holder, _) }
    ->  (   { Holder == Owner }
        ->  delete_record(Lowest, _),
            { Outcome = done }
        ;   { format(string(Text), "lock ~w is held by domain ~w, not by domain ~w", [Name, Holder, Owner]),
              Outcome = failed(not_held, Text)
            }
        )
    ;   { format(string(Text), "nobody holds lock ~w", [Name]),
          Outcome = failed(not_held, Text)
        }
    ).

%   -- barriers

%!  enter(+Name, +Count, +Owner, -Outcome)// is det.
%
%   Outcome is passed(Record) if Count have entered, else blocked(Watch); failed(Kind, Text) if the barrier waits for
%   another count, or something else has its name.

enter(Name, Count, Owner, Outcome) -->
    (   { refused_entry(Name, Count, Outcome0) }
    ->  { Outcome = Outcome0 }
    ;   {   sequential(Name, '_', Mine),
            atom_string(Name, Value),
            guarded(Name, Value)
        },
        set_record(Mine, [barrier=Value, count=Count], Owner, Record),
        (   { open(Name) }
        ->  { Outcome = passed(Record) }
        ;   { members(barrier, Name, Entered), length(Entered, Count) }
        ->  set_record(Name, [count=Count, open=true], 0, _),
            { Outcome = passed(Record) }
        ;   { watch(query(name(Name), [open=true], []), [set], once, Owner, entered(Mine, Owner), Watch),
              Outcome = blocked(Watch)
            }
        )
    ).

refused_entry(Name, _, failed(exists, Text)) :-
    held(Name, _, _, _),
    \+ open(Name),
    format(string(Text), "record ~w is none of a barrier; give the barrier another name", [Name]).
refused_entry(Name, Count, failed(mismatch, Text)) :-
    members(barrier, Name, [First|_]),
    held(First, Attributes, _, _),
    memberchk(count=Other, Attributes),
    Other \== Count,
    format(string(Text), "barrier ~w waits for ~w, not for ~w", [Name, Other, Count]).

open(Name) :-
    held(Name, Attributes, _, _),
    memberchk(open=true, Attributes).

%   Somebody sees to it that the last to leave, or to die, closes the barrier.

guarded(Name, Value) :-
    Query = query(any, [barrier=Value], []),
    (   watched(_, Query, [del], lasting, system, guard(Name))
    ->  true
    ;   watch(Query, [del], lasting, system, guard(Name), _)
    ).

record_watches:woken(guard(Name), Watch, _, _) -->
    (   { members(barrier, Name, []) }
    ->  { unwatch(Watch) },
        (   { open(Name) }
        ->  delete_record(Name, _)
        ;   []
        )
    ;   []
    ).

record_watches:woken(entered(Mine, Owner), Watch, _, _) -->
    (   { current(Mine, Record) }
    ->  notice(Watch, Owner, opened, Record, true)
    ;   notice(Watch, Owner, removed, none, true)
    ).

%!  leave(+Name, +Owner, -Outcome)// is det.
%
%   Outcome is left if all that entered have left, or the barrier never opened; blocked(Watch) until they have;
%   failed(not_entered, Text) if Owner is not in it.

leave(Name, Owner, Outcome) -->
    (   { members(barrier, Name, Names), member(Mine, Names), held(Mine, _, Owner, _) }
    ->  delete_record(Mine, _),
        no_longer_entering(Name, Mine),
        {   open(Name)
        ->  watch(query(name(Name), [], []), [del], once, Owner, left(Owner), Watch),
            Outcome = blocked(Watch)
        ;   Outcome = left
        }
    ;   { format(string(Text), "domain ~w has not entered barrier ~w", [Owner, Name]),
          Outcome = failed(not_entered, Text)
        }
    ).

no_longer_entering(Name, Mine) -->
    (   { watched(Watch, query(name(Name), [open=true], []), _, _, Owner, entered(Mine, Owner)) }
    ->  { unwatch(Watch) },
        notice(Watch, Owner, removed, none, true)
    ;   []
    ).

record_watches:woken(left(Owner), Watch, _, _) -->
    notice(Watch, Owner, left, none, true).

%   -- semaphores

%!  new_semaphore(+Value, +Owner, -Outcome)// is det.
%
%   Outcome is semaphore(Id) with Value tokens; it is no more when Owner dies.

new_semaphore(Value, Owner, semaphore(Id)) -->
    { next_in_sequence('sem.', Id, Name) },
    set_record(Name, [value=Value], Owner, _),
    {   watch(query(any, [sem=Id], []), [set], lasting, system, serve(Id), _),
        watch(query(name(Name), [], []), [del], once, system, gone(Id), _)
    },
    tokens(Value, Name, Id).

tokens(Value, Name, Id) -->
    (   { Value > 0 }
    ->  token(Name, Id),
        { Less is Value - 1 },
        tokens(Less, Name, Id)
    ;   []
    ).

token(Name, Id) -->
    { sequential(Name, '.', Token) },
    set_record(Token, [sem=Id], 0, _).

%!  post(+Semaphore, -Outcome)// is det.
%
%   One more may pass; if somebody waits, who has waited longest does.

post(Id, Outcome) -->
    (   { semaphore(Id, Name) }
    ->  token(Name, Id),
        { Outcome = done }
    ;   { no_semaphore(Id, Outcome) }
    ).

%!  acquire(+Semaphore, +Owner, -Outcome)// is det.
%
%   Outcome is acquired(Token) if there was one, else blocked(Watch).

acquire(Id, Owner, Outcome) -->
    try_acquire(Id, Outcome0),
    {   Outcome0 == none
    ->  semaphore(Id, Name),
        watch(query(name(Name), [], []), [], once, Owner, acquiring(Id, Owner), Watch),
        Outcome = blocked(Watch)
    ;   Outcome = Outcome0
    }.

%!  try_acquire(+Semaphore, -Outcome)// is det.
%
%   Outcome is acquired(Token) if there was one, else none.

try_acquire(Id, Outcome) -->
    (   { semaphore(Id, Name) }
    ->  (   { lowest_token(Name, Id, Token) }
        ->  delete_record(Token, Record),
            { Outcome = acquired(Record) }
        ;   { Outcome = none }
        )
    ;   { no_semaphore(Id, Outcome) }
    ).

semaphore(Id, Name) :-
    integer(Id),
    atom_concat('sem.', Id, Name),
    held(Name, _, _, _).

no_semaphore(Id, failed(no_semaphore, Text)) :-
    format(string(Text), "no semaphore ~w", [Id]).

lowest_token(Name, Id, Token) :-
    all_tokens(Name, Id, [Token|_]).

all_tokens(Name, Id, Tokens) :-
    findall(Number-Token,
            ( matching(query(any, [sem=Id], []), Token), numbered(Name, '.', Token, Number) ),
            Pairs),
    keysort(Pairs, Sorted),
    findall(Token, member(_-Token, Sorted), Tokens).

%   A token has come: it is for who has waited longest.

record_watches:woken(serve(Id), _, _, _) -->
    (   { semaphore(Id, Name),
          lowest_token(Name, Id, Token),
          watched(Watch, query(name(Name), [], []), [], once, Owner, acquiring(Id, Owner))
        }
    ->  { unwatch(Watch) },
        delete_record(Token, Record),
        notice(Watch, Owner, acquired, Record, true)
    ;   []
    ).

record_watches:woken(gone(Id), _, _, _) -->
    {   atom_concat('sem.', Id, Name),
        forall(watched(Watch, query(any, [sem=Id], []), [set], lasting, system, serve(Id)), unwatch(Watch)),
        findall(Watch-Owner, watched(Watch, query(name(Name), [], []), [], once, Owner, acquiring(Id, Owner)), Waiting),
        all_tokens(Name, Id, Tokens)
    },
    removed(Waiting),
    deleted(Tokens).

removed([]) --> [].
removed([Watch-Owner|Waiting]) -->
    { unwatch(Watch) },
    notice(Watch, Owner, removed, none, true),
    removed(Waiting).

deleted([]) --> [].
deleted([Name|Names]) -->
    delete_record(Name, _),
    deleted(Names).

%!  called_off(+Watch, +Purpose)// is det.
%
%   Who waits by that Watch, which is no more, waits no longer: what it left behind goes, too.

called_off(_, Purpose) -->
    (   { left_behind(Purpose, Mine), held(Mine, _, _, _) }
    ->  delete_record(Mine, _)
    ;   []
    ).

left_behind(lock(_, Mine, _), Mine).
left_behind(entered(Mine, _), Mine).
