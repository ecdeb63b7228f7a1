// Package verifier says what a right program is. Check looks at the
// instructions of a unit and names every rule they break: the kernel's, and
// against what the unit was before a rewrite, those of a rewrite that changes
// nothing but what it is to change. CheckObject does so with the bytes of an
// object file. Machine executes instructions, for either byte order, so that a
// program's effects can be compared with the kernel's and with those of another
// version of it.
//
// What Check does not tell: whether inserted code computes the right thing (a
// mask, a shift, which word of the descriptor), and on a walk whether an address
// that was read is the right one. It tells where values come from and where they
// go. An access through a register whose address it does not know it takes to
// stay away from the part of the frame that inserted code has.
//
// It knows the instruction set, the XDP context, maps, and what the helpers of XDP
// programs take and do. It knows nothing of how a program came about and never
// imports package rewrite, so that a mistake there can not hide itself here.
//
// The instruction set is RFC 9669; where the kernel asks for more than the RFC,
// the rule names the kernel's function.
package verifier
