// Command gotest runs go test, with the race detector where it can, and prints
// what a person wants to know: the packages, the output of what failed, and at
// the end which tests were skipped and why. go test alone shows skipped tests
// only among everything else (-v), so that a machine without root or BPF looks
// as if it had tested all.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

func main() {
	err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	// Results are not taken from the cache: they depend on the kernel and on tools,
	// of which go knows nothing.
	args = append([]string{"test", "-json", "-count=1"}, args...)
	if why := noRace(); why != "" {
		fmt.Println("note: without the race detector:", why)
	} else {
		args = slices.Insert(args, 2, "-race")
	}
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := newReport(os.Stdout)
	if err := r.read(events); err != nil {
		return err
	}
	r.finish()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go test: %w", err)
	}
	return nil
}

// noRace says why the race detector can not be had: it is linked by cgo.
func noRace() string {
	out, err := exec.Command("go", "env", "CGO_ENABLED", "CC").Output()
	if err != nil {
		return err.Error()
	}
	enabled, compiler, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if enabled != "1" {
		return "cgo is off"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		return "no C compiler: " + err.Error()
	}
	return ""
}

// event is what go test -json prints a line of (go doc test2json, go help
// buildjson).
type event struct {
	Action, Package, Test, Output string
}

type test struct{ pkg, name string }

// report prints events as they come and keeps what is said at the end.
type report struct {
	out     io.Writer
	output  map[test][]string // of tests that still run
	skipped map[string][]test // by reason
	count   map[string]int    // by action
}

func newReport(out io.Writer) *report {
	return &report{out, map[test][]string{}, map[string][]test{}, map[string]int{}}
}

func (r *report) read(events io.Reader) error {
	in := bufio.NewReader(events)
	for {
		line, err := in.ReadBytes('\n')
		var e event
		if json.Unmarshal(line, &e) == nil {
			r.add(e)
		} else {
			_, _ = r.out.Write(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	t := test{e.Package, e.Test}
	switch {
	case e.Action == "build-output":
		fmt.Fprint(r.out, e.Output)
	case e.Test == "":
		if e.Action == "output" && e.Output != "PASS\n" {
			fmt.Fprint(r.out, e.Output)
		}
	case e.Action == "output" && strings.HasPrefix(e.Output, "=== "):
		// says which test the lines after it belong to, as e.Test does
	case e.Action == "output":
		r.output[t] = append(r.output[t], e.Output)
	case e.Action == "fail":
		fmt.Fprint(r.out, strings.Join(r.output[t], ""))
		r.end(t, e.Action)
	case e.Action == "skip":
		why := reason(r.output[t])
		r.skipped[why] = append(r.skipped[why], t)
		r.end(t, e.Action)
	case e.Action == "pass":
		r.end(t, e.Action)
	}
}

func (r *report) end(t test, action string) {
	delete(r.output, t)
	r.count[action]++
}

// place is what testing puts before a logged line.
var place = regexp.MustCompile(`^\S+\.go:\d+: `)

// reason is the last line that a skipped test logged.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- ") {
			continue
		}
		return place.ReplaceAllString(line, "")
	}
	return "no reason given"
}

// finish prints the skipped tests by reason, and the counts.
func (r *report) finish() {
	reasons := make([]string, 0, len(r.skipped))
	for why := range r.skipped {
		reasons = append(reasons, why)
	}
	slices.Sort(reasons)
	for _, why := range reasons {
		fmt.Fprintf(r.out, "\nskipped: %s\n", why)
		for _, t := range r.skipped[why] {
			fmt.Fprintf(r.out, "  %s %s\n", t.pkg, t.name)
		}
	}
	fmt.Fprintf(r.out, "\n%d passed, %d failed, %d skipped\n",
		r.count["pass"], r.count["fail"], r.count["skip"])
}
