#!/bin/sh
# The client's headers, each alone and in two units of one program, in C and C++, with every compiler there is.
# usage: headers.sh SOURCE-ROOT; exit 77 when there is no compiler.
set -eu

root=$1
client=$root/client
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
strict="-O2 -Wall -Wextra -Wpedantic -Werror"
failures=0
found=0

# Runs a compiler and counts a failure.
# usage: try WHAT COMMAND...
try() {
	what=$1
	shift
	if "$@"; then
		echo "ok      $what"
	else
		echo "FAILED  $what: $*"
		failures=$((failures + 1))
	fi
}

for header in sentinel sentinel_abi sentinel_atomic; do
	echo "#include \"$header.h\"" | tee "$out/$header.c" >"$out/$header.cc"
	echo "extern int nothing_$header;" >>"$out/$header.c"
done
cat >"$out/one.c" <<'END'
#include "sentinel.h"
int other(struct snt_session *s);
int main(void)
{
	struct snt_session s;
	int rc = snt_open(&s, "/nonexistent/sentinel.sock", 0);
	snt_close(&s);
	return rc == -ENOENT ? other(&s) : 1;
}
END
cat >"$out/two.c" <<'END'
#include "sentinel.h"
int other(struct snt_session *s);
int other(struct snt_session *s)
{
	struct snt_key key;
	return snt_key_find(s, "desk-1", &key) < 0 && snt_in_flight(s) == 0 ? 0 : 1;
}
END
cp "$out/one.c" "$out/one.cc"
cp "$out/two.c" "$out/two.cc"

# The README's program: the block of C that has a main().
if [ -r "$root/README.md" ]; then
	awk -v out="$out/readme.c" '
		/^```c$/ { inside = 1; text = ""; next }
		/^```/ { if (inside && text ~ /int main/) printf "%s", text > out; inside = 0; next }
		inside { text = text $0 "\n" }' "$root/README.md"
fi
if [ ! -s "$out/readme.c" ]; then
	echo "FAILED  README.md has no block of C with int main in it"
	failures=$((failures + 1))
fi

# usage: check COMPILER SUFFIX STANDARD...
check() {
	compiler=$1
	suffix=$2
	shift 2
	if ! command -v "$compiler" >/dev/null; then
		echo "missing $compiler"
		return
	fi
	found=$((found + 1))
	for standard in "$@"; do
		for header in sentinel sentinel_abi sentinel_atomic; do
			# shellcheck disable=SC2086 # a list of words
			try "$compiler -std=$standard $header.h" \
				"$compiler" -std="$standard" $strict -I"$client" -c "$out/$header.$suffix" -o "$out/alone.o"
		done
		# shellcheck disable=SC2086
		try "$compiler -std=$standard two units" \
			"$compiler" -std="$standard" $strict -I"$client" "$out/one.$suffix" "$out/two.$suffix" -o "$out/units"
		try "$compiler -std=$standard two units, run" "$out/units"
		if [ "$suffix" = c ] && [ -s "$out/readme.c" ]; then
			# shellcheck disable=SC2086
			try "$compiler -std=$standard README.md" \
				"$compiler" -std="$standard" $strict -I"$client" "$out/readme.c" -o "$out/readme"
		fi
	done
}

check gcc c c11 gnu11
check clang c c11 gnu11
check g++ cc c++17
check clang++ cc c++17

if [ "$found" -eq 0 ]; then
	echo "no compiler to check with"
	exit 77
fi
[ "$failures" -eq 0 ]
