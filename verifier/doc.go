// Package verifier says what a right program is. Check looks at the
// instructions of a unit and names every rule they break; Machine executes
// them, for either byte order, so that a program's effects can be compared
// with the kernel's and with those of another version of it.
//
// It knows the instruction set, the XDP context, maps, and what the helpers of XDP
// programs take and do. It knows nothing of how a program came about and never
// imports package rewrite, so that a mistake there can not hide itself here.
//
// The instruction set is RFC 9669; where the kernel asks for more than the RFC,
// the rule names the kernel's function.
package verifier
