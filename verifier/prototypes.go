package verifier

import "github.com/cilium/ebpf/asm"

// ArgKind says what a helper takes as an argument and what it does with it.
type ArgKind uint8

// What the name calls memory is as many bytes as Prototype.Fixed says, or where
// that says 0, as the next argument does.
const (
	ArgNone         ArgKind = iota // the helper has no such argument
	ArgScalar                      // a number, or what the helper does not follow if it is a pointer
	ArgVariadic                    // a number that a format may ask for, and the kernel does not miss
	ArgSize                        // bytes of the memory in the argument before
	ArgContext                     // the program's struct xdp_md
	ArgMap                         // a map
	ArgKey                         // memory of the map's key size, read
	ArgValue                       // memory of the map's value size, read
	ArgValueWrite                  // memory of the map's value size, written
	ArgValueOrNull                 // memory of the map's value size, read; or NULL
	ArgRead                        // memory, read
	ArgReadOrNull                  // memory, read; or NULL if the size is 0
	ArgWrite                       // memory, written; what is there before does not matter
	ArgWriteOrNull                 // memory, written; or NULL if the size is 0
	ArgReadWrite                   // memory, read and written
	ArgString                      // a string that ends with 0, in a read-only map
	ArgAddress                     // a number that the helper reads memory at, faults allowed
	ArgFunc                        // the address of a function, called back
	ArgPassed                      // what the callback gets: a pointer into the stack, or NULL
	ArgField                       // a field of a map's value that the kernel keeps: a lock, a timer, a kptr
	ArgRecord                      // memory that bpf_ringbuf_reserve gave; it is gone afterwards
	ArgDynptr                      // a struct bpf_dynptr in the stack, initialised
	ArgNewDynptr                   // a struct bpf_dynptr in the stack, which the helper initialises
	ArgKernel                      // a pointer to an object of the kernel
	ArgKernelOrNull                // a pointer to an object of the kernel; or NULL
)

// ReturnKind says what a helper leaves in r0.
type ReturnKind uint8

const (
	ReturnScalar       ReturnKind = iota
	ReturnVoid                    // nothing that a program could use
	ReturnValueOrNull             // the value of a map
	ReturnMemoryOrNull            // memory of as many bytes as a scalar argument says
	ReturnKernel                  // an object of the kernel
	ReturnKernelOrNull            // an object of the kernel, of which a socket needs to be released
)

// Prototype is how a helper is called and what it does to what the program can
// see, other than to maps.
type Prototype struct {
	Name    string
	Args    [5]ArgKind // of r1 to r5
	Fixed   [5]int     // bytes of memory whose size is in no argument, 0: it is in the next
	Returns ReturnKind
	// MovesPacket: pointers to the packet and its metadata are of no use afterwards
	// (bpf_helper_changes_pkt_data in net/core/filter.c). A tail call is one of these:
	// when a function that is not the program makes it, its caller goes on after
	// whatever the called program did.
	MovesPacket bool
	// WritesPacket: bytes of the packet may change where they are.
	WritesPacket bool
}

// PrototypeOf returns the prototype of a helper that an XDP program may call.
func PrototypeOf(fn asm.BuiltinFunc) (Prototype, bool) {
	p, ok := prototypes[fn]
	return p, ok
}

type args = [5]ArgKind

// Bytes of the memory whose size is in no argument.
const (
	longSize = 8  // long
	mtuSize  = 4  // __u32
	ipv4Size = 20 // struct iphdr
	ipv6Size = 40 // struct ipv6hdr
	tcpSize  = 20 // struct tcphdr
)

