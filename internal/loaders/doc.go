// Package loaders has no code, only tests: that the programs which people load
// BPF objects with take what hintjit writes.
package loaders
