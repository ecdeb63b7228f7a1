// Package talk has the experiments of the talk "XDP hardware hints" (Linux
// Plumbers Conference 2018), as tests and as a benchmark: what programs gain that
// let the NIC parse. What it has besides tests is what a test can not have, a way
// to take memory out of the cache.
package talk
