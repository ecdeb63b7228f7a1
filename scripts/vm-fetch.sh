#!/bin/bash
# Fetches what the tests in internal/vm boot: QEMU, when the machine has none
# with an igb NIC, and Debian kernels, each the newest of a series.
#
#	scripts/vm-fetch.sh [SERIES...]		for example 6.12, or 7 for the newest 7.x
#
# debian-kernels.sh says where to.
set -euo pipefail

# shellcheck source=scripts/debian-kernels.sh
. "$(dirname "$0")/debian-kernels.sh"
if [ $# -eq 0 ]; then
	set -- 6.1 6.12 6.17 6.18 7
fi

# Not grep -q: that ends early, and then QEMU fails at writing.
has_igb() { "$@" -device help 2>/dev/null | grep '^name "igb"' >/dev/null; }

# QEMU got igb with version 8.0. An older release of Debian has it in backports;
# it is unpacked there with the libraries that the machine lacks.
fetch_qemu() {
	if has_igb qemu-system-x86_64 || [ -e "$cache/qemu" ]; then
		return
	fi
	local release new=$work/qemu-new deb
	release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$release" ] ||
		die "no QEMU with igb here, nor a Debian by /etc/os-release: install qemu-system-x86, 8.0 or later"
	say "fetching QEMU"
	open_room qemu "$release $release-updates $release-backports" "$release-security"
	apt qemu apt-get install --yes --download-only --no-install-recommends \
		--target-release "$release-backports" qemu-system-x86 >&2
	mkdir -p "$new"
	for deb in "$work"/qemu/cache/archives/*.deb; do
		dpkg-deb --extract "$deb" "$new"
	done
	if [ -d "$new/lib" ]; then # of packages from before Debian merged it into /usr/lib
		cp -a "$new/lib/." "$new/usr/lib/"
		rm -rf "$new/lib"
	fi
	rm -rf "$new"/etc "$new"/usr/share/{doc,man,locale,bash-completion}
	# As internal/vm starts it.
	has_igb env LD_LIBRARY_PATH="$new/usr/lib/x86_64-linux-gnu" \
		QEMU_MODULE_DIR="$new/usr/lib/x86_64-linux-gnu/qemu" "$new/usr/bin/qemu-system-x86_64" ||
		die "the QEMU of $release-backports does not start here, or has no igb: install qemu-system-x86, 8.0 or later"
	mv "$new" "$cache/qemu"
}

need_tools
[ "$(uname -m)" = x86_64 ] || die "kernels and NICs are those of amd64, and this is $(uname -m)"
make_work
fetch_qemu
have=0
for series; do
	fetch_kernel "$series" amd64
	[ ! -e "$cache/kernels/$series" ] || have=$((have + 1))
done
[ "$have" -gt 0 ] || die "none of the kernels asked for can be had: $*"
