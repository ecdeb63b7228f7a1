#!/bin/bash
# Fetches what the tests in internal/vm boot: QEMU, when the machine has none
# with an igb NIC, and Debian kernels, each the newest of a series.
#
#	scripts/vm-fetch.sh [SERIES...]		for example 6.12, or 7 for the newest 7.x
#
# All goes to one folder ($HINTJIT_VM_CACHE, by default ~/.cache/hintjit/vm), and
# nothing is installed: apt-get works on lists and in folders of its own there.
# What is in the folder already is not fetched again; remove kernels/SERIES to
# get a newer one. A series that Debian no longer has is named and left out.
set -euo pipefail

cache=${HINTJIT_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hintjit/vm}
if [ $# -eq 0 ]; then
	set -- 6.1 6.12 6.17 6.18 7
fi

# Where kernels of all these series are: the old ones in bookworm and its
# updates, the new ones in backports of trixie.
kernel_suites='bookworm bookworm-backports trixie-backports'
kernel_security='bookworm-security'

say() { echo "vm-fetch: $*" >&2; }
die() {
	say "$*"
	exit 1
}

need_tools() {
	local tool missing=
	for tool in apt-get apt-cache dpkg-deb xz zstd gzip od; do
		command -v "$tool" >/dev/null || missing+=" $tool"
	done
	[ -z "$missing" ] || die "needs$missing: on Debian, make deps; elsewhere there is nothing to fetch with"
	[ "$(uname -m)" = x86_64 ] || die "kernels and NICs are those of amd64, and this is $(uname -m)"
}

# mirror NAME is the address of the repository (debian, debian-security) that
# this machine is set up to use.
mirror() {
	# shellcheck disable=SC2016 # apt-get's variables
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
		awk -v end="/$1\$" '{ sub("/*$", "") } $0 ~ end && !n++'
}

# apt ROOM COMMAND... runs apt-get or apt-cache on the package lists of one room,
# a folder with sources that have nothing to do with the machine's. It knows what
# is installed, and can not change it.
apt() {
	local room=$work/$1 command=$2
	shift 2
	"$command" -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$room/sources" \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::Lists="$room/lists" -o Dir::Cache="$room/cache" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User= -o Debug::NoLocking=1 \
		-o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# open_room ROOM SUITES SECURITY-SUITES gets package lists.
open_room() {
	local room=$work/$1 main security
	main=$(mirror debian)
	security=$(mirror debian-security)
	[ -n "$main" ] || die "apt-get is not set up for a Debian mirror here (apt-get indextargets names none)"
	mkdir -p "$room"/{sources,lists/partial,cache/archives/partial}
	{
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$main" "$2"
		printf 'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n'
		[ -z "$security" ] ||
			printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
				"$security" "$3" /usr/share/keyrings/debian-archive-keyring.gpg
	} >"$room/sources/debian.sources"
	apt "$1" apt-get update >&2 || die "apt-get update failed; is there a network?"
}

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

# newest SERIES is the version of a series' newest kernel, as in package names.
# The flavours cloud (without igb) and rt have a word more before amd64.
newest() {
	apt kernels apt-cache pkgnames linux- |
		sed -nE "s/^linux-(image|binary)-(${1//./\\.}\\.[0-9][^-]*(-[0-9]+)?)-amd64(-unsigned)?\$/\\2/p" |
		sort -Vu | tail -n 1
}

# packages VERSION are those that an image and its modules are spread over: one
# up to 6.18, later also linux-binary, linux-modules and linux-base. Unsigned will
# do.
packages() {
	local name all signed
	all=$(apt kernels apt-cache pkgnames linux- | grep -F -- "-$1-amd64" || true)
	for name in linux-image linux-base linux-binary linux-modules; do
		signed=$(grep -Fx "$name-$1-amd64" <<<"$all" || true)
		[ -n "$signed" ] || signed=$(grep -Fx "$name-$1-amd64-unsigned" <<<"$all" || true)
		[ -z "$signed" ] || echo "$signed"
	done
}

# number FILE OFFSET SIZE reads a little-endian number.
number() { od -An -v -tu"$3" -j"$2" -N"$3" --endian=little "$1" | tr -d ' '; }

# vmlinux BZIMAGE writes the kernel that is packed in an image: QEMU starts it
# without running the unpacker in emulation, which takes 1.5 s. Offsets are those
# of Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
# The payload ends with 4 bytes for its unpacked size.
vmlinux() {
	local start length magic
	start=$((($(number "$1" 0x1f1 1) + 1) * 512 + $(number "$1" 0x248 4)))
	length=$(number "$1" 0x24c 4)
	magic=$(od -An -tx1 -j"$start" -N4 "$1" | tr -d ' ')
	local unpack
	case $magic in
	28b52ffd) unpack='zstd -d' ;;
	fd377a58) unpack='xz -d' ;;
	1f8b*) unpack='gzip -d' ;;
	*) die "the kernel in $1 is packed in a way that is not known here (it begins with $magic)" ;;
	esac
	dd if="$1" iflag=skip_bytes,count_bytes skip="$start" count=$((length - 4)) bs=1M status=none | $unpack
}

fetch_kernel() {
	local series=$1 version names image modules tree=$work/tree-$1 new=$work/new-$1 deb
	if [ -e "$cache/kernels/$series" ]; then
		return
	fi
	[ -e "$work/kernels" ] || open_room kernels "$kernel_suites" "$kernel_security"
	version=$(newest "$series")
	if [ -z "$version" ]; then
		say "kernel $series: Debian has none (any more) in $kernel_suites: left out"
		return
	fi
	say "kernel $series: fetching $version"
	mkdir -p "$tree/debs" "$new"
	names=$(packages "$version")
	# shellcheck disable=SC2086 # a list of words
	(cd "$tree/debs" && apt kernels apt-get download $names >&2)
	for deb in "$tree"/debs/*.deb; do
		dpkg-deb --extract "$deb" "$tree"
	done
	image=$(find "$tree" -type f -name 'vmlinuz*')
	[ -f "$image" ] || die "kernel $version: no kernel image in the packages $names"
	vmlinux "$image" >"$new/vmlinux"
	modules=$(find "$tree" -path '*/lib/modules/*/kernel' -prune)
	# What no NIC needs is three quarters of it.
	rm -rf "$modules"/{fs,sound} \
		"$modules"/drivers/{gpu,media,net/wireless,staging,iio,usb,scsi,hid,input,video,target,mtd,ata,hwmon,isdn,md}
	mv "$modules" "$new/modules"
	find "$tree" -name modules.builtin -exec mv {} "$new/" ';'
	[ -e "$new/modules.builtin" ] || die "kernel $version: no modules.builtin in the packages $names"
	echo "$version" >"$new/version"
	rm -rf "$tree"
	mv "$new" "$cache/kernels/$series"
}

mkdir -p "$cache/kernels"
work=$cache/work.$$
trap 'rm -rf "$work"' EXIT
mkdir "$work"
need_tools
fetch_qemu
have=0
for series; do
	fetch_kernel "$series"
	[ ! -e "$cache/kernels/$series" ] || have=$((have + 1))
done
[ "$have" -gt 0 ] || die "none of the kernels asked for can be had: $*"
