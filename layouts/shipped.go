package layouts

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// One file a driver, named after it.
//
//go:embed *.yaml
var shipped embed.FS

// Names lists the NICs whose layouts come with this package, sorted.
func Names() []string {
	files, _ := fs.Glob(shipped, "*.yaml") // fails only for a bad pattern
	for i, file := range files {
		files[i] = strings.TrimSuffix(file, ".yaml")
	}
	return files
}

// Shipped returns the layout of a NIC by its name or by an alias. It is read
// anew each time, so the caller owns it. The error for a name that is not there
// is an *UnknownNICError, or an *UnsupportedNICError where it is known why not.
func Shipped(nic string) (*Layout, error) {
	names := Names()
	if slices.Contains(names, nic) {
		return load(nic)
	}
	if err := unsupported(nic); err != nil {
		return nil, err
	}
	unknown := &UnknownNICError{Name: nic, Known: names}
	known := slices.Clone(names)
	for _, name := range names {
		l, err := load(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(l.Aliases, nic) {
			return l, nil
		}
		known = append(known, l.Aliases...)
	}
	unknown.Nearest = nearest(strings.ToLower(nic), known)
	return nil, unknown
}

func load(nic string) (*Layout, error) {
	file := nic + ".yaml"
	data, err := shipped.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Load(file, data)
}

// UnknownNICError says that no layout has the name.
type UnknownNICError struct {
	Name    string
	Nearest string // a name or an alias, "" when none is near
	Known   []string
}

func (e *UnknownNICError) Error() string {
	if e.Nearest != "" {
		return fmt.Sprintf("unknown NIC %s: did you mean %s?", quote(e.Name), e.Nearest)
	}
	return fmt.Sprintf("unknown NIC %s: known are %s; another needs a layout file of its own",
		quote(e.Name), strings.Join(e.Known, ", "))
}
