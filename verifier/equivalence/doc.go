// Package equivalence runs a program as it was written and as it was rewritten
// side by side, and tells whether they did the same: returned the same, left the
// same packet, metadata and maps, and called the same helpers with the same
// things in the same order.
//
// What hintjit_rx means to the original it takes from the layout's decoder, and
// the memory that a walk goes through from package driver. It never asks package
// rewrite how a program was made. Inputs come from the layout (each hint there and
// not, each check failing), from usual frames, and from what the programs
// themselves compare: an operand that is found in the input is replaced by what it
// was compared with, so that the other side of a branch gets its turn.
//
// Running is no proof. What was not run is named.
package equivalence
