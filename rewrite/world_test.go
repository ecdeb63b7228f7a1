package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier/driver"
)

// typesOf is a modelled kernel's BTF, in a folder of its own. old is one without
// memory that has no end.
func typesOf(t testing.TB, k *driver.Kernel, old bool) string {
	t.Helper()
	b, err := btf.NewBuilder(nil, nil)
	require.NoError(t, err)
	structs := map[string]*btf.Struct{}
	for name, size := range k.Sizes {
		structs[name] = &btf.Struct{Name: name, Size: uint32(size)}
	}
	structs[kernel.Endless] = &btf.Struct{Name: kernel.Endless,
		Members: []btf.Member{{Name: "args", Type: &btf.Array{Index: integer(4), Type: integer(8)}}}}
	for _, name := range slices.Sorted(maps.Keys(k.Places)) {
		path := strings.Split(name, ".")
		s := structs[path[0]]
		for _, step := range path[1 : len(path)-1] {
			s = inside(s, step)
		}
		s.Members = append(s.Members, laid(k.Places[name], path[len(path)-1]))
	}
	functions := []string{"bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_dynptr_adjust"}
	if old {
		functions = functions[:2]
		structs["pt_regs"] = &btf.Struct{Name: "pt_regs", Size: 24,
			Members: []btf.Member{{Name: "r15", Type: integer(8)}, {Name: "r14", Type: integer(8), Offset: 64}, {Name: "cs", Type: integer(2), Offset: 128}}}
	}
	if mib := structs["linux_mib"]; mib != nil { // a carrier of old kernels
		mib.Members = []btf.Member{{Name: "mibs", Type: &btf.Array{Index: integer(4), Type: integer(8), Nelems: mib.Size / 8}}}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Enums)) {
		enum, value, _ := strings.Cut(name, ".")
		_, err := b.Add(&btf.Enum{Name: enum, Size: 4, Values: []btf.EnumValue{{Name: value, Value: k.Enums[name]}}})
		require.NoError(t, err)
	}
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		_, err := b.Add(structs[name])
		require.NoError(t, err)
	}
	for _, name := range functions {
		_, err := b.Add(&btf.Func{Name: name, Type: &btf.FuncProto{Return: &btf.Void{}}, Linkage: btf.GlobalFunc})
		require.NoError(t, err)
	}
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "vmlinux"), raw, 0o600))
	return dir
}

func integer(size int) *btf.Int {
	return &btf.Int{Name: fmt.Sprintf("u%d", 8*size), Size: uint32(size)}
}

// inside is a struct in a struct, made when there is none. It lies where the outer
// one starts: members have their places in that.
func inside(s *btf.Struct, name string) *btf.Struct {
	for _, m := range s.Members {
		if m.Name == name {
			return m.Type.(*btf.Struct)
		}
	}
	in := &btf.Struct{Size: 8192}
	s.Members = append(s.Members, btf.Member{Name: name, Type: in})
	return in
}

func laid(p kernel.Place, name string) btf.Member {
	m := btf.Member{Name: name, Offset: btf.Bits(8*p.Offset + p.Bit), BitfieldSize: btf.Bits(p.Bits)}
	switch {
	case p.Array:
		m.Type = &btf.Array{Index: integer(4), Type: integer(8), Nelems: uint32(p.Size / 8)}
	case p.Enum:
		m.Type = &btf.Enum{Name: "of_" + name, Size: uint32(p.Size), Values: []btf.EnumValue{{Name: name}}}
	case p.Integer:
		m.Type = integer(p.Size)
	default:
		m.Type = &btf.Struct{Size: uint32(p.Size)}
	}
	return m
}

// worlds makes packets as a driver hands them over: with each hint there and
// not, and with each check of the walk failing.
func worlds(rng *rand.Rand, k *driver.Kernel) []sample {
	var out []sample
	d := k.Descriptor
	add := func(record []byte, breaks int, generic bool) {
		k.Settle(record, binary.LittleEndian)
		p := k.Intact(record, rng.Uint64())
		p.Breaks, p.Generic = breaks, generic
		out = append(out, sample{nil, randomBytes(rng, 64+rng.IntN(64)), d, p})
	}
	for _, h := range d.Hints {
		for _, a := range h.Alternatives {
			add(met(rng, d, a), -1, false)
			missed := met(rng, d, a)
			if len(a.When) > 0 {
				meet(rng, d, missed, opposite(a.When[rng.IntN(len(a.When))]))
			}
			add(missed, -1, false)
		}
	}
	for _, c := range d.Ready {
		missed := met(rng, d, d.Hints[0].Alternatives[0])
		meet(rng, d, missed, opposite(c))
		add(missed, -1, false)
	}
	if h := d.Hint("pkt_len"); h != nil { // often enough for strict guards to see both lengths, of every NIC
		for range 16 {
			add(met(rng, d, h.Alternatives[0]), -1, false)
		}
	}
	for range 3 {
		add(randomRecord(rng, d), -1, false)
		some := func() []byte {
			h := d.Hints[rng.IntN(len(d.Hints))]
			return met(rng, d, h.Alternatives[rng.IntN(len(h.Alternatives))])
		}
		proved := false
		for i, s := range k.Walk.Steps {
			if s.Name == "" {
				add(some(), i, false)
				proved = proved || s.Strict == layouts.Own
			}
		}
		if !proved {
			add(some(), -1, true)
		}
	}
	return out
}
