#!/bin/sh
# `sentinel keys` from outside: exit codes, and that every refusal names the thing and the remedy. $1 is the program.
set -u
umask 022

sentinel=$1
work=$(mktemp -d) || exit 99
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
failed=0
unset CREDENTIALS_DIRECTORY

# The secret 1, whose public key is the curve's generator.
one=0000000000000000000000000000000000000000000000000000000000000001
generator=0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798
order=fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141

fail() {
	failed=$((failed + 1))
	printf 'FAILED: %s\n' "$1"
	sed 's/^/    out: /' "$work/out"
	sed 's/^/    err: /' "$work/err"
}

# expect CODE ARGUMENTS...: runs `sentinel`, standard input from $work/in when there is one.
expect() {
	code=$1
	shift
	[ -e "$work/in" ] || : >"$work/in"
	"$sentinel" "$@" <"$work/in" >"$work/out" 2>"$work/err"
	got=$?
	[ "$got" -eq "$code" ] || fail "exit $got, not $code: sentinel $*"
	if [ "$code" -ne 0 ] && [ -s "$work/out" ]; then
		fail "a failure wrote to standard output: sentinel $*"
	fi
}

# says TEXT, shows TEXT: standard error, standard output has it.
says() {
	grep -qF -e "$1" "$work/err" || fail "does not say: $1"
}
shows() {
	grep -qF -e "$1" "$work/out" || fail "does not show: $1"
}
hides() {
	if grep -qF -e "$1" "$work/out" "$work/err"; then
		fail "shows a secret"
	fi
}

seal=$work/seal.key
dir=$work/keys
keys() {
	code=$1 action=$2
	shift 2
	expect "$code" keys "$action" "$@" --dir "$dir" --seal-key "$seal"
}

# Help and usage.
expect 0 --help
shows "keys"
expect 0 --version
expect 0 keys --help
shows "install -d -m 700"
expect 0 keys import --help
shows "never as an argument"
expect 2
expect 2 kays
says '"kays"'
says "sentinel --help"
expect 2 keys
expect 2 keys destroy
says "generate, import, list, show or delete"
expect 2 keys generate
says "NAME"
keys 2 generate a b
says 'leave out "b"'
keys 2 generate a --jason x
says "--jason is no option"
keys 2 generate a --yes
says "only delete asks"
expect 2 keys list --dir
says "--dir needs a value"
keys 2 generate ../a
says "../a"

# What has to be made first says how.
keys 3 generate a
says "seal key $seal does not exist"
says "umask 077; head -c 32 /dev/urandom > $seal"
(umask 077 && head -c 32 /dev/urandom >"$seal")
keys 3 generate a
says "key directory $dir does not exist: create it with \`install -d -m 700 $dir\`"
install -d -m 700 "$dir"
keys 0 list
shows "PUBLIC KEY"

# Generate, list, show.
keys 0 generate hot
shows "generated hot: public key 0"
keys 3 generate hot
says 'key "hot" already exists'
says "choose another name"
keys 0 list
shows "hot"
public=$(sed -n 's/^hot *//p' "$work/out")
keys 0 show hot
shows "$public"
shows "x-only public key  ${public#??}"
keys 3 show cold
says 'no key "cold"'
says "sentinel keys list"
[ "$(stat -c %a "$dir/hot.key")" = 600 ] || fail "mode of hot.key"
[ "$(stat -c %s "$dir/hot.key")" = 192 ] || fail "size of hot.key"

# Import: every form it takes, every near miss.
import() { # CODE NAME, the input on standard input
	cat >"$work/in"
	keys "$1" import "$2"
	hides "$one"
}
# shellcheck disable=SC2059
raw() { printf "$(printf '\\000%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31)$1"; }
printf '%s' $one | import 0 hex
shows "imported hex: public key $generator"
printf '%s\n' $one | import 0 hex-newline
printf '%s\r\n' $one | import 0 hex-crlf
printf '0x%s\n' $one | import 0 hex-0x
raw '\001' | import 0 raw
shows "$generator"
raw '' | import 3 short
says "31 bytes were read"
raw '\001\012' | import 3 long
says "32 raw bytes, or 64 hex digits"
printf '%s0\n' $one | import 3 long
printf '%.63s\n' $one | import 3 short
printf '%.32s' $one | import 3 half
printf '%.63sg\n' $one | import 3 notdigit
printf '%s\n\n' $one | import 3 two-newlines
printf '' | import 3 empty
says "standard input holds no secret key"
head -c 100000 /dev/zero | import 3 zeros
says "at least"
raw '\000' | import 3 zero
says "no secp256k1 key"
printf '%s' $order | import 3 order
says "curve's order"
rm "$work/in"
printf '%s\n' $one >"$work/secret"
keys 0 import file --file "$work/secret"
shows "$generator"
keys 1 import file2 --file "$work/nothing"
says "$work/nothing"
says "--file"

