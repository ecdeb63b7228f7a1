# Debian's kernels, and packages of other rooms than the machine's: what
# vm-fetch.sh and kernel-types.sh have in common, to be sourced.
#
# All goes to one folder ($HINTJIT_VM_CACHE, by default ~/.cache/hintjit/vm), and
# nothing is installed: apt-get works on lists and in folders of its own there.
# What is in the folder already is not fetched again; remove kernels/SERIES
# (kernels-arm64/SERIES) to get a newer one. A series that Debian no longer has is
# named and left out.
# shellcheck shell=bash

cache=${HINTJIT_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hintjit/vm}
work=$cache/work.$$

# Where kernels of all series are: the old ones in bookworm and its updates, the
# new ones in backports of trixie.
kernel_suites='bookworm bookworm-backports trixie-backports'
kernel_security='bookworm-security'

say() { echo "$(basename "$0" .sh): $*" >&2; }
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
}

# make_work makes the folder that what is under way lies in, until the script ends.
make_work() {
	mkdir -p "$cache"
	trap 'rm -rf "$work"' EXIT
	mkdir "$work"
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
# is installed, and can not change it. A room named NAME-arm64 has the packages of
# that architecture, any other those of amd64.
apt() {
	local room=$work/$1 command=$2 arch=amd64
	[[ $1 != *-arm64 ]] || arch=arm64
	shift 2
	"$command" -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$room/sources" \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::Lists="$room/lists" -o Dir::Cache="$room/cache" \
		-o APT::Architecture=$arch -o APT::Architectures=$arch -o APT::Sandbox::User= -o Debug::NoLocking=1 \
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

# newest SERIES ARCH is the version of a series' newest kernel, as in package
# names. The flavours cloud (without igb) and rt have a word more before the
# architecture.
newest() {
	apt "kernels-$2" apt-cache pkgnames linux- |
		sed -nE "s/^linux-(image|binary)-(${1//./\\.}\\.[0-9][^-]*(-[0-9]+)?)-$2(-unsigned)?\$/\\2/p" |
		sort -Vu | tail -n 1
}

# packages VERSION ARCH are those that an image and its modules are spread over:
# one up to 6.18, later also linux-binary, linux-modules and linux-base. Unsigned
# will do.
packages() {
	local name all signed
	all=$(apt "kernels-$2" apt-cache pkgnames linux- | grep -F -- "-$1-$2" || true)
	for name in linux-image linux-base linux-binary linux-modules; do
		signed=$(grep -Fx "$name-$1-$2" <<<"$all" || true)
		[ -n "$signed" ] || signed=$(grep -Fx "$name-$1-$2-unsigned" <<<"$all" || true)
		[ -z "$signed" ] || echo "$signed"
	done
}

# number FILE OFFSET SIZE reads a little-endian number.
number() { od -An -v -tu"$3" -j"$2" -N"$3" --endian=little "$1" | tr -d ' '; }

# vmlinux BZIMAGE, of amd64, writes the kernel that is packed in an image: QEMU starts it
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

# arm64_image IMAGE writes a kernel of arm64: what Debian has in vmlinuz is the Image
# of Documentation/arch/arm64/booting.rst as it is, not packed.
arm64_image() {
	[ "$(dd if="$1" iflag=skip_bytes skip=56 bs=4 count=1 status=none)" = ARMd ] ||
		die "the kernel in $1 is no Image of arm64: packed in a way that is not known here"
	cat "$1"
}

# kernels_of ARCH is the folder that fetch_kernel puts kernels of an architecture in.
kernels_of() { [ "$1" = amd64 ] && echo "$cache/kernels" || echo "$cache/kernels-$1"; }

# fetch_kernel SERIES ARCH gets the newest kernel of a series: its image, unpacked
# (vmlinux), its modules and version.
fetch_kernel() {
	local series=$1 arch=$2 to version names image modules tree=$work/tree-$1-$2 new=$work/new-$1-$2 deb
	to=$(kernels_of "$arch")
	if [ -e "$to/$series" ]; then
		return
	fi
	[ -e "$work/kernels-$arch" ] || open_room "kernels-$arch" "$kernel_suites" "$kernel_security"
	version=$(newest "$series" "$arch")
	if [ -z "$version" ]; then
		say "kernel $series, $arch: Debian has none (any more) in $kernel_suites: left out"
		return
	fi
	say "kernel $series, $arch: fetching $version"
	mkdir -p "$tree/debs" "$new" "$to"
	names=$(packages "$version" "$arch")
	# shellcheck disable=SC2086 # a list of words
	(cd "$tree/debs" && apt "kernels-$arch" apt-get download $names >&2)
	for deb in "$tree"/debs/*.deb; do
		dpkg-deb --extract "$deb" "$tree"
	done
	image=$(find "$tree" -type f -name 'vmlinuz*')
	[ -f "$image" ] || die "kernel $version: no kernel image in the packages $names"
	if [ "$arch" = amd64 ]; then
		vmlinux "$image" >"$new/vmlinux"
	else
		arm64_image "$image" >"$new/vmlinux"
	fi
	modules=$(find "$tree" -path '*/lib/modules/*/kernel' -prune)
	# What no NIC needs is three quarters of it.
	rm -rf "$modules"/{fs,sound} \
		"$modules"/drivers/{gpu,media,net/wireless,staging,iio,usb,scsi,hid,input,video,target,ata,hwmon,isdn,md}
	mv "$modules" "$new/modules"
	find "$tree" -name modules.builtin -exec mv {} "$new/" ';'
	[ -e "$new/modules.builtin" ] || die "kernel $version: no modules.builtin in the packages $names"
	echo "$version" >"$new/version"
	rm -rf "$tree"
	mv "$new" "$to/$series"
}
