// Command mutate shows what the checks of hintjit are worth: it plants the
// faults of faults.yaml in the passes, one at a time, builds the command with
// each, and lets that command verify its own rewrites of the examples and of the
// shapes that the tests have (hintjit verify). A fault that no check sees is a
// survivor, and an error.
//
//	go run ./scripts/mutate              all faults
//	go run ./scripts/mutate -only slot   those whose class or name matches
//	go run ./scripts/mutate -random 50   others, made by chance, whose survivors
//	                                     are for a person to judge
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v4"
)

func main() {
	only := flag.String("only", "", "plant only the faults whose class or name matches this `REGEXP`")
	jobs := flag.Int("jobs", 2, "try so many faults at a time")
	random := flag.Int("random", 0, "plant `N` faults made by chance instead")
	seed := flag.Uint64("seed", 1, "of chance")
	flag.Parse()
	faults, err := readFaults("scripts/mutate/faults.yaml", *only)
	if *random > 0 {
		faults, err = randomFaults(*seed, *random)
	}
	if err == nil {
		err = run(faults, *jobs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// fault is a mistake to plant.
type fault struct {
	Name, Class, File string
	Old, New          string
	at                int // bytes from the file's start

	verdict verdict
}

func run(faults []*fault, jobs int) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cases, err := prepare(dir)
	if err != nil {
		return err
	}
	honest := filepath.Join(dir, "hintjit")
	if err := build(honest, ""); err != nil {
		return err
	}
	cases, err = verified(honest, cases, jobs)
	if err != nil {
		return err
	}
	fmt.Printf("%d faults, each tried on up to %d rewrites\n", len(faults), len(cases))
	tryAll(dir, faults, cases, jobs)
	return tell(faults)
}

// readFaults reads the table, and holds it against the sources: a fault whose
// place has changed would be planted nowhere, and seem harmless.
func readFaults(file, only string) ([]*fault, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all, chosen []*fault
	if err := yaml.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		source, err := os.ReadFile(f.File)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", f.Name, err)
		}
		if n := bytes.Count(source, []byte(f.Old)); n != 1 {
			return nil, fmt.Errorf("fault %q: its place stands %d times in %s, want once: change faults.yaml with the code", f.Name, n, f.File)
		}
		f.at = bytes.Index(source, []byte(f.Old))
		if match.MatchString(f.Class) || match.MatchString(f.Name) {
			chosen = append(chosen, f)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no fault matches %q", only)
	}
	return chosen, nil
}

// verified leaves the rewrites that the command without a fault can verify: some
// shapes are not for every NIC, or use what the interpreter does not have.
func verified(honest string, cases []testCase, jobs int) ([]testCase, error) {
	ok := make([]bool, len(cases))
	var wrong error
	var group sync.WaitGroup
	var mu sync.Mutex
	next := make(chan int)
	for range jobs {
		group.Go(func() {
			for i := range next {
				v := judge(honest, cases[i:i+1])
				ok[i] = v.by == "" && v.err == nil
				if v.by == checked || v.by == differs {
					mu.Lock()
					wrong = fmt.Errorf("without a fault, too: hintjit %s\n%s", v.with, v.said)
					mu.Unlock()
				}
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	group.Wait()
	var left []testCase
	for i, c := range cases {
		if ok[i] {
			left = append(left, c)
		}
	}
	return left, wrong
}

func tryAll(dir string, faults []*fault, cases []testCase, jobs int) {
	var group sync.WaitGroup
	next := make(chan *fault)
	for range jobs {
		group.Go(func() {
			for f := range next {
				f.verdict = try(dir, f, cases)
				fmt.Printf("%-14s %-11s %s\n", f.verdict.short(), f.Class, f.Name)
			}
		})
	}
	for _, f := range faults {
		next <- f
	}
	close(next)
	group.Wait()
}

// try builds the command with a fault and judges it.
func try(dir string, f *fault, cases []testCase) verdict {
	own, err := os.MkdirTemp(dir, "fault")
	if err != nil {
		return verdict{err: err}
	}
	defer func() { _ = os.RemoveAll(own) }()
	overlay, err := plant(own, f)
	if err != nil {
		return verdict{err: err}
	}
	binary := filepath.Join(own, "hintjit")
	if err := build(binary, overlay); err != nil {
		return verdict{err: err}
	}
	return judge(binary, cases)
}

// plant writes the changed file and the overlay that puts it in the place of the
// true one.
func plant(dir string, f *fault) (overlay string, err error) {
	source, err := os.ReadFile(f.File)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(f.File))
	with := slices.Concat(source[:f.at], []byte(f.New), source[f.at+len(f.Old):])
	if err := os.WriteFile(changed, with, 0o600); err != nil {
		return "", err
	}
	true, err := filepath.Abs(f.File)
	if err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {true: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

func build(binary, overlay string) error {
	args := []string{"build", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	out, err := exec.Command("go", append(args, "./cmd/hintjit")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// verdict is what became of a fault.
type verdict struct {
	by   string // which check saw it; "": none
	with string // on which rewrite
	said string
	err  error // it could not be tried
}

func (v verdict) short() string {
	switch {
	case v.err != nil:
		return "NOT TRIED"
	case v.by == "":
		return "SURVIVES"
	}
	return v.by
}

// tooLong ends a command that a fault keeps from ending.
const tooLong = 2 * time.Minute

// judge lets a command verify its own rewrites until it has doubts.
func judge(binary string, cases []testCase) verdict {
	for _, c := range cases {
		ctx, cancel := context.WithTimeout(context.Background(), tooLong)
		out, err := exec.CommandContext(ctx, binary, c.args...).CombinedOutput()
		late := ctx.Err() != nil
		cancel()
		v := verdict{with: strings.Join(c.args, " "), said: string(out)}
		var exit *exec.ExitError
		switch {
		case err == nil:
			continue
		case late:
			v.by = "never ends"
		case errors.As(err, &exit):
			v.by = whoSaw(v.said)
		default:
			return verdict{err: err}
		}
		return v
	}
	return verdict{}
}

// tell prints the table and what is left to do.
func tell(faults []*fault) error {
	seen := map[string]map[string]int{} // class -> check -> faults
	var classes, checks []string
	var bad []string
	for _, f := range faults {
		switch {
		case f.Class == byChance: // may not compile, and may change nothing
		case f.verdict.err != nil:
			bad = append(bad, fmt.Sprintf("fault %q can not be tried: %v", f.Name, f.verdict.err))
		case f.verdict.by == "":
			bad = append(bad, fmt.Sprintf("fault %q survives", f.Name))
		}
		if seen[f.Class] == nil {
			seen[f.Class] = map[string]int{}
			classes = append(classes, f.Class)
		}
		by := f.verdict.short()
		if !slices.Contains(checks, by) {
			checks = append(checks, by)
		}
		seen[f.Class][by]++
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nfaults\t%s\t\n", strings.Join(checks, "\t"))
	for _, class := range classes {
		fmt.Fprintf(w, "%s\t", class)
		for _, check := range checks {
			fmt.Fprintf(w, "%d\t", seen[class][check])
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, "\n"))
	}
	return nil
}

// What a command that doubts a rewrite says, the first that fits.
const (
	checked = "check"
	differs = "runs"
)

var signs = []struct{ by, sign string }{
	{"crash", "goroutine "},
	{checked, "breaks a rule"},
	{"proof", "DIFFERS, as the proof shows"},
	{differs, "DIFFERS"},
}

// whoSaw tells which check refused.
func whoSaw(said string) string {
	for _, s := range signs {
		if strings.Contains(said, s.sign) {
			return s.by
		}
	}
	return "refusal"
}
