// Package vm has no code, only tests: that hints read on the way of a walk, from
// the NIC's own descriptor, are what the driver itself makes of the frame.
//
// They boot Debian's kernels in QEMU, unchanged and with their own drivers, let
// frames arrive at NICs that QEMU emulates, and hold what a program recorded
// against the driver's skb and against what can be computed of the frame. docs/vm.md
// says how to run them and how to add a NIC.
package vm
