// Package live has no code, only tests: that hints are right on real packets.
// Network namespaces are connected by veth in native mode, sockets send, and for
// every packet what a program got as hints is held against what the mainline
// kfuncs say of it and against the sk_buff that a tc program sees.
package live
