#!/usr/bin/env bash
# Gets the peers of `amphi-loadtest compare` that this machine can install. What cannot be had is said, and the
# comparison goes on without it. Run by `compare --prepare`:
#
#     prepare.sh CACHE [UWEBSOCKETS]
#
# CACHE is a directory of our own, in which the sources of the peers lie already; UWEBSOCKETS a work tree of
# uWebSockets with its uSockets, outside this project. Debian's packages are installed where we are root,
# without starting their services.
set -uo pipefail
cache=$1 uwebsockets=${2:-}
cd "$cache" || exit 1

say() { printf 'prepare: %s\n' "$*" >&2; }
tried() { if "${@:2}" >"$1.log" 2>&1; then say "$1: ready"; else say "$1: not to be had, see $cache/$1.log"; fi; }

debian() {
    local policy=/usr/sbin/policy-rc.d made= node=
    # One that was installed otherwise is taken as it is.
    command -v npm >/dev/null || node="nodejs npm"
    # A package that starts its service would take ports, and CPU from what is measured.
    if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes; fi
    # Two packages or none.
    # shellcheck disable=SC2086
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
        nginx-light libnginx-mod-nchan nats-server mosquitto erlang-base erlang-crypto erlang-ssl zlib1g-dev $node
    local result=$?
    if [ -n "$made" ]; then rm -f "$policy"; fi
    return $result
}

# Cowboy, cowlib and ranch lie in RabbitMQ's package, which is unpacked and not installed.
cowboy() {
    local plugins
    if [ ! -d rabbitmq ]; then
        apt-get download -q rabbitmq-server && dpkg -x rabbitmq-server_*.deb rabbitmq && rm -f rabbitmq-server_*.deb || return 1
    fi
    mkdir -p cowboy && erlc -o cowboy room.erl || return 1
    plugins=$(dirname "$(find rabbitmq -type d -name 'cowboy-2.8*' | head -n 1)") || return 1
    for library in cowboy cowlib ranch; do
        rm -rf "cowboy/$library" && cp -r "$plugins/$library"-*/ebin "cowboy/$library" || return 1
    done
}

node_modules() { npm install --no-audit --no-fund --omit=dev; }

uwebsockets() {
    local objects=uwebsockets.objects
    rm -rf "$objects" && mkdir "$objects" || return 1
    for source in "$uwebsockets"/uSockets/src/*.c "$uwebsockets"/uSockets/src/eventing/*.c; do
        cc -O3 -flto -std=gnu11 -DLIBUS_NO_SSL -I"$uwebsockets/uSockets/src" -c "$source" \
            -o "$objects/$(basename "$source" .c).o" || return 1
    done
    c++ -O3 -flto -march=native -std=c++20 -DLIBUS_NO_SSL -DUWS_NO_ZLIB -I"$uwebsockets/src" -I"$uwebsockets/uSockets/src" \
        uwebsockets.cpp "$objects"/*.o -o uwebsockets.server
}

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    tried debian debian
else
    say "not root, or no apt-get: Debian's packages are taken as they are"
fi
if command -v npm >/dev/null; then tried npm node_modules; else say "npm: not found"; fi
if command -v erlc >/dev/null; then tried cowboy cowboy; else say "cowboy: no erlc"; fi
if [ -n "$uwebsockets" ]; then tried uwebsockets uwebsockets; else say "uwebsockets: no work tree given"; fi
