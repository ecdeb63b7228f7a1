package layouts

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// What mainline kernels have of their own, as data: the drivers whose descriptors
// no program can reach, and the metadata kfuncs that drivers answer.

var (
	//go:embed mainline/unsupported.yaml
	unsupportedFile []byte
	//go:embed mainline/kfuncs.yaml
	kfuncsFile []byte
)

// UnsupportedNICError says why there can be no layout for a driver.
type UnsupportedNICError struct {
	Names       []string // of the drivers it holds for
	Name        string   // the one that was asked for
	Why, Source string
}

func (e *UnsupportedNICError) Error() string {
	return fmt.Sprintf("%s can not be supported: %s (%s)", e.Name, e.Why, e.Source)
}

// Unsupported lists the drivers that there can be no layout for.
func Unsupported() ([]UnsupportedNICError, error) {
	return loadUnsupported("mainline/unsupported.yaml", unsupportedFile)
}

func loadUnsupported(file string, data []byte) (all []UnsupportedNICError, err error) {
	r := &reader{file: file}
	if root := r.document(data); root != nil {
		taken := map[string]int{}
		for _, item := range r.list(root, "", maxItems) {
			keys := r.object(item, "", "names", "why", "source")
			u := UnsupportedNICError{Why: r.text(keys["why"], "why: "), Source: r.text(keys["source"], "source: ")}
			for _, key := range []string{"names", "why", "source"} {
				if keys[key] == nil && item.Kind == yaml.MappingNode {
					r.errorf(item, "", "%s is missing", key)
				}
			}
			if keys["names"] != nil {
				for _, n := range r.list(keys["names"], "names: ", maxItems) {
					name := r.name(n, "names: ", driverName)
					if line, twice := taken[name]; twice {
						r.errorf(n, "names: ", "%s stands already in line %d", name, line)
					}
					taken[name] = n.Line
					u.Names = append(u.Names, name)
				}
			}
			all = append(all, u)
		}
	}
	return all, r.errs.orNil()
}

// unsupported returns why there is no layout for a driver, nil when there is no
// reason.
func unsupported(nic string) error {
	all, err := Unsupported()
	if err != nil {
		return err
	}
	for _, u := range all {
		if slices.Contains(u.Names, nic) {
			u.Name = nic
			return &u
		}
	}
	return nil
}

// Kfuncs are the metadata kfuncs of mainline kernels and the drivers that answer
// them.
type Kfuncs struct {
	Kernels []string // that were read, the oldest first
	// Drivers tells by driver and kfunc (one of KfuncHints) from which of Kernels on
	// it is answered.
	Drivers map[string]map[string]string
}

// KfuncHints are the kfuncs, bpf_xdp_metadata_NAME, and the hints that each gives.
var KfuncHints = []struct {
	Name  string
	Hints []string
}{
	{"rx_hash", []string{"rx_hash", "rx_hash_type"}},
	{"rx_timestamp", []string{"rx_timestamp"}},
	{"rx_vlan_tag", []string{"vlan_tci", "vlan_proto"}},
}

// MainlineKfuncs tells which drivers answer which of the kernel's metadata
// kfuncs.
func MainlineKfuncs() (*Kfuncs, error) { return loadKfuncs("mainline/kfuncs.yaml", kfuncsFile) }

func loadKfuncs(file string, data []byte) (*Kfuncs, error) {
	r := &reader{file: file}
	k := &Kfuncs{Drivers: map[string]map[string]string{}}
	if root := r.document(data); root != nil {
		keys := r.object(root, "", "kernels", "drivers")
		for _, key := range []string{"kernels", "drivers"} {
			if keys[key] == nil && root.Kind == yaml.MappingNode {
				r.errorf(root, "", "%s is missing", key)
			}
		}
		if keys["kernels"] != nil {
			for _, n := range r.list(keys["kernels"], "kernels: ", maxItems) {
				k.Kernels = append(k.Kernels, r.text(n, "kernels: "))
			}
		}
		if keys["drivers"] != nil {
			for _, e := range r.limited(keys["drivers"], "drivers: ") {
				k.readDriver(r, e)
			}
		}
	}
	if err := r.errs.orNil(); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *Kfuncs) readDriver(r *reader, e entry) {
	var names []string
	for _, h := range KfuncHints {
		names = append(names, h.Name)
	}
	in := "driver " + e.name + ": "
	if !r.named(e.key, "drivers: ", e.name, driverName) {
		return
	}
	since := map[string]string{}
	for name, n := range r.object(e.value, in, names...) {
		kernel := r.text(n, in)
		if kernel != "" && !slices.Contains(k.Kernels, kernel) {
			r.errorf(n, in, "unknown kernel %s: want one of %s", quote(kernel), strings.Join(k.Kernels, ", "))
		}
		since[name] = kernel
	}
	k.Drivers[e.name] = since
}

// Of returns what the driver of a layout answers, nil for nothing.
func (k *Kfuncs) Of(l *Layout) map[string]string {
	for _, name := range append([]string{l.NIC}, l.Aliases...) {
		if since := k.Drivers[name]; since != nil {
			return since
		}
	}
	return nil
}
