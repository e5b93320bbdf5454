%% Two thousand Erlang processes with state, an ets table, binaries.
-module(processes).
-export([main/1]).

main(_) ->
    Table = ets:new(users, [set, public]),
    [ets:insert(Table, {N, list_to_binary(io_lib:format("user number ~b", [N])), N rem 17, N / 3}) || N <- lists:seq(1, 40000)],
    Pids = [spawn(fun() -> loop(#{number => N, queue => queue:from_list(lists:seq(1, N rem 60)), log => []}) end) || N <- lists:seq(1, 2000)],
    [Pid ! {add, Round, binary:copy(<<"message ">>, Round)} || Round <- lists:seq(1, 12), Pid <- Pids],
    Tree = gb_trees:from_orddict([{N, {point, N * 1.5, -N}} || N <- lists:seq(1, 30000)]),
    [Pid ! {ask, self()} || Pid <- Pids],
    [receive done -> ok end || _ <- Pids],
    io:format("corpus: ready~n"),
    receive stop -> io:format("~p", [gb_trees:size(Tree)]) end.

loop(State = #{log := Log}) ->
    receive
        {add, Round, Text} -> loop(State#{log := [{Round, Text} | Log], Round => erlang:phash2(Text)});
        {ask, From} -> From ! done, loop(State)
    end.
