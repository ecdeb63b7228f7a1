#!/bin/sh
# Installs what the tests use beyond Go and make, on Debian and its relatives.
# Only what is missing, and only as root; otherwise it says what is missing and
# goes on: tests that need it are then skipped and listed with the reason.
set -eu

# One line a tool: what has to be there, and the package that brings it.
tools='
clang-19      clang-19
llvm-strip-19 llvm-19
llvm-objdump-19 llvm-19
bpftool       bpftool
ip            iproute2
xdp-loader    xdp-tools
gcc           gcc
xz            xz-utils
zstd          zstd
git           git
'
# Headers: examples are also compiled with the system's own.
files='
/usr/include/bpf/bpf_helpers.h libbpf-dev
/usr/include/linux/bpf.h       linux-libc-dev
/usr/include/stdlib.h          libc6-dev
'

# bpftool, ip and xdp-loader are in sbin, which a plain user's PATH may lack.
PATH="$PATH:/usr/sbin:/sbin"

missing_packages() {
	echo "$tools" | while read -r tool package; do
		[ -z "$tool" ] || command -v "$tool" >/dev/null || echo "$package"
	done
	echo "$files" | while read -r file package; do
		[ -z "$file" ] || [ -e "$file" ] || echo "$package"
	done
}

packages=$(missing_packages | sort -u | tr '\n' ' ')
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "deps: missing, and this is no Debian: ${packages}(by their names there)" >&2
	exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: some tests will be skipped; to install what they need: sudo apt-get install ${packages}" >&2
	exit 0
fi
echo "deps: installing ${packages}" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends $packages; } >&2; then
	echo "deps: could not install ${packages}; some tests will be skipped" >&2
fi
