"""Follow an amphi and choose in it: python3 follow_and_choose.py https://HOST/entrer/TOKEN [POST …]
In your turn, or late, takes the first POST (by number) that is still free, or else the first free one; exits 0 once
you are placed. Written from engine/PROTOCOL.md alone; needs `pip install websockets`."""
import asyncio, json, random, sys, time, urllib.parse, urllib.request, uuid, zoneinfo
from datetime import datetime
import websockets
STANDING = ("standing", "since", "passed", "post", "seat", "at", "manner")
MOVING = ("status", "reason", "since", "turn", "next_rank", "delay", "pace_permille", "held", "at", "epoch", "seq")

class Client:
    def __init__(self, link, wanted):
        door = json.load(urllib.request.urlopen(urllib.request.Request(link, headers={"Accept": "application/json"})))
        self.rank = door.get("rank") or sys.exit("not an intern's link: it can only look on")
        self.address = urllib.parse.urljoin(link, door["socket"]).replace("http", "ws", 1)
        self.headers = {"Authorization": "Bearer " + link.rsplit("/", 1)[1]}
        self.wanted, self.state, self.command = wanted, None, None  # command: sent, and not answered yet

    async def follow(self):
        wait = 3
        while True:
            try:
                async with websockets.connect(self.address, additional_headers=self.headers, max_size=None) as socket:
                    where = {"resume": {key: self.state[key] for key in ("epoch", "seq")}} if self.state else {}
                    await socket.send(json.dumps({"type": "hello", "protocol": 1} | where))
                    while True:
                        await self.hear(json.loads(await socket.recv()), socket)
                        wait = 3
            except (OSError, websockets.WebSocketException) as problem:
                code = getattr(getattr(problem, "rcvd", None), "code", 1006)
                status = problem.response.status_code if isinstance(problem, websockets.InvalidStatus) else None
                if 4500 <= code <= 4999 or status in (401, 403, 404):
                    sys.exit(f"refused: {problem}")
            print(f"disconnected; coming back within {wait} s", flush=True)
            await asyncio.sleep(random.uniform(0, wait))
            wait = min(wait * 2, 30)

    async def hear(self, message, socket):
        match message:
            case {"type": "welcome", "server_time": server_time, "speed": speed}:
                self.clock = lambda since=time.monotonic(): server_time + int((time.monotonic() - since) * 1000 * speed)
                if self.command:  # its answer was lost; the same id again, so that it acts at most once
                    await socket.send(json.dumps(self.command))
            case {"type": "snapshot"}:
                self.state = message
                await self.choose(socket)
            case {"type": "change"} if self.state and message["from_seq"] != self.state["seq"]:
                self.state = None  # a gap: never guess, and listen to no change before the snapshot
                await socket.send('{"type":"resync"}')
            case {"type": "change"} if self.state:
                self.overlay(message)
                self.tell(message)
                await self.choose(socket)
            case {"type": "busy"}:
                await asyncio.sleep(message["retry_after"] / 1000 + random.random() / 10)
                await socket.send(json.dumps(self.command))
            case {"type": "me" | "outcome", "receipt": {"amphi": amphi, "seq": seq, "hash": hash, "post": post}}:
                print(f"placed in post {post}; receipt {amphi}:{seq}:{hash}")
                sys.exit(0)
            case {"type": "outcome", "code": "post_taken" | "not_your_turn" | "suspended"}:
                self.command = self.state = None  # we did not know yet: have a look, then choose again
                await socket.send('{"type":"resync"}')
            case {"type": "outcome", "code": code}: sys.exit(f"refused: {code}")
            case {"type": "outcome"}: self.command = None  # held: a change will say what comes of it

    def overlay(self, change):
        for new in change["participants"]:
            self.state["participants"][new["rank"] - 1] |= dict.fromkeys(STANDING) | new
        for new in change["posts"]:
            self.state["posts"][new["number"] - 1]["seats_left"] = new["seats_left"]
        self.state |= {key: change.get(key) for key in MOVING}

    async def choose(self, socket):
        held = any(choice["rank"] == self.rank for choice in self.state["held"])
        mine = self.state["participants"][self.rank - 1]["standing"] in ("in_turn", "late") and not held
        if mine and self.state["status"] == "open" and not self.command:
            free = [post["number"] for post in self.state["posts"] if post["seats_left"]]
            self.command = {"type": "command", "command_id": str(uuid.uuid4()), "action": "choose",
                            "post": next((post for post in self.wanted if post in free), free[0])}
            await socket.send(json.dumps(self.command))

    def tell(self, change):
        zone, opens = zoneinfo.ZoneInfo(self.state["time_zone"]), self.expected(self.clock())
        said = [f"rank {one['rank']} {one['standing']} {one.get('post', '')}".strip() for one in change["participants"]]
        at, mine = (f"{datetime.fromtimestamp(ms / 1000, zone):%a %H:%M:%S}" for ms in (change["at"], opens or 0))
        print(at, *said, f"delay {change['delay'] // 1000} s", *[f"my turn about {mine}"] * bool(opens), sep="; ", flush=True)

    def expected(self, now):  # when my turn will probably open, by the sum of PROTOCOL.md; None once it has
        people, turn, pace, free = self.state["participants"], self.state["turn"], self.state["pace_permille"], now
        if turn:
            left, allowed = turn["remaining_when_suspended"], people[turn["rank"] - 1]["turn_duration"] + turn["extended_by"]
            left = turn["deadline"] - now if left is None else left
            gone = turn["deadline"] - turn["opened_at"] - turn["stopped_for"] - left
            free = now + max(0, allowed * pace // 1000 - gone)
        for person in (person for person in people[self.state["next_rank"] - 1:] if person["standing"] == "waiting"):
            early = self.state["policies"]["early_opening"]  # then nobody's turn waits for its planned time
            opens, hours = max(people[0 if early else person["rank"] - 1]["planned_at"], free), self.state["opening"]
            opens = max(opens, next((range for range in hours if opens < range["closes_at"]), hours[-1])["opens_at"])
            if person["rank"] == self.rank: return opens
            free = opens + person["turn_duration"] * pace // 1000

asyncio.run(Client(sys.argv[1], [int(post) for post in sys.argv[2:]]).follow())
