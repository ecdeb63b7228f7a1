// Package bpf holds the compiled example programs.
package bpf

import (
	"embed"
	"encoding/binary"
	"fmt"
)

//go:embed examples/*.o
var examples embed.FS

// Example returns the object of bpf/examples/NAME.c compiled for machines of the
// given byte order.
func Example(name string, order binary.ByteOrder) ([]byte, error) {
	suffix := "eb"
	if order.Uint16([]byte{1, 0}) == 1 {
		suffix = "el"
	}
	object, err := examples.ReadFile(fmt.Sprintf("examples/%s.%s.o", name, suffix))
	if err != nil {
		return nil, fmt.Errorf("there is no example program %q", name)
	}
	return object, nil
}
