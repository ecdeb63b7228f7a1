// Package bpf holds compiled programs: the examples, and what hintjit selftest runs.
package bpf

import (
	"embed"
	"encoding/binary"
	"fmt"
)

//go:embed examples/*.o
var examples embed.FS

//go:embed selftest/*.o
var selftest embed.FS

// Example returns the object of bpf/examples/NAME.c compiled for machines of the
// given byte order.
func Example(name string, order binary.ByteOrder) ([]byte, error) {
	object, err := examples.ReadFile(fmt.Sprintf("examples/%s.%s.o", name, suffix(order)))
	if err != nil {
		return nil, fmt.Errorf("there is no example program %q", name)
	}
	return object, nil
}

// Selftest is the same of bpf/selftest/selftest.c.
func Selftest(order binary.ByteOrder) ([]byte, error) {
	return selftest.ReadFile("selftest/selftest." + suffix(order) + ".o")
}

func suffix(order binary.ByteOrder) string {
	if order.Uint16([]byte{1, 0}) == 1 {
		return "el"
	}
	return "eb"
}
