package rewrite

import (
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
)

// Ten anonymous structs of ten anonymous structs, and so on, are 10^8 members in
// a file of a few hundred bytes.
func TestVastDeclaration(t *testing.T) {
	inner := &btf.Struct{Size: 4, Members: []btf.Member{{Name: "rx_hash", Type: &btf.Int{Size: 4}}}}
	for range maxNesting {
		outer := &btf.Struct{Size: 4}
		for range 10 {
			outer.Members = append(outer.Members, btf.Member{Type: inner})
		}
		inner = outer
	}
	inner.Name = hintStruct
	ds := &declarations{byType: map[*btf.Struct]*declaration{}}
	d := ds.of(inner)
	require.LessOrEqual(t, len(d.members), maxMembers)
	_, err := (&target{}).check(ds)
	require.ErrorContains(t, err, "more than 1024 members")
}
