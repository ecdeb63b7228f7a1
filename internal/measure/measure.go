// Package measure times things side by side, and puts what came of it into
// docs/performance.md. Times by themselves say little on a machine that does
// other things as well; what is kept is the ratio of two contenders that took
// turns.
package measure

import (
	"fmt"
	"slices"
)

// A Contender is one of the things that are timed together. Run does it once, as
// often as a figure takes, and returns what it took in any unit that all
// contenders share, such as ns a packet.
type Contender struct {
	Name string
	Run  func() (float64, error)
}

// Samples are the figures of one contender, one a round.
type Samples []float64

// Interleave runs every contender once in each round, each time another one
// first, so that nobody always finds the caches as the same one left them. A
// round before the first is not counted.
func Interleave(rounds int, contenders []Contender) ([]Samples, error) {
	out := make([]Samples, len(contenders))
	for round := -1; round < rounds; round++ {
		for k := range contenders {
			i := (k + round + 1) % len(contenders)
			v, err := contenders[i].Run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contenders[i].Name, err)
			}
			if round >= 0 {
				out[i] = append(out[i], v)
			}
		}
	}
	return out, nil
}

// Spread is a median, and the quartiles beside it.
type Spread struct{ Low, Median, High float64 }

func (s Spread) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", s.Median, s.Low, s.High) }

// Spread returns the quartiles of the samples; there has to be one.
func (s Samples) Spread() Spread {
	sorted := slices.Sorted(slices.Values(s))
	at := func(quarter int) float64 { return sorted[(len(sorted)-1)*quarter/4] }
	return Spread{at(1), at(2), at(3)}
}

// Per divides round by round: what two contenders took of the same moment.
func (s Samples) Per(o Samples) Samples {
	return s.with(o, func(a, b float64) float64 { return a / b })
}

// Above subtracts round by round.
func (s Samples) Above(o Samples) Samples {
	return s.with(o, func(a, b float64) float64 { return a - b })
}

func (s Samples) with(o Samples, f func(a, b float64) float64) Samples {
	out := make(Samples, len(s))
	for i := range s {
		out[i] = f(s[i], o[i])
	}
	return out
}
