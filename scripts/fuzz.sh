#!/bin/bash
# Runs every fuzz target of the module, one after the other, each for as long as
# the argument says. What one finds is written to testdata/fuzz beside the target,
# and go test tries it again from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?how long for each target, as 30s}
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

failed=()
while IFS=: read -r file target; do
	target=${target#func }
	package=$(dirname "$file")
	# Left to itself, the engine spends a minute on making each input smaller that
	# reaches something new.
	if "$go" test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$seconds" -fuzzminimizetime 20x >"$log" 2>&1; then
		printf 'fuzz: %-20s %-22s %s\n' "$package" "$target" "$(grep -o 'execs: [0-9]*' "$log" | tail -1)"
		continue
	fi
	if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
		echo "fuzz: $package $target: out of time" # of the engine itself, golang.org/issue/48591
		continue
	fi
	cat "$log"
	input=$(sed -n 's/^ *Failing input written to //p' "$log")
	failed+=("$package $target: ${input:+$package/$input}")
done < <(grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort -u)

for f in "${failed[@]}"; do
	echo "fuzz: failed: $f" >&2
done
[ ${#failed[@]} -eq 0 ]
