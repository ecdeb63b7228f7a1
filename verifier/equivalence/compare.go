package equivalence

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// Difference is one thing that the two programs did differently.
type Difference struct {
	What              string // "return code", "map flows", "call 3 of bpf_redirect"
	Before, After     string
	beforeAt, afterAt *place // where it was done, nil: at the end
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s: %s, rewritten %s", d.What, d.Before, d.After)
}

const fault = "fault"

// place is an instruction.
type place struct {
	f    *code.Func
	insn int
}

// differ compares what two runs did, nil: the same.
func differ(before, after *outcome) *Difference {
	if d := differAt(before, after); d != nil {
		return d
	}
	switch {
	case after.err != nil:
		return &Difference{What: fault, Before: "none", After: after.err.Error(), afterAt: faultAt(after.err)}
	case before.tail != after.tail:
		return &Difference{What: "tail call", Before: orNone(before.tail), After: orNone(after.tail)}
	case before.tail == "" && before.ret != after.ret:
		return &Difference{What: "return code", Before: fmt.Sprint(before.ret), After: fmt.Sprint(after.ret)}
	case !bytes.Equal(before.meta, after.meta):
		return &Difference{What: "metadata", Before: fmt.Sprintf("%x", before.meta), After: fmt.Sprintf("%x", after.meta)}
	case !bytes.Equal(before.packet, after.packet):
		return differPackets(before.packet, after.packet)
	}
	return differMaps(before.maps, after.maps)
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// differAt finds the first call that is not the same.
func differAt(before, after *outcome) *Difference {
	for i := range max(len(before.events), len(after.events)) {
		what := fmt.Sprintf("call %d", i+1)
		switch {
		case i >= len(before.events):
			e := &after.events[i]
			return &Difference{What: what, Before: "none", After: e.name(), afterAt: &place{e.f, e.insn}}
		case i >= len(after.events):
			e := &before.events[i]
			if after.err != nil {
				return nil // it was on its way there
			}
			return &Difference{What: what, Before: e.name(), After: "none", beforeAt: &place{e.f, e.insn}}
		}
		b, a := &before.events[i], &after.events[i]
		if what, was, is := differCalls(b, a); what != "" {
			return &Difference{What: fmt.Sprintf("call %d, %s: %s", i+1, b.name(), what), Before: was, After: is,
				beforeAt: &place{b.f, b.insn}, afterAt: &place{a.f, a.insn}}
		}
	}
	return nil
}

func (e *event) name() string { return helperName(e.fn) }

func helperName(fn asm.BuiltinFunc) string {
	if p, ok := verifier.PrototypeOf(fn); ok {
		return p.Name
	}
	return fmt.Sprint(fn)
}

// differCalls compares two calls: numbers by value, pointers by what they lead to.
func differCalls(b, a *event) (what, was, is string) {
	if b.fn != a.fn {
		return "the function", b.name(), a.name()
	}
	proto, _ := verifier.PrototypeOf(b.fn)
	for k, kind := range proto.Args {
		name := fmt.Sprintf("argument %d", k+1)
		switch kind {
		case verifier.ArgMap:
			if b.maps[k] != a.maps[k] {
				return name, orNone(b.maps[k]), orNone(a.maps[k])
			}
		case verifier.ArgScalar, verifier.ArgSize, verifier.ArgVariadic:
			if b.args[k] != a.args[k] && (!b.address[k] || !a.address[k]) {
				return name, fmt.Sprintf("%#x", b.args[k]), fmt.Sprintf("%#x", a.args[k])
			}
		}
	}
	switch {
	case !slices.EqualFunc(b.data, a.data, bytes.Equal):
		return "what its arguments point to", fmt.Sprintf("%x", b.data), fmt.Sprintf("%x", a.data)
	case b.state != a.state:
		return "the packet, the metadata or a map before it", "one", "another"
	case proto.Returns == verifier.ReturnScalar && b.result != a.result:
		return "the result", fmt.Sprintf("%#x", b.result), fmt.Sprintf("%#x", a.result)
	}
	return "", "", ""
}

func differPackets(before, after []byte) *Difference {
	if len(before) != len(after) {
		return &Difference{What: "packet", Before: fmt.Sprintf("%d bytes", len(before)), After: fmt.Sprintf("%d bytes", len(after))}
	}
	for i := range before {
		if before[i] != after[i] {
			end := min(i+8, len(before))
			return &Difference{What: fmt.Sprintf("packet at byte %d", i), Before: fmt.Sprintf("%x", before[i:end]), After: fmt.Sprintf("%x", after[i:end])}
		}
	}
	return nil
}

func differMaps(before, after map[string]*verifier.Map) *Difference {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if after[name] == nil {
			if !constant(name) {
				return &Difference{What: "map " + name, Before: "there", After: "not there"}
			}
			continue
		}
		b, a := content(before[name]), content(after[name])
		keys := maps.Clone(b)
		maps.Copy(keys, a)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if !bytes.Equal(b[key], a[key]) {
				return &Difference{What: fmt.Sprintf("map %s, key %x", name, key), Before: value(b[key]), After: value(a[key])}
			}
		}
	}
	return nil
}

func value(b []byte) string {
	if b == nil {
		return "none"
	}
	return fmt.Sprintf("%x", b)
}
