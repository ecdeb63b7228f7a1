// Package job is what the tests of internal/vm and the guest that they boot say to
// each other: a Job goes in as a file, Lines come back over the serial console.
package job

// Path is where the guest finds its job.
const Path = "/job.json"

// Prefix begins each line of the console that is a Line in JSON. The kernel writes
// to the console as well.
const Prefix = "HINTJIT "

// Job is all that a guest is to do. Paths are the guest's.
type Job struct {
	Modules  []string // files, in an order in which they load
	Injector string   // hardware address of the interface that frames are sent from
	SKB      string   // object that records what drivers made of frames
	Frames   []Frame
	Cases    []Case
	Loads    []Load
	OnNICs   []OnNIC
	Command  *Command // is run last, if there is any
}

// OnNIC is a command that looks at a driver's interface, while the frames arrive there
// again and again. "DEV" in Args stands for the interface. No program is attached
// unless a case needs it, so such a job has no Cases.
type OnNIC struct {
	Name   string
	Driver string
	Command
}

// Command is a program that reports for itself: what it prints comes back.
type Command struct {
	Args, Env []string
}

// Frame is sent once for each case. ID, from 1 to 63, is the last byte of its
// source address, which begins with 02:fe.
type Frame struct {
	ID   uint8
	Data []byte
}

// Load is an object that is to get past the verifier.
type Load struct {
	Name   string
	Object string
	Loader string
	// Prepare is a command that is run before, if there is any: what makes Object
	// from another file on the kernel that is to run it.
	Prepare []string
}

// The loaders.
const (
	Cilium = "cilium" // cilium/ebpf
	Libbpf = "libbpf" // bpftool
)

// Case is an object that is attached to an interface of a driver, and looked at
// while frames arrive. Its program is called Program and leaves records in a map
// called Records.
type Case struct {
	Load
	Driver string
}

// Names in objects.
const (
	Program    = "record"
	Records    = "records"
	SKBProgram = "received"
	SKBs       = "skbs"
)

// Line is one line of the report; one member is set.
type Line struct {
	Booted *Booted `json:",omitempty"`
	Case   *Result `json:",omitempty"`
	Load   *Result `json:",omitempty"`
	OnNIC  *Ended  `json:",omitempty"`
	Output *string `json:",omitempty"` // a line that the command printed
	Exit   *int    `json:",omitempty"` // how the command ended
	Fatal  string  `json:",omitempty"` // the guest gave up
	Done   bool    `json:",omitempty"`
}

// Ended is what became of an OnNIC.
type Ended struct {
	Name   string
	Output string
	Exit   int
	Err    string  // why it was not run
	Uptime float64 // seconds, at the end
}

// Booted is said once the interfaces are there.
type Booted struct {
	Release string
	Uptime  float64 // seconds until the guest's first instruction
	RSSKey  []byte  // the kernel's, which drivers give to their NICs
}

// Result is what became of a Case or a Load.
type Result struct {
	Name   string
	Err    string // why it did not load or run
	Frames []Seen
	Uptime float64 // seconds, at the end
}

// Seen is what there is on record of one frame.
type Seen struct {
	ID  uint8
	XDP Record
	SKB SKB
}

// Record is struct record in testdata/record.h.
type Record struct {
	Times  uint32
	Exists uint32
	Hints  [80]byte // struct hintjit_rx
}

// SKB is struct record in testdata/skb.c.
type SKB struct {
	Times        uint32
	Hash, L4Hash uint32
	VLANTCI      uint32
	VLANProto    uint32 // as in memory: network order
	Summed, Csum uint32
	Mark         uint32
	QueueMapping uint32
}
