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

init(Request, viewer) ->
    {cowboy_websocket, Request, viewer, #{idle_timeout => infinity}};
init(Request, publisher) ->
    {ok, Text, Read} = cowboy_req:read_body(Request),
    [Viewer ! {change, Text} || Viewer <- pg:get_members(room)],
    {ok, cowboy_req:reply(200, #{}, <<"ok">>, Read), publisher}.

%% The upgrade is answered before this runs: who listens says so.
websocket_init(State) ->
    ok = pg:join(room, self()),
    {[{text, <<"listening">>}], State}.

websocket_handle(_Frame, State) -> {[], State}.

websocket_info({change, Text}, State) -> {[{text, Text}], State};
websocket_info(_Other, State) -> {[], State}.