// prototypes are the helpers that xdp_func_proto and bpf_sk_base_func_proto in
// net/core/filter.c and bpf_base_func_proto in kernel/bpf/helpers.c give to an XDP
// program (Linux 6.12), in the order of enum bpf_func_id. Later kernels give a few
// more, for tracing. What a kind says is what
// the helper does: bpf_xdp_store_bytes is declared there to take memory that it
// would write, and reads it.
var prototypes = map[asm.BuiltinFunc]Prototype{
	asm.FnMapLookupElem: {
		Name: "bpf_map_lookup_elem", Args: args{ArgMap, ArgKey}, Returns: ReturnValueOrNull,
	},
	asm.FnMapUpdateElem: {
		Name: "bpf_map_update_elem", Args: args{ArgMap, ArgKey, ArgValue, ArgScalar},
	},
	asm.FnMapDeleteElem: {Name: "bpf_map_delete_elem", Args: args{ArgMap, ArgKey}},
	asm.FnKtimeGetNs:    {Name: "bpf_ktime_get_ns"},
	asm.FnTracePrintk: {
		Name: "bpf_trace_printk", Args: args{ArgRead, ArgSize, ArgVariadic, ArgVariadic, ArgVariadic},
	},
	asm.FnGetPrandomU32:     {Name: "bpf_get_prandom_u32"},
	asm.FnGetSmpProcessorId: {Name: "bpf_get_smp_processor_id"},
	asm.FnTailCall: {
		Name: "bpf_tail_call", Args: args{ArgContext, ArgMap, ArgScalar}, Returns: ReturnVoid,
		MovesPacket: true, WritesPacket: true,
	},
	asm.FnGetCurrentPidTgid: {Name: "bpf_get_current_pid_tgid"},
	asm.FnRedirect:          {Name: "bpf_redirect", Args: args{ArgScalar, ArgScalar}},
	asm.FnPerfEventOutput: {
		Name: "bpf_perf_event_output", Args: args{ArgContext, ArgMap, ArgScalar, ArgRead, ArgSize},
	},
	asm.FnCsumDiff: {
		Name: "bpf_csum_diff", Args: args{ArgReadOrNull, ArgSize, ArgReadOrNull, ArgSize, ArgScalar},
	},
	asm.FnGetCurrentTask: {Name: "bpf_get_current_task"},
	asm.FnGetNumaNodeId:  {Name: "bpf_get_numa_node_id"},
	asm.FnXdpAdjustHead:  {Name: "bpf_xdp_adjust_head", Args: args{ArgContext, ArgScalar}, MovesPacket: true},
	asm.FnRedirectMap:    {Name: "bpf_redirect_map", Args: args{ArgMap, ArgScalar, ArgScalar}},
	asm.FnXdpAdjustMeta:  {Name: "bpf_xdp_adjust_meta", Args: args{ArgContext, ArgScalar}, MovesPacket: true},
	asm.FnXdpAdjustTail:  {Name: "bpf_xdp_adjust_tail", Args: args{ArgContext, ArgScalar}, MovesPacket: true},
	asm.FnFibLookup: {
		Name: "bpf_fib_lookup", Args: args{ArgContext, ArgReadWrite, ArgSize, ArgScalar},
	},
	asm.FnSkLookupTcp: {
		Name: "bpf_sk_lookup_tcp", Args: args{ArgContext, ArgRead, ArgSize, ArgScalar, ArgScalar},
		Returns: ReturnKernelOrNull,
	},
	asm.FnSkLookupUdp: {
		Name: "bpf_sk_lookup_udp", Args: args{ArgContext, ArgRead, ArgSize, ArgScalar, ArgScalar},
		Returns: ReturnKernelOrNull,
	},
	asm.FnSkRelease:   {Name: "bpf_sk_release", Args: args{ArgKernel}},
	asm.FnMapPushElem: {Name: "bpf_map_push_elem", Args: args{ArgMap, ArgValue, ArgScalar}},
	asm.FnMapPopElem:  {Name: "bpf_map_pop_elem", Args: args{ArgMap, ArgValueWrite}},
	asm.FnMapPeekElem: {Name: "bpf_map_peek_elem", Args: args{ArgMap, ArgValueWrite}},
	asm.FnSpinLock:    {Name: "bpf_spin_lock", Args: args{ArgField}, Returns: ReturnVoid},
	asm.FnSpinUnlock:  {Name: "bpf_spin_unlock", Args: args{ArgField}, Returns: ReturnVoid},
	asm.FnSkcLookupTcp: {
		Name: "bpf_skc_lookup_tcp", Args: args{ArgContext, ArgRead, ArgSize, ArgScalar, ArgScalar},
		Returns: ReturnKernelOrNull,
	},
	asm.FnTcpCheckSyncookie: {
		Name: "bpf_tcp_check_syncookie", Args: args{ArgKernel, ArgRead, ArgSize, ArgRead, ArgSize},
	},
	asm.FnStrtol: {
		Name: "bpf_strtol", Args: args{ArgRead, ArgSize, ArgScalar, ArgWrite}, Fixed: [5]int{3: longSize},
	},
	asm.FnStrtoul: {
		Name: "bpf_strtoul", Args: args{ArgRead, ArgSize, ArgScalar, ArgWrite}, Fixed: [5]int{3: longSize},
	},
	asm.FnTcpGenSyncookie: {
		Name: "bpf_tcp_gen_syncookie", Args: args{ArgKernel, ArgRead, ArgSize, ArgRead, ArgSize},
	},
	asm.FnProbeReadUser:   {Name: "bpf_probe_read_user", Args: args{ArgWrite, ArgSize, ArgAddress}},
	asm.FnProbeReadKernel: {Name: "bpf_probe_read_kernel", Args: args{ArgWrite, ArgSize, ArgAddress}},
	asm.FnProbeReadUserStr: {
		Name: "bpf_probe_read_user_str", Args: args{ArgWrite, ArgSize, ArgAddress},
	},
	asm.FnProbeReadKernelStr: {
		Name: "bpf_probe_read_kernel_str", Args: args{ArgWrite, ArgSize, ArgAddress},
	},
	asm.FnJiffies64: {Name: "bpf_jiffies64"},
	asm.FnGetNsCurrentPidTgid: {
		Name: "bpf_get_ns_current_pid_tgid", Args: args{ArgScalar, ArgScalar, ArgWrite, ArgSize},
	},
	asm.FnGetCurrentAncestorCgroupId: {
		Name: "bpf_get_current_ancestor_cgroup_id", Args: args{ArgScalar},
	},
	asm.FnGetCurrentCgroupId: {Name: "bpf_get_current_cgroup_id"},
	asm.FnKtimeGetBootNs:     {Name: "bpf_ktime_get_boot_ns"},
	asm.FnRingbufOutput: {
		Name: "bpf_ringbuf_output", Args: args{ArgMap, ArgRead, ArgSize, ArgScalar},
	},
	asm.FnRingbufReserve: {
		Name: "bpf_ringbuf_reserve", Args: args{ArgMap, ArgScalar, ArgScalar}, Returns: ReturnMemoryOrNull,
	},
	asm.FnRingbufSubmit: {
		Name: "bpf_ringbuf_submit", Args: args{ArgRecord, ArgScalar}, Returns: ReturnVoid,
	},
	asm.FnRingbufDiscard: {
		Name: "bpf_ringbuf_discard", Args: args{ArgRecord, ArgScalar}, Returns: ReturnVoid,
	},
	asm.FnRingbufQuery: {Name: "bpf_ringbuf_query", Args: args{ArgMap, ArgScalar}},
	asm.FnSkcToTcp6Sock: {
		Name: "bpf_skc_to_tcp6_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnSkcToTcpSock: {
		Name: "bpf_skc_to_tcp_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnSkcToTcpTimewaitSock: {
		Name: "bpf_skc_to_tcp_timewait_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnSkcToTcpRequestSock: {
		Name: "bpf_skc_to_tcp_request_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnSkcToUdp6Sock: {
		Name: "bpf_skc_to_udp6_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnSnprintfBtf: {
		Name: "bpf_snprintf_btf", Args: args{ArgWrite, ArgSize, ArgRead, ArgSize, ArgScalar},
	},
	asm.FnPerCpuPtr: {
		Name: "bpf_per_cpu_ptr", Args: args{ArgKernel, ArgScalar}, Returns: ReturnKernelOrNull,
	},
	asm.FnThisCpuPtr:        {Name: "bpf_this_cpu_ptr", Args: args{ArgKernel}, Returns: ReturnKernel},
	asm.FnGetCurrentTaskBtf: {Name: "bpf_get_current_task_btf", Returns: ReturnKernel},
	asm.FnKtimeGetCoarseNs:  {Name: "bpf_ktime_get_coarse_ns"},
	asm.FnCheckMtu: {
		Name: "bpf_check_mtu", Args: args{ArgContext, ArgScalar, ArgReadWrite, ArgScalar, ArgScalar},
		Fixed: [5]int{2: mtuSize},
	},
	asm.FnForEachMapElem: {
		Name: "bpf_for_each_map_elem", Args: args{ArgMap, ArgFunc, ArgPassed, ArgScalar},
	},
	asm.FnSnprintf: {
		Name: "bpf_snprintf", Args: args{ArgWriteOrNull, ArgSize, ArgString, ArgReadOrNull, ArgSize},
	},
	asm.FnTimerInit:        {Name: "bpf_timer_init", Args: args{ArgField, ArgMap, ArgScalar}},
	asm.FnTimerSetCallback: {Name: "bpf_timer_set_callback", Args: args{ArgField, ArgFunc}},
	asm.FnTimerStart:       {Name: "bpf_timer_start", Args: args{ArgField, ArgScalar, ArgScalar}},
	asm.FnTimerCancel:      {Name: "bpf_timer_cancel", Args: args{ArgField}},
	asm.FnTaskPtRegs:       {Name: "bpf_task_pt_regs", Args: args{ArgKernel}, Returns: ReturnKernel},
	asm.FnTraceVprintk: {
		Name: "bpf_trace_vprintk", Args: args{ArgRead, ArgSize, ArgReadOrNull, ArgSize},
	},
	asm.FnSkcToUnixSock: {
		Name: "bpf_skc_to_unix_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnLoop:          {Name: "bpf_loop", Args: args{ArgScalar, ArgFunc, ArgPassed, ArgScalar}},
	asm.FnStrncmp:       {Name: "bpf_strncmp", Args: args{ArgRead, ArgSize, ArgString}},
	asm.FnXdpGetBuffLen: {Name: "bpf_xdp_get_buff_len", Args: args{ArgContext}},
	asm.FnXdpLoadBytes: {
		Name: "bpf_xdp_load_bytes", Args: args{ArgContext, ArgScalar, ArgWrite, ArgSize},
	},
	asm.FnXdpStoreBytes: {
		Name: "bpf_xdp_store_bytes", Args: args{ArgContext, ArgScalar, ArgRead, ArgSize}, WritesPacket: true,
	},
	asm.FnKptrXchg: {
		Name: "bpf_kptr_xchg", Args: args{ArgField, ArgKernelOrNull}, Returns: ReturnKernelOrNull,
	},
	asm.FnMapLookupPercpuElem: {
		Name: "bpf_map_lookup_percpu_elem", Args: args{ArgMap, ArgKey, ArgScalar}, Returns: ReturnValueOrNull,
	},
	asm.FnSkcToMptcpSock: {
		Name: "bpf_skc_to_mptcp_sock", Args: args{ArgKernel}, Returns: ReturnKernelOrNull,
	},
	asm.FnDynptrFromMem: {
		Name: "bpf_dynptr_from_mem", Args: args{ArgReadWrite, ArgSize, ArgScalar, ArgNewDynptr},
	},
	asm.FnRingbufReserveDynptr: {
		Name: "bpf_ringbuf_reserve_dynptr", Args: args{ArgMap, ArgScalar, ArgScalar, ArgNewDynptr},
	},
	asm.FnRingbufSubmitDynptr: {
		Name: "bpf_ringbuf_submit_dynptr", Args: args{ArgDynptr, ArgScalar}, Returns: ReturnVoid,
	},
	asm.FnRingbufDiscardDynptr: {
		Name: "bpf_ringbuf_discard_dynptr", Args: args{ArgDynptr, ArgScalar}, Returns: ReturnVoid,
	},
	asm.FnDynptrRead: {
		Name: "bpf_dynptr_read", Args: args{ArgWrite, ArgSize, ArgDynptr, ArgScalar, ArgScalar},
	},
	asm.FnDynptrWrite: {
		Name: "bpf_dynptr_write", Args: args{ArgDynptr, ArgScalar, ArgRead, ArgSize, ArgScalar}, WritesPacket: true,
	},
	asm.FnDynptrData: {
		Name: "bpf_dynptr_data", Args: args{ArgDynptr, ArgScalar, ArgScalar}, Returns: ReturnMemoryOrNull,
	},
	asm.FnTcpRawGenSyncookieIpv4: {
		Name: "bpf_tcp_raw_gen_syncookie_ipv4", Args: args{ArgRead, ArgRead, ArgSize}, Fixed: [5]int{ipv4Size},
	},
	asm.FnTcpRawGenSyncookieIpv6: {
		Name: "bpf_tcp_raw_gen_syncookie_ipv6", Args: args{ArgRead, ArgRead, ArgSize}, Fixed: [5]int{ipv6Size},
	},
	asm.FnTcpRawCheckSyncookieIpv4: {
		Name: "bpf_tcp_raw_check_syncookie_ipv4", Args: args{ArgRead, ArgRead}, Fixed: [5]int{ipv4Size, tcpSize},
	},
	asm.FnTcpRawCheckSyncookieIpv6: {
		Name: "bpf_tcp_raw_check_syncookie_ipv6", Args: args{ArgRead, ArgRead}, Fixed: [5]int{ipv6Size, tcpSize},
	},
	asm.FnKtimeGetTaiNs: {Name: "bpf_ktime_get_tai_ns"},
	asm.FnUserRingbufDrain: {
		Name: "bpf_user_ringbuf_drain", Args: args{ArgMap, ArgFunc, ArgPassed, ArgScalar},
	},
	asm.FnCgrpStorageGet: {
		Name: "bpf_cgrp_storage_get", Args: args{ArgMap, ArgKernelOrNull, ArgValueOrNull, ArgScalar},
		Returns: ReturnValueOrNull,
	},
	asm.FnCgrpStorageDelete: {Name: "bpf_cgrp_storage_delete", Args: args{ArgMap, ArgKernelOrNull}},
}
