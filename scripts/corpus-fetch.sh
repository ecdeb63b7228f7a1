#!/bin/bash
# Fetches the Debian packages that the tests in internal/corpus take BPF objects
# from: those of internal/corpus/testdata/packages.txt, each in one version and
# with one SHA-256.
#
#	scripts/corpus-fetch.sh
#
# All goes to one folder ($HINTJIT_CORPUS_CACHE, by default
# ~/.cache/hintjit/corpus), unpacked and not installed: apt-get works on lists and
# in folders of its own there. What is in the folder already is not fetched
# again. What can not be had (no network, no Debian, a version that the mirror
# has no more) is named, and the tests that want it are skipped; a package with
# another sum is an error.
set -euo pipefail

cd "$(dirname "$0")/.."
cache=${HINTJIT_CORPUS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hintjit/corpus}
table=internal/corpus/testdata/packages.txt

say() { echo "corpus-fetch: $*" >&2; }
leave() {
	say "$*: tests of its packages will be skipped"
	exit 0
}

# folder PACKAGE VERSION is where a package is unpacked: a colon is no part of a
# Go test's file names.
folder() { echo "$cache/$1_${2//:/-}"; }

rows() { grep -v '^#' "$table"; }

missing=
while read -r _ package version _; do
	[ -e "$(folder "$package" "$version")" ] || missing=yes
done < <(rows)
[ -n "$missing" ] || exit 0

for tool in apt-get dpkg-deb sha256sum; do
	command -v "$tool" >/dev/null || leave "no $tool here"
done

mkdir -p "$cache"
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,cache/archives/partial,debs}

# As in vm-fetch.sh: package lists that have nothing to do with the machine's.
apt() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" \
		-o Dir::Etc::preferencesparts=/dev/null -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User= -o Debug::NoLocking=1 \
		-o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# shellcheck disable=SC2016 # apt-get's variables
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
	awk '{ sub("/*$", "") } /\/debian$/ && !n++')
[ -n "$mirror" ] || leave "apt-get is not set up for a Debian mirror"
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
	"$mirror" "$(rows | cut -d' ' -f1 | sort -u | tr '\n' ' ')" \
	/usr/share/keyrings/debian-archive-keyring.gpg >"$work/sources/debian.sources"
apt update >&2 || leave "apt-get update failed"

while read -r _ package version sum _; do
	to=$(folder "$package" "$version")
	[ ! -e "$to" ] || continue
	rm -f "$work"/debs/*
	if ! (cd "$work/debs" && apt download "$package=$version" >&2); then
		say "$package $version can not be had (any more): left out"
		continue
	fi
	echo "$sum  $(echo "$work"/debs/*.deb)" | sha256sum --check --quiet >&2 || {
		say "$package $version is another file than the one in $table"
		exit 1
	}
	dpkg-deb --extract "$work"/debs/*.deb "$work/tree"
	rm -rf "$work"/tree/etc "$work"/tree/usr/share/{doc,man,locale}
	mv "$work/tree" "$to"
done < <(rows)
