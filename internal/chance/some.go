package chance

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
)

// all is the environment variable that has everything tried with everything.
const all = "HINTJIT_ALL"

// Some picks n of what a test could try, for one of many things that it is tried
// with. It is no chance: the same are picked in each run, another few for each such
// thing, and one that is new displaces few. With HINTJIT_ALL=1 it picks all.
func Some[T any](with string, from []T, n int) []T {
	if os.Getenv(all) != "" || n >= len(from) {
		return from
	}
	return ranked(with, from)[:n]
}

// Pick is the first that Some picks, whatever is tried.
func Pick[T any](with string, from []T) T { return ranked(with, from)[0] }

func ranked[T any](with string, from []T) []T {
	rank := func(x T) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s\n%v", with, x)
		return mixed(h.Sum64())
	}
	return slices.SortedStableFunc(slices.Values(from), func(a, b T) int { return cmp.Compare(rank(a), rank(b)) })
}

// mixed spreads what the last bytes did over all bits, which FNV does not: names
// often differ there only (SplitMix64).
func mixed(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
