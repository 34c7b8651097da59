%% The peer `cowboy`: a WebSocket process per viewer in a process group, and a message to each of them,
%% which is what Phoenix does underneath.
-module(room).
-export([start/1, init/2, websocket_init/1, websocket_handle/2, websocket_info/2]).

start([Port]) ->
    {ok, _} = application:ensure_all_started(cowboy),
    {ok, _} = pg:start_link(),
    Routes = [{"/ws", ?MODULE, viewer}, {"/publish", ?MODULE, publisher}],
    Dispatch = cowboy_router:compile([{'_', Routes}]),
    Transport = #{socket_opts => [{ip, {127, 0, 0, 1}}, {port, list_to_integer(Port)}, {backlog, 4096}],
                  max_connections => infinity, num_acceptors => 10},
    Protocol = #{env => #{dispatch => Dispatch}, max_keepalive => infinity, idle_timeout => infinity},
    {ok, _} = cowboy:start_clear(room, Transport, Protocol),
    receive stop -> ok end.

init(Request, Role) ->
    {cowboy_websocket, Request, Role, #{idle_timeout => infinity}}.

%% The upgrade is answered before this runs: who listens says so.
websocket_init(viewer) ->
    ok = pg:join(room, self()),
    {[{text, <<"listening">>}], viewer};
websocket_init(publisher) ->
    {[], publisher}.

%% Not by POST: requests that overtake each other on one connection have a process each, and no order.
websocket_handle({text, Text}, publisher) ->
    [Viewer ! {change, Text} || Viewer <- pg:get_members(room)],
    {[], publisher};
websocket_handle(_Frame, State) ->
    {[], State}.

websocket_info({change, Text}, State) -> {[{text, Text}], State};
websocket_info(_Other, State) -> {[], State}.
