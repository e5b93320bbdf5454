% Clauses, atoms, terms and strings of a logic program.
:- dynamic edge/3, label/2, path/2.

fact(N) :-
    A is N * 7919 mod 10007,
    B is N * 31 mod 4001,
    W is N / 3.0,
    assertz(edge(A, B, W)),
    atom_concat(node_, A, Name),
    format(string(Text), "node ~d of ~a", [N, Name]),
    assertz(label(Name, term(Text, [A, B | _], point(W, N)))).

reach(A, C) :- edge(A, B, _), edge(B, C, _).

main :-
    forall(between(1, 20000, N), fact(N)),
    forall((between(1, 300, A), reach(A, C)), assertz(path(A, C))),
    findall(A-B, edge(A, B, _), Pairs),
    keysort(Pairs, Sorted),
    list_to_assoc([], _),
    length(Sorted, Length),
    format("corpus: ready~n"),
    flush_output,
    sleep(3600),
    print(Length-Sorted).
