#!/usr/bin/env bash
# What the Dockerfile makes, without Docker: the static program alone in an empty root, under a user
# that no file knows, run as the last lines of the Dockerfile say. For root, with the program built
# for TARGET (tests/container.sh x86_64-unknown-linux-musl); elsewhere it says that nothing was
# tested.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-$(uname -m)-unknown-linux-musl}
program="${CARGO_TARGET_DIR:-target}/$target/release/cooee"

not_tested() { printf '\n*** NOT TESTED, the container: %s\n' "$1" >&2; exit 0; }
fail() { printf 'container: %s\n' "$1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || not_tested "it takes root to change the root"
[ -x "$program" ] || not_tested "there is no $program"

root=$(mktemp --directory)
server=
clean() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$root"
}
trap clean EXIT
chmod 755 "$root"
cp "$program" "$root/cooee"

user=$(sed -n 's/^USER //p' Dockerfile)
[ "$user" = 65532:65532 ] || fail "the user is no number: $user"
inside() { chroot --userspec="$user" "$root" "$@"; }
json() { sed -n "s/^ *$1 //p" Dockerfile | tr -d '",[]'; }
[ "$(json ENTRYPOINT)" = /cooee ] || fail "the entrypoint is no list of words"
read -ra words <<<"$(json CMD | tail -1)"
[ "${words[0]}" = serve ] || fail "it serves nothing: ${words[*]}"
read -ra health <<<"$(json CMD | head -1)"
[ "${health[0]} ${health[1]}" = "/cooee health" ] || fail "the health check is ${health[*]}"

# Its own words, but with any free ports.
chroot --userspec="$user" "$root" /cooee "${words[@]/%:5090/:0}" echo://:0 greet://:0 chat://:0 months://:0 \
    </dev/null >/dev/null 2>"$root/log" &
server=$!
tries=0
until grep -q 'http://' "$root/log"; do
    kill -0 "$server" || fail "it has ended: $(cat "$root/log")"
    tries=$((tries + 1))
    [ "$tries" -lt 2000 ] || fail "it does not listen: $(cat "$root/log")"
    read -rt 0.01 <> <(:) || true
done
port() { sed -n "s|.*$1://0.0.0.0:\([0-9]*\).*|\1|p" "$root/log" | head -1; }
inside "${health[@]:0:2}" "127.0.0.1:$(port http)" | grep -q ' is ready$' || fail "it is not ready"
[ "$(printf 'hello' | inside /cooee echo "127.0.0.1:$(port 'echo+tcp')")" = hello ]
[ "$(printf 'hello' | inside /cooee echo --udp "127.0.0.1:$(port 'echo+udp')")" = hello ]
[ "$(inside /cooee months "127.0.0.1:$(port 'months+udp')" 2)" = February ]
inside /cooee greet "127.0.0.1:$(port 'greet+tcp')" | grep -q "('127.0.0.1', "
# Its own ready check fails where nothing is.
if inside "${health[@]}" 2>"$root/unready"; then fail "something is at ${health[2]}"; fi
grep -q 'is not ready: nothing listens there' "$root/unready"

# Names: without /etc/hosts and name servers one line, and with a file of hosts they are found.
if inside /cooee greet --connect-timeout 1s unknown.invalid:1 2>"$root/names"; then
    fail "a name resolves without anybody who knows it"
fi
[ "$(wc -l <"$root/names")" = 1 ] || fail "more than a line: $(cat "$root/names")"
mkdir "$root/etc"
printf '127.0.0.1 localhost here.example\n' >"$root/etc/hosts"
[ "$(printf 'hi' | inside /cooee echo "here.example:$(port 'echo+tcp')")" = hi ]

signal=$(sed -n 's/^STOPSIGNAL SIG//p' Dockerfile)
kill -"$signal" "$server"
wait "$server" || fail "it ends with status $?: $(cat "$root/log")"
server=
echo "the container is in order"
