# Shared by quickstart and check: the packages the project needs, and how to get them. Sourced, not run.
# shellcheck shell=sh disable=SC2034

# Debian's names. What the build needs:
build_packages="gcc libc6-dev meson ninja-build pkg-config libsecp256k1-dev libhwloc-dev libsodium-dev libseccomp-dev
libinih-dev"
# What scripts/check cannot do without, and what it skips tests for:
check_packages="libcriterion-dev clang libclang-rt-dev g++"
optional_packages="libck-dev libdpdk-dev valgrind strace mandoc"

step() {
	printf '%s: %s\n' "${0##*/}" "$*"
}

# Runs a command with its output in a file; shows the file's end only when the command fails.
# usage: logged FILE COMMAND...
logged() {
	log=$1
	shift
	"$@" >"$log" 2>&1 && return 0
	status=$?
	tail -n 60 "$log"
	return "$status"
}

# Whether what a package brings is there, wherever it came from: other systems name their packages otherwise.
present() {
	case $1 in
	ninja-build) command -v ninja ;;
	libc6-dev) echo '#include <stdio.h>' | gcc -E - ;;
	libclang-rt-dev) ls "$(clang -print-resource-dir)"/lib/*/libclang_rt.fuzzer*.a ;;
	libsecp256k1-dev | libsodium-dev | libseccomp-dev | libdpdk-dev) pkg-config --exists "${1%-dev}" ;;
	lib*-dev)
		name=${1#lib}
		pkg-config --exists "${name%-dev}"
		;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

# Installs those of the packages that are missing. Fails, and names them, when it cannot.
# usage: need PACKAGE...
need() {
	missing=
	for package in "$@"; do
		present "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null; then
		step "missing, by Debian's names:$missing. Install what this system calls them, then run again."
		return 1
	fi
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif command -v sudo >/dev/null; then
		as_root=sudo
	else
		step "missing:$missing. Become root and run: apt-get install$missing"
		return 1
	fi
	step "installing$missing"
	# shellcheck disable=SC2086 # lists of words
	if ! { $as_root apt-get -qq update && $as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y --no-install-recommends install $missing >/dev/null; }; then
		step "apt-get could not install:$missing. Its message is above; install them, then run again."
		return 1
	fi
}
