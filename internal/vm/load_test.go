package vm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// loads are objects that have to get past the verifier where a driver's module is
// loaded: for the NICs that nobody emulates.
var loads = []struct {
	object
	refused string // what the error says, for one that is not to be loaded
}{
	{object: object{driver: "i40e", name: "ring", bytes: compiled("ring.c", "-DRING=i40e_ring")}},
	{object: object{driver: "ice", name: "ring", bytes: compiled("ring.c", "-DRING=ice_rx_ring")}},
	{object: object{driver: "ixgbe", name: "ring", bytes: compiled("ring.c", "-DRING=ixgbe_ring")}},
	{object: object{driver: "igc", name: "ring", bytes: compiled("ring.c", "-DRING=igc_ring")}},
	{object: object{driver: "i40e", name: "no such ring", bytes: compiled("ring.c", "-DRING=no_such_ring")}, refused: "CO-RE"},
	{object: object{driver: "i40e", name: "from metadata", bytes: compiled("hints.c"),
		rewrite: []string{"--nic", "i40e", "--reach", "meta"}}},
	{object: object{driver: "i40e", name: "not rewritten", bytes: compiled("hints.c")}, refused: "hintjit_rx"},
}

func TestLoad(t *testing.T) {
	for _, k := range kernels(t) {
		if !k.walks() {
			continue // TestWalk has what is to happen there
		}
		t.Run(k.series, func(t *testing.T) {
			files := initramfs{}
			require.NoError(t, files.addTool("/bpftool", "bpftool"))
			work := &job.Job{}
			var drivers []string
			for _, l := range loads {
				drivers = append(drivers, l.driver)
				for _, loader := range loaders {
					work.Loads = append(work.Loads, l.load(t, loader, files))
				}
			}
			r := boot(t, k, wire{port: hub.port}, drivers, work, files)
			for _, l := range loads {
				for _, loader := range loaders {
					name := l.caseName(loader)
					t.Run(name, func(t *testing.T) {
						require.Contains(t, r.results, name, "the guest said nothing about it")
						if l.refused != "" {
							require.Contains(t, r.results[name].Err, l.refused)
							return
						}
						require.Empty(t, r.results[name].Err)
					})
				}
			}
		})
	}
}
