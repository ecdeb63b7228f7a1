// Package chance is where tests get random numbers from, so that each run can be
// repeated.
package chance

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// variable is the environment variable that repeats a run.
const variable = "HINTJIT_SEED"

// Rand returns the source of all chance in a test, and tells how to repeat it.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(Seed(t), 0))
}

// Seed returns the number that all chance in a test comes from: another one in
// each run, or the one that the environment says.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(variable); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
	}
	t.Logf("%s=%d", variable, seed)
	return seed
}
