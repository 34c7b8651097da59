#!/usr/bin/env bash
# Runs every test of the project. Installs on Debian what is missing: Postgres, Chromium, ChromeDriver, Valgrind,
# and a Python environment of its own for the example client and the Autobahn cases. Needs the Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

say "what the tests need"
missing=()
newest_postgres() { find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1; }
[ -n "$(newest_postgres)" ] || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
command -v valgrind >/dev/null || missing+=(valgrind)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
if [ "${#missing[@]}" -gt 0 ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
if ! cmp -s tests/requirements.txt target/venv/installed.txt; then
    python3 -m venv target/venv
    target/venv/bin/pip install --quiet -r tests/requirements.txt
    cp tests/requirements.txt target/venv/installed.txt
fi
export AMPHI_PYTHON="$PWD/target/venv/bin/python"

say "a throw-away Postgres for the tests of the crates"
bindir=$(newest_postgres)
cluster=$(mktemp -d /tmp/amphi-tests-XXXXXX)
server=() # Postgres refuses to run as root.
if [ "$(id -u)" = 0 ]; then
    chown postgres "$cluster"
    server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi
stop_postgres() {
    # What runs beside, when something has failed.
    # shellcheck disable=SC2046
    kill $(jobs -p) 2>/dev/null || true
    (cd / && "${server[@]}" "$bindir/pg_ctl" -D "$cluster/data" -m immediate stop >/dev/null 2>&1) || true
    rm -rf "$cluster"
}
trap stop_postgres EXIT
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(
    cd /
    "${server[@]}" "$bindir/initdb" -D "$cluster/data" -U postgres -A trust -E UTF8 --locale=C >/dev/null
    # These tests cut no power: nothing needs to reach the disk.
    "${server[@]}" "$bindir/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w start >/dev/null \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c full_page_writes=off -c max_connections=300"
)
export AMPHI_TEST_DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"

say "build"
# The queries were checked against a database when they were written (.sqlx); no database is needed here.
export SQLX_OFFLINE=true
cargo test --workspace --locked --no-run

say "crates, stories, crashes"
cargo test --workspace --locked --no-fail-fast

if command -v npm >/dev/null; then
    say "a machine without Postgres gets it from npm"
    cargo test --workspace --locked --bin amphi -- --ignored --exact \
        private_postgres::tests::a_machine_without_postgres_gets_it_from_npm
fi

say "instructions counted"
tests/instructions.sh

say "simulated amphis: faults, crashes at every await, clocks that misbehave"
target/debug/amphi-simulator run --seeds 2000 >target/simulated.txt
tail -n 1 target/simulated.txt
target/debug/amphi-simulator run --seeds 200 --profile clock | tail -n 1
target/debug/amphi-simulator crash-points | tail -n 1

say "planted bugs are found"
# With the features of the whole workspace, so that no library is built twice; in a place of its own, so that
# no program with bugs lies where the others are looked for.
cargo build --workspace --locked --bin amphi-simulator --features amphi-simulator/planted-bugs
mv target/debug/amphi-simulator target/debug/amphi-simulator-with-bugs
target/debug/amphi-simulator-with-bugs bugs

say "a whole amphi: 490 interns, two days, 1,500 viewers, compressed time; beside it, every other scenario, small"
# Programs built above, with the stories. What counts is that nothing is lost or wrong, whatever the goals. Three at a
# time: most of it waits.
whole() {
    target/debug/amphi-loadtest whole \
        --server target/debug/amphi \
        --interns tests/samples/idf-medecine-generale/interns.csv \
        --posts tests/samples/idf-medecine-generale/posts.csv \
        --turn 120s --opening "day1 09:00-12:30,14:00-18:00" --opening "day2 09:00-12:30,14:00-18:00" \
        --speed 900 --viewers 1500 --missing 5 --cuts 20 --timer-tolerance-ms 2000 >target/whole.json
}
small() {
    local scenario name
    for scenario in "$@"; do
        name=target/small-${scenario// /}
        # An option is a word of its own.
        # shellcheck disable=SC2086
        target/debug/amphi-loadtest $scenario --server target/debug/amphi >"$name.json" 2>"$name.txt" ||
            { cat "$name.txt"; return 1; }
    done
}
whole & lanes=$!
small room burst growth & lanes+=" $!"
small overload national-day "national-day --kill" storm commands & lanes+=" $!"
for lane in $lanes; do wait "$lane"; done
grep -E '"(ok|assignments|deliveries|reconnections)"' target/whole.json

say "chaos: server and Postgres killed, frozen, cut and raced"
# No power is cut here either: in memory, where there is room, times say something of us and not of a busy disk.
in_memory=${TMPDIR:-/tmp}
[ "$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1)" -ge 1024 ] 2>/dev/null && in_memory=/dev/shm
TMPDIR=$in_memory target/debug/amphi-loadtest chaos --server target/debug/amphi >target/chaos.json

say "all passed"
