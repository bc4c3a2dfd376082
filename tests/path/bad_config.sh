#!/usr/bin/env bash
# What is wrong with configuration, keys or sockets is said in one sentence, with the exit status that the manual names.
#
# SENTINELD, SENTINEL and SENTINEL_WORKER are the programs.
set -u
umask 077

work=$(mktemp -d "${TMPDIR:-/tmp}/sentinel-test-XXXXXX") || exit 99
engine=
cleanup() {
	[ -z "$engine" ] || kill -KILL "$engine" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
failed=0
checked=0

# A good configuration and a good key, anew. $1: lines for [lane a]; $2: lines for [engine].
good() {
	rm -rf "$work/keys" "$work/seal.key" "$work/socket"*
	mkdir "$work/keys"
	head -c 32 /dev/zero | tr '\0' s >"$work/seal.key"
	cat >"$work/conf" <<-END
	[engine]
	socket = $work/socket
	key_dir = $work/keys
	seal_key = $work/seal.key
	${2-}
	[lane a]
	${1-}
	[key desk]
	uid = $(id -u)
	END
	if ! "$SENTINEL" keys generate desk --dir "$work/keys" --seal-key "$work/seal.key" >"$work/out" 2>"$work/err"; then
		fail "cannot make a key"
		exit 1
	fi
}

fail() {
	failed=$((failed + 1))
	printf 'FAILED: %s\n' "$1"
	sed 's/^/    out: /' "$work/out"
	sed 's/^/    err: /' "$work/err"
}

# expect CODE WHAT COMMAND...: runs it; a hang is a failure too.
expect() {
	local code=$1 got
	what=$2
	shift 2
	checked=$((checked + 1))
	timeout --kill-after 5 60 "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	[ "$got" -eq "$code" ] || fail "$what: exit status $got, not $code"
}

# refused CODE WHAT: sentineld refuses the configuration that is there, saying no more than some sentences.
refused() {
	expect "$1" "$2" "$SENTINELD" --config "$work/conf"
	[ ! -s "$work/out" ] || fail "$2: standard output is used"
}

says() {
	local part
	for part; do
		grep -qF -e "$part" "$work/err" || fail "$what: does not say: $part"
	done
}

for program in "$SENTINELD" "$SENTINEL_WORKER"; do
	name=$(basename "$program")
	expect 0 "$name --help" "$program" --help
	grep -q "^usage: $name " "$work/out" || fail "$name --help shows no usage"
	expect 0 "$name --version" "$program" --version
	grep -q "^$name [0-9]" "$work/out" || fail "$name --version shows no version"
	expect 2 "$name --nonsense" "$program" --nonsense
	says nonsense
done
expect 2 "an argument" "$SENTINELD" something
says --help
expect 2 "a worker without a lane" "$SENTINEL_WORKER" --config "$work/conf"
says --lane

good
expect 0 "--check of a good configuration" "$SENTINELD" --config "$work/conf" --check
grep -q '1 lanes, 1 keys, all opened' "$work/out" || fail "$what: does not say what it checked"
expect 2 "a worker for a lane that has none" "$SENTINEL_WORKER" --config "$work/conf" --lane a
says "link = unix:PATH"

expect 2 "no configuration" "$SENTINELD" --config "$work/none"
says "$work/none" "No such file" "create it"
good '' 'sessons = 5'
refused 2 "a misspelt word"
says "$work/conf:5" sessons 'did you mean "sessions"?'
good 'link = vsock:3:5000'
refused 2 "an unknown link"
says "$work/conf:7" vsock:3:5000 "unix:PATH"
good
long=$(printf 'k%.0s' $(seq 64))
printf '[key %s]\nuid = 0\n' "$long" >>"$work/conf"
refused 2 "a key's name of 64 bytes"
says "$work/conf:10" kkkk "64 bytes" 63

good
printf '[key absent]\nuid = 0\n' >>"$work/conf"
refused 3 "a key that is not there"
says '"absent"' "$work/keys" "sentinel keys list"
expect 3 "--check of a key that is not there" "$SENTINELD" --config "$work/conf" --check
says '"absent"'
good
chmod 644 "$work/keys/desk.key"
refused 3 "a key file for all to read"
says "$work/keys/desk.key" 0644 "chmod 600"
good
truncate -s 100 "$work/keys/desk.key"
refused 3 "a truncated key file"
says "$work/keys/desk.key" "100 bytes" backup
good
byte=$(od -An -tu1 -j100 -N1 "$work/keys/desk.key")
# shellcheck disable=SC2059 # an octal escape
printf "\\$(printf %o $(((byte + 1) % 256)))" | dd of="$work/keys/desk.key" bs=1 seek=100 conv=notrunc status=none
refused 3 "an altered key file"
says "$work/keys/desk.key" "does not open"
good
chmod 644 "$work/seal.key"
refused 3 "a seal key for all to read"
says "$work/seal.key" 0644 "chmod 600"
good
rm "$work/seal.key"
refused 3 "no seal key"
says "$work/seal.key" "does not exist"
good
head -c 32 /dev/zero >"$work/seal.key"
refused 3 "another seal key"
says "$work/keys/desk.key" "another seal key"
good
chmod 755 "$work/keys"
refused 3 "a key directory for all to read"
says "$work/keys" 0755 "chmod 700"
good
rm -r "$work/keys"
refused 3 "no key directory"
says "$work/keys" "install -d -m 700"

good
sed -i "s|^socket.*|socket = $work/nowhere/socket|" "$work/conf"
refused 4 "a socket in a directory that is not there"
says "$work/nowhere/socket" "No such file" directory
good
sed -i 's|^socket.*|socket = /proc/sentinel.sock|' "$work/conf"
refused 4 "a socket where none can be made"
says /proc/sentinel.sock
good
echo precious >"$work/socket"
refused 4 "a file where the socket belongs"
says "$work/socket" "no socket" "remove it"
[ "$(cat "$work/socket")" = precious ] || fail "$what: it was overwritten"

good
"$SENTINELD" --config "$work/conf" 2>"$work/first" &
engine=$!
for _ in $(seq 400); do
	grep -q 'ready on' "$work/first" && break
	sleep 0.05
done
refused 4 "a second engine"
says "$work/socket" "another process already serves"
[ -S "$work/socket" ] || fail "$what: it took the first one's socket away"
kill -TERM "$engine"
wait "$engine"
code=$?
engine=
[ "$code" -eq 0 ] || fail "SIGTERM: exit status $code"
[ ! -e "$work/socket" ] || fail "the socket is left behind"

good "link = unix:$work/worker"
chmod 644 "$work/keys/desk.key"
refused 3 "a worker that cannot open its key"
says "no worker comes up" "$work/keys/desk.key" "chmod 600"
good "link = unix:$work/nowhere/worker"
refused 4 "a worker that cannot make its socket"
says "no worker comes up" "$work/nowhere/worker"
[ ! -e "$work/socket" ] || fail "$what: the engine's socket is left behind"

if [ "$(id -u)" -eq 0 ] && command -v setpriv >"$work/out"; then
	good
	chmod 755 "$work"
	chmod 644 "$work/conf"
	if setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$SENTINELD"; then
		expect 4 "a socket that may not be made" \
			setpriv --reuid 65534 --regid 65534 --clear-groups "$SENTINELD" --config "$work/conf"
		says "$work/socket" "Permission denied" writable
		expect 3 "another user's keys" \
			setpriv --reuid 65534 --regid 65534 --clear-groups "$SENTINELD" --config "$work/conf" --check
		says "$work/seal.key" "65534"
	fi
fi

printf '%d checked, %d failed\n' "$checked" "$failed"
[ "$failed" -eq 0 ]
