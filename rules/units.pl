:- encoding(utf8).
:- module(units,
          [ units_of_question/2         % +Text, -Units
          ]).
:- use_module(library(lists)).
:- use_module(vocabulary).
:- use_module(types, [unit/2]).
:- use_module(bridge, [read_goal/4]).

/** <module> In which units a question is answered

The vocabulary says what each argument is; so a variable of a question has the unit of the argument it stands at.
*/

%!  units_of_question(+Text:string, -Units:list) is det.
%
%   Units has Name-Unit for each variable of the goal that Text is (skb/engine.py, goal_text) that stands for a quantity
%   with a unit; the first place where it stands decides.

units_of_question(Text, Units) :-
    read_goal(Text, skb, Goal, Names),
    findall(Name-Unit,
            ( member(Name=Variable, Names),
              once(( measured(Goal, Argument, Unit), Argument == Variable ))
            ),
            Units).

%   measured(+Goal, -Argument, -Unit) is nondet: Argument of a predicate called in Goal is a quantity in Unit.

measured(Goal, _, _) :-
    var(Goal),
    !,
    fail.
measured(Goal, Argument, Unit) :-
    control(Goal),
    !,
    arg(_, Goal, Part),
    measured(Part, Argument, Unit).
measured(Goal, Argument, Unit) :-
    callable(Goal),
    functor(Goal, Name, Arity),
    declared(Name, Arity, _, Declared, _, _),
    nth1(Position, Declared, _:Type),
    unit(Type, Unit),
    arg(Position, Goal, Argument).

control((_, _)).
control((_ ; _)).
control((_ -> _)).
control((_ *-> _)).
control(once(_)).
control(ignore(_)).
control(findall(_, _, _)).
control(forall(_, _)).
control(aggregate_all(_, _, _)).
control(limit(_, _)).
control(order_by(_, _)).
control(call(_)).
