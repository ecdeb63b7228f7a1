package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// testCase is a rewrite that is verified.
type testCase struct{ args []string }

// targets are what the examples are rewritten for, and the shapes in turn: words of every size and
// byte order, value maps, several alternatives, walks of every kind.
var targets = []struct{ nic, reach string }{
	{"i40e", "meta"}, {"mlx5_core", "meta"}, {"ice", "walk"}, {"igb", "meta"},
	{"mlx5_core", "walk"}, {"i40e", "walk"}, {"ixgbe", "meta"}, {"virtio_net", "walk"},
	{"ice", "meta"}, {"veth", "walk"}, {"vmxnet3", "walk"}, {"igb", "walk"},
}

// machines are what the shapes are compiled for: with the newest instructions,
// and with the oldest that hintjit's examples are in.
var machines = []struct{ order, cpu string }{{"el", "v4"}, {"eb", "v3"}}

// everyHint is the layout of a NIC that gives every hint, in every way there is.
const everyHint = "rewrite/testdata/invented.yaml"

// prepare compiles the shapes and lists what is to be verified: first what is
// likely to show a fault.
func prepare(dir string) ([]testCase, error) {
	shapes, err := filepath.Glob("rewrite/testdata/shapes/*.c")
	if err != nil || len(shapes) == 0 {
		return nil, fmt.Errorf("no shapes in rewrite/testdata/shapes: %w", err)
	}
	var cases, rest []testCase
	verify := func(object string, target ...string) testCase {
		return testCase{append([]string{"verify", object, "--runs", "100"}, target...)}
	}
	forNIC := func(object string, n int) testCase {
		t := targets[n%len(targets)]
		return verify(object, "--nic", t.nic, "--reach", t.reach)
	}
	for n, source := range shapes {
		for k, machine := range machines {
			object := filepath.Join(dir, name(source)+"."+machine.order+".o")
			if err := compile(source, object, machine.order, machine.cpu); err != nil {
				return nil, err
			}
			if k == 0 {
				cases = append(cases, verify(object, "--layout", everyHint))
			}
			rest = append(rest, forNIC(object, n+5*k))
		}
	}
	examples, err := filepath.Glob("bpf/examples/*.o")
	if err != nil {
		return nil, err
	}
	for _, object := range examples {
		for n := range targets {
			cases = append(cases, forNIC(object, n))
		}
	}
	return append(cases, rest...), nil
}

func name(source string) string { return strings.TrimSuffix(filepath.Base(source), ".c") }

func compile(source, object, order, cpu string) error {
	cmd := exec.Command("clang-19", "-target", "bpf"+order, "-mcpu="+cpu, "-O2", "-g", "-I", filepath.Dir(source), "-c", source, "-o", object)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", source, err, out)
	}
	return nil
}
