#!/usr/bin/env bash
# The Debian package: built, installed, used and removed. For root on a Debian, with the program
# built already; elsewhere it says that nothing was tested. Without systemd as the first process its
# units cannot be run: they are judged by systemd-analyze, and what the server asks of the kernel is
# held against what they allow.
# A target (tests/packaging.sh x86_64-unknown-linux-musl) is passed on to packaging/build.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

not_tested() { printf '\n*** NOT TESTED, the Debian package: %s\n' "$1" >&2; exit 0; }
fail() { printf 'packaging: %s\n' "$1" >&2; exit 1; }
has() { command -v "$1" >/dev/null || not_tested "there is no $1 on this machine"; }

[ "$(id -u)" = 0 ] || not_tested "it takes root to install it"
for program in dpkg systemd-analyze man strace curl; do has "$program"; done
cargo deb --version >/dev/null 2>&1 || not_tested "there is no cargo-deb"
! dpkg-query --status cooee >/dev/null 2>&1 || fail "a package cooee is installed here already"

work=$(mktemp --directory)
server=
clean() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    dpkg --purge cooee >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT

package=$(packaging/build "$@" | tail -1)
dpkg --info "$package"
dpkg --install "$package"

# What it has.
[ "$(command -v cooee)" = /usr/bin/cooee ] || hash -r
/usr/bin/cooee --version
for page in cooee cooee-serve cooee-health cooee-bench-compare; do
    MANPAGER=cat man 1 "$page" >"$work/page" 2>"$work/complaints"
    grep -q COOEE "$work/page" || fail "the page $page does not open"
    [ ! -s "$work/complaints" ] || fail "man complains of $page: $(cat "$work/complaints")"
done
bash -c '. /usr/share/bash-completion/completions/cooee && complete -p cooee' >/dev/null
dpkg-query --show --showformat '${Conffiles}' cooee | grep -q ' /etc/cooee/cooee.toml ' ||
    fail "/etc/cooee/cooee.toml is no conffile"
[ -f /usr/share/doc/cooee/docs/deploy.md ] || fail "the documents are missing"
/usr/bin/cooee serve --config /etc/cooee/cooee.toml --check | grep -q '^chat+tcp://127.0.0.1:5001$' ||
    fail "its configuration does not serve what it should"

# Its units.
units=$(dpkg --listfiles cooee | grep '/systemd/system/')
[ "$(wc -l <<<"$units")" = 2 ] || fail "there are other units than two: $units"
# shellcheck disable=SC2086
complaints=$(systemd-analyze verify --man=no $units 2>&1 | grep -F cooee || true)
[ -z "$complaints" ] || fail "systemd-analyze verify: $complaints"
systemd-analyze security --offline=yes --threshold=20 --no-pager cooee.service | tail -1

# What the server asks of the kernel, serving, reloading and leaving, is what its unit allows.
allowed() {
    systemd-analyze syscall-filter --no-pager "$1" | sed 's/#.*//; 1d' | while read -r name; do
        case "$name" in @*) allowed "$name" ;; ?*) echo "$name" ;; esac
    done
}
allowed @system-service | sort -u >"$work/service"
{ allowed @privileged; allowed @resources; } | sort -u >"$work/denied"
allowed @default | sort -u >"$work/default"
# Those of @default and of the part that is denied: the later line of the unit decides.
comm -23 "$work/service" "$work/denied" | sort -u - "$work/default" >"$work/allowed"
sed 's/^admin = .*/admin = "127.0.0.1:0"/' /etc/cooee/cooee.toml >"$work/cooee.toml"
cat >>"$work/cooee.toml" <<'END'
endpoints = ["echo://:0", "greet://:0", "talk://:0", "chat://:0", "months://:0"]
END
(ulimit -Sn 64; exec strace --follow-forks --output="$work/calls" \
    /usr/bin/cooee serve --config "$work/cooee.toml" --announce "$work/ports") \
    </dev/null >/dev/null 2>"$work/log" &
strace=$!
server=$strace
tries=0
until [ -s "$work/ports" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 2000 ] || fail "it does not listen: $(cat "$work/log")"
    read -rt 0.01 <> <(:) || true
done
at() { sed -n "s|^$1://||p" "$work/ports"; }
[ "$(head -c 300000 /dev/zero | /usr/bin/cooee echo "$(at echo+tcp)" | wc -c)" = 300000 ]
[ "$(/usr/bin/cooee months "$(at months+udp)" 2)" = February ]
/usr/bin/cooee greet "$(at greet+tcp)" >/dev/null
printf 'hello\n' | /usr/bin/cooee chat "$(at chat+tcp)" >/dev/null
# Many at once, which io_uring reads from together.
/usr/bin/cooee bench tcp_rr "echo://$(at echo+tcp)" -c 32 --count 2000 --warmup 0s >/dev/null 2>&1
admin=$(grep -o 'http://127.0.0.1:[0-9]*/' "$work/log" | head -1)
/usr/bin/cooee health "$admin"
curl --silent --fail "${admin}metrics" >/dev/null
cooee=$(pgrep -P "$strace" || echo "$strace")
kill -HUP "$cooee"
/usr/bin/cooee health "$admin" >/dev/null
kill -TERM "$cooee"
wait "$strace" || true
server=
grep -oE '^[0-9]+ +[a-z_0-9]+\(' "$work/calls" | grep -oE '[a-z_0-9]+\($' | tr -d '(' |
    sort -u >"$work/used"
grep -qx prlimit64 "$work/used" || fail "the limit on descriptors is raised by another call"
refused=$(comm -23 "$work/used" "$work/allowed")
# exec is systemd's own, before the filter; the rest would fail under it.
refused=$(grep -vx execve <<<"$refused" || true)
[ -z "$refused" ] || fail "its unit refuses these system calls: $refused"
printf 'the server makes %s system calls, and its unit allows them: %s\n' \
    "$(wc -l <"$work/used")" "$(paste -sd' ' "$work/used")"

# What somebody has changed stays, and what was installed goes.
echo '# changed' >>/etc/cooee/cooee.toml
dpkg --install --force-confold "$package" >/dev/null
tail -1 /etc/cooee/cooee.toml | grep -q '# changed' || fail "a changed configuration was replaced"
dpkg --remove cooee >/dev/null
[ -f /etc/cooee/cooee.toml ] || fail "removing took the configuration along"
dpkg --purge cooee >/dev/null
for left in /etc/cooee /usr/bin/cooee /usr/share/doc/cooee /usr/share/man/man1/cooee.1.gz; do
    [ ! -e "$left" ] || fail "$left is left behind"
done
echo "the Debian package is in order"
