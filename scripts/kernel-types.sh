#!/bin/bash
# Makes internal/kernel/testdata anew: of each Debian kernel the types that walks of
# today's layouts name (scripts/kernel-types), and the list of the network modules
# that it has. Kernels are fetched when they are not there (debian-kernels.sh), about
# 100 MB each.
#
#	scripts/kernel-types.sh
#
# A folder is named by version, debian-6.12.117 or, for the drivers that only arm64
# has, debian-6.12.117-arm64. When a series moved on, the older folder goes, and
# tests that name it (grep) want the new name.
set -euo pipefail

cd "$(dirname "$0")/.."
# shellcheck source=scripts/debian-kernels.sh
. scripts/debian-kernels.sh

out=internal/kernel/testdata

need_tools
make_work
for series in 6.12 6.18 7; do
	beside=
	for arch in amd64 arm64; do
		fetch_kernel "$series" "$arch"
		from=$(kernels_of "$arch")/$series
		if [ ! -e "$from" ]; then
			continue 2 # the older types are better than none
		fi
		new=$work/types/debian-$(cut -d+ -f1 "$from/version")
		[ "$arch" = amd64 ] || new+=-$arch
		${GO:-go} run ./scripts/kernel-types "$from/vmlinux" "$from/modules" "$new" $beside
		beside=$new
	done
	rm -rf "$out/debian-$series".*
	mv "$work/types"/* "$out/"
done