# A secret on the command line is refused, not repeated, and never taken, wherever it stands.
for argument in $one 0x$one --secret=$one; do
	keys 2 import "$argument"
	says "every process (ps)"
	says "standard input or with --file"
	hides "$one"
	keys 2 import argv "$argument"
	says "looks like a secret key"
	hides "$one"
done
keys 2 import argv --file $one
hides "$one"
[ ! -e "$dir/argv.key" ] || fail "took a secret from the command line"

# JSON.
keys 0 show hex --json -
[ "$(cat "$work/out")" = "{\"keys\":[{\"name\":\"hex\",\"public_key\":\"$generator\",\"xonly_public_key\":\"${generator#??}\"}]}" ] ||
	fail "JSON of show"
keys 0 list --json "$work/json"
shows "NAME"
grep -q '^{"keys":\[{"name":"file",.*},{"name":"hot",.*}\]}$' "$work/json" || fail "JSON of list"
keys 1 list --json "$work/none/json"
says "$work/none/json"

# Refusals of what lies there.
chmod 644 "$dir/hot.key"
keys 3 show hot
says "key file $dir/hot.key is readable by group or others (mode 0644): chmod 600 $dir/hot.key"
keys 3 list
says "chmod 600"
chmod 600 "$dir/hot.key"
chmod 750 "$dir"
keys 3 list
says "key directory $dir is readable by group or others (mode 0750): chmod 700 $dir"
chmod 700 "$dir"
chmod 640 "$seal"
keys 3 show hot
says "chmod 600 $seal"
chmod 600 "$seal"
cp "$dir/hot.key" "$work/hot.key"
head -c 100 "$work/hot.key" >"$dir/hot.key"
keys 3 show hot
says "has 100 bytes, not 192: restore it from a backup"
cp "$work/hot.key" "$dir/hot.key"
mv "$dir/hot.key" "$dir/warm.key"
keys 3 show warm
says 'was renamed: it holds the key "hot"'
mv "$dir/warm.key" "$dir/hot.key"
(umask 077 && head -c 32 /dev/urandom >"$work/other.key")
expect 3 keys show hot --dir "$dir" --seal-key "$work/other.key"
says "another seal key"
(umask 077 && head -c 31 /dev/urandom >"$work/short.key")
expect 3 keys show hot --dir "$dir" --seal-key "$work/short.key"
says "31 bytes, not 32"
expect 3 keys show hot --dir "$dir" --seal-key credential:seal
says "CREDENTIALS_DIRECTORY"
export CREDENTIALS_DIRECTORY="$work"
expect 0 keys show hot --dir "$dir" --seal-key credential:seal.key
unset CREDENTIALS_DIRECTORY

# The configuration, and what overrides it.
printf '[engine]\nkey_dir=%s\nseal_key=%s\n' "$dir" "$seal" >"$work/conf"
expect 0 keys show hot --config "$work/conf"
shows "$public"
expect 3 keys show hot --config "$work/conf" --seal-key "$work/other.key"
expect 3 keys list --config "$work/conf" --dir "$work/none"
says "$work/none"
expect 2 keys list --config "$work/none"
says "$work/none"
printf '[engine\n' >"$work/conf"
expect 2 keys list --config "$work/conf"
says "$work/conf"

# Delete.
keys 2 delete hot
says "--yes"
[ -e "$dir/hot.key" ] || fail "deleted without being told to"
keys 0 delete hot --yes
shows "deleted hot"
keys 3 delete hot --yes
says 'no key "hot"'

# At a terminal it asks; script(1) lends one.
if command -v script >/dev/null; then
	asked() { # WORD ARGUMENTS...: types WORD
		word=$1
		shift
		printf '%s\n' "$word" | script -qec "'$sentinel' keys $* --dir '$dir' --seal-key '$seal'" /dev/null >"$work/out" 2>&1
	}
	: >"$work/err"
	asked yes delete hex && fail "deleted another name"
	[ -e "$dir/hex.key" ] || fail "deleted without its name"
	asked hex delete hex || fail "did not delete"
	[ ! -e "$dir/hex.key" ] || fail "hex.key is still there"
fi

if [ $failed -ne 0 ]; then
	echo "$failed failed"
	exit 1
fi
