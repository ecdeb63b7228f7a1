package verifier

import (
	"bytes"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// Call is one call of a helper, in the order in which they were made.
type Call struct {
	Helper asm.BuiltinFunc
	Args   [5]uint64 // r1 to r5 as they were; 0 for one that held nothing
	Data   [][]byte  // what the helper read of the program's memory
	Result uint64

	// What the arguments refer to, for helpers of the Machine's own.
	m      *Map
	f      *code.Func
	record *region
	mem    [5][]byte
}

// Helper stands for a function of the kernel. It gets its arguments in c and may
// add to c.Data; an error ends the run.
type Helper func(m *Machine, c *Call) (uint64, error)

// helpers are those that every Machine has; Machine.Helpers adds to them.
var helpers map[asm.BuiltinFunc]Helper

func init() {
	// Not in the declaration: bpf_loop runs instructions, which call helpers.
	helpers = map[asm.BuiltinFunc]Helper{
		asm.FnMapLookupElem:       mapLookup,
		asm.FnMapLookupPercpuElem: mapLookupPerCPU,
		asm.FnMapUpdateElem:       mapUpdate,
		asm.FnMapDeleteElem:       mapDelete,
		asm.FnMapPushElem:         mapPush,
		asm.FnMapPopElem:          mapPop,
		asm.FnMapPeekElem:         mapPeek,
		asm.FnForEachMapElem:      forEach,
		asm.FnTailCall:            tailCall,
		asm.FnRedirectMap:         redirectMap,
		asm.FnPerfEventOutput:     perfOutput,
		asm.FnRingbufOutput:       ringbufOutput,
		asm.FnRingbufReserve:      ringbufReserve,
		asm.FnRingbufSubmit:       ringbufSubmit,
		asm.FnRingbufDiscard:      ringbufDiscard,
		asm.FnRingbufQuery:        ringbufQuery,

		asm.FnXdpAdjustHead: adjuster((*Machine).adjustHead),
		asm.FnXdpAdjustMeta: adjuster((*Machine).adjustMeta),
		asm.FnXdpAdjustTail: adjuster((*Machine).adjustTail),
		asm.FnXdpGetBuffLen: func(m *Machine, _ *Call) (uint64, error) { return uint64(m.packetLength()), nil },
		asm.FnXdpLoadBytes:  loadBytes,
		asm.FnXdpStoreBytes: storeBytes,
		asm.FnCsumDiff:      checksumDiff,
		asm.FnRedirect:      redirect,
		asm.FnCheckMtu:      checkMTU,
		asm.FnFibLookup:     fibLookup,

		asm.FnTcpRawGenSyncookieIpv4:   genSyncookie,
		asm.FnTcpRawGenSyncookieIpv6:   genSyncookie,
		asm.FnTcpRawCheckSyncookieIpv4: checkSyncookie,
		asm.FnTcpRawCheckSyncookieIpv6: checkSyncookie,

		asm.FnKtimeGetNs:         now,
		asm.FnKtimeGetBootNs:     now,
		asm.FnKtimeGetCoarseNs:   now,
		asm.FnKtimeGetTaiNs:      now,
		asm.FnJiffies64:          func(m *Machine, _ *Call) (uint64, error) { return m.Now / jiffy, nil },
		asm.FnGetPrandomU32:      func(m *Machine, _ *Call) (uint64, error) { return uint64(m.random.Uint32()), nil },
		asm.FnGetSmpProcessorId:  func(m *Machine, _ *Call) (uint64, error) { return uint64(m.CPU), nil },
		asm.FnGetNumaNodeId:      func(m *Machine, _ *Call) (uint64, error) { return uint64(m.Node), nil },
		asm.FnGetCurrentPidTgid:  always(0), // of the idle task, which packets mostly interrupt
		asm.FnGetCurrentTask:     always(idleTask),
		asm.FnGetCurrentCgroupId: always(rootCgroup),
		asm.FnSkLookupTcp:        always(0), // there are no sockets
		asm.FnSkLookupUdp:        always(0),
		asm.FnSkcLookupTcp:       always(0),
		asm.FnTracePrintk:        always(0), // Call.Data has the format, Call.Args what is to be printed
		asm.FnTraceVprintk:       always(0),
		asm.FnSpinLock:           always(0), // nobody else runs
		asm.FnSpinUnlock:         always(0),
		asm.FnProbeReadKernel:    probeRead,
		asm.FnProbeReadUser:      probeRead,
		asm.FnStrncmp:            compareStrings,
		asm.FnLoop:               loop,
	}
}

// errno is an error number as helpers return it.
func errno(n int) uint64 { return uint64(int64(-n)) }

func always(v uint64) Helper { return func(*Machine, *Call) (uint64, error) { return v, nil } }

const (
	jiffy      = 4_000_000             // nanoseconds, with CONFIG_HZ=250
	idleTask   = 0xffff_8880_0100_0000 // a number as good as any in the kernel's memory
	rootCgroup = 1                     // the root's id
	lockSize   = 4                     // struct bpf_spin_lock
)

func now(m *Machine, _ *Call) (uint64, error) { return m.Now, nil }

// probeRead is bpf_probe_read_kernel in kernel/trace/bpf_trace.c: what can not be read
// is zeros.
func probeRead(m *Machine, c *Call) (uint64, error) {
	dst := c.mem[0]
	src, err := m.Bytes(c.Args[2], len(dst), false)
	if err != nil {
		clear(dst) // a fault is no error: it is what the helper is there for
		return errno(eFault), nil
	}
	copy(dst, src)
	return 0, nil
}

// compareStrings is bpf_strncmp in kernel/bpf/helpers.c: the first string is of at
// most its size, the second ends with 0.
func compareStrings(_ *Machine, c *Call) (uint64, error) {
	a, b := c.mem[0], c.mem[2]
	b = b[:min(len(a), len(b))]
	if end := bytes.IndexByte(a, 0); end >= 0 {
		a = a[:end]
	}
	return uint64(int64(bytes.Compare(a, b))), nil
}

// loop is bpf_loop in kernel/bpf/bpf_iter.c.
func loop(m *Machine, c *Call) (uint64, error) {
	const maxLoops = 8 << 20 // BPF_MAX_LOOPS
	n := uint32(c.Args[0])
	if c.Args[3] != 0 {
		return errno(eInval), nil
	}
	if n > maxLoops {
		return errno(e2Big), nil
	}
	for i := uint32(0); i < n; i++ {
		stop, err := m.callBack(c.f, uint64(i), c.Args[2])
		if err != nil {
			return 0, err
		}
		if stop {
			return uint64(i) + 1, nil
		}
	}
	return uint64(n), nil
}

// callBack calls a function that a program handed to a helper, and tells whether it
// wants no further call.
func (m *Machine) callBack(f *code.Func, args ...uint64) (stop bool, err error) {
	var all [5]uint64
	copy(all[:], args)
	ret, ok, err := m.enter(f, all, arguments(len(args)))
	if err == nil && !ok {
		err = fmt.Errorf("%s returned without a value in r0", f.Name)
	}
	return ret != 0, err
}
