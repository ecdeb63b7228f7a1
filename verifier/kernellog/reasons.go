package kernellog

// reasons is why kernels and loaders refuse programs. The first that matches
// counts, so that the special stands before the general. Sentences are those of
// kernel/bpf/verifier.c unless From has another file, in Linux 6.1 to 7.3;
// testdata/sentences.txt says which kernel has which.
var reasons = []Reason{
	// Objects that need another rewrite, or another kernel.
	{
		Says: []string{"extern (func ksym) 'hintjit_rx': not found in kernel or module BTFs", `kfunc "hintjit_rx": not supported`,
			"calling kernel function hintjit_rx is not allowed", "kfunc 'hintjit_rx' is referenced but wasn't resolved"},
		Means: "this object was not rewritten: hintjit_rx is no function of the kernel, hintjit puts code in its place",
		Do:    "load the object that hintjit rewrite wrote, or use hintjit load",
		From:  "libbpf.c bpf_object__resolve_ksym_func_btf_id; cilium/ebpf linker.go fixupKfuncs", Whole: true,
	},
	{
		Says: []string{"extern (func ksym) 'hintjit_rewritten_for_another_kernel': not found in kernel or module BTFs",
			"kfunc 'hintjit_rewritten_for_another_kernel' is referenced but wasn't resolved"},
		Means:    otherKernel,
		Do:       "rewrite the program again with --btf of the kernel that is to run it, or without --btf for any kernel",
		Inserted: "rewrite the program again with --btf of the kernel that is to run it, or without --btf for any kernel",
		From:     "libbpf.c fixup_log_missing_kfunc_call; what is missing is hintjit's own name",
	},
	{
		Says: []string{"extern (func ksym) 'hintjit_no_way_to_%s_descriptor': not found in kernel or module BTFs",
			"kfunc 'hintjit_no_way_to_%s_descriptor' is referenced but wasn't resolved"},
		Means:    "the layout of $1 knows no way to the descriptor in this kernel's driver, or the driver's module is not loaded, so that its types are not there",
		Do:       "load the module (modprobe $1) and try again; hintjit nics $1 lists the ways that are known",
		Inserted: "load the module (modprobe $1) and try again; hintjit nics $1 lists the ways that are known",
		From:     "libbpf.c fixup_log_missing_kfunc_call; what is missing is hintjit's own name",
	},
	{
		Says: []string{"extern (func ksym) 'bpf_rdonly_cast': not found in kernel or module BTFs", `kfunc "bpf_rdonly_cast": not supported`,
			"extern (func ksym) 'bpf_cast_to_kern_ctx': not found in kernel or module BTFs", `kfunc "bpf_cast_to_kern_ctx": not supported`,
			"calling kernel function bpf_rdonly_cast is not allowed", "calling kernel function bpf_cast_to_kern_ctx is not allowed"},
		Means:    "the kernel does not have what a walk is made with: bpf_rdonly_cast and bpf_cast_to_kern_ctx came with Linux 6.2, and want BTF (CONFIG_DEBUG_INFO_BTF)",
		Do:       "use a kernel from 6.2 on, or rewrite with --reach meta, which any kernel takes",
		Inserted: "use a kernel from 6.2 on, or rewrite with --reach meta, which any kernel takes",
		From:     "libbpf.c bpf_object__resolve_ksym_func_btf_id; cilium/ebpf linker.go fixupKfuncs", Whole: true,
	},
	{
		Says: []string{"Unknown type ID %lld passed to kfunc bpf_rdonly_cast", "kfunc bpf_rdonly_cast type ID argument must be of a struct",
			"kfunc bpf_rdonly_cast type ID argument must be of a struct or void"},
		Means:    otherKernel,
		Do:       "give bpf_rdonly_cast a struct of vmlinux: bpf_core_type_id_kernel(struct ...)",
		Inserted: "rewrite the program again with --btf of the kernel that is to run it, or without --btf for any kernel",
		From:     "check_special_kfunc, check_kfunc_call",
	},
	{
		Says:  []string{"failed to iterate BTF objects: %d", "failed to get BTF object #%d FD: %d"},
		Means: "libbpf looks for kernel functions and for types in the BTF of modules as well, and the kernel shows that to CAP_SYS_ADMIN alone",
		Do: "load it as root, or with CAP_SYS_ADMIN; cilium/ebpf (and hintjit load) reads /sys/kernel/btf and needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON only;" +
			" or rewrite with --reach meta",
		From: "libbpf.c load_module_btfs; kernel/bpf/syscall.c bpf_btf_get_fd_by_id", Whole: true,
	},
	{
		Says: []string{"invalid kernel function call not eliminated in verifier pass", "invalid func unknown#233685214", "invalid func unknown#2002%d", "unknown kfunc", "<invalid kfunc call>",
			"kfunc '%s' is referenced but wasn't resolved", "kernel btf_id %u is not a function", "kernel btf_id %d is not a function"},
		Means:    "the program calls a kernel function that this kernel does not have, on a way that it does not rule out; from hintjit that is hintjit_no_way_to_NIC_descriptor (no way to the descriptor is known in this kernel's driver) or hintjit_rewritten_for_another_kernel",
		Do:       "ask bpf_ksym_exists(function) before the call, or use a kernel that has it",
		Inserted: "load the driver's module before the program, so that its types are there; with --btf, rewrite the program again for this kernel",
		From:     "check_helper_call, fixup_kfunc_call; cilium/ebpf prog.go kfuncBadCall, libbpf.c POISON_CALL_KFUNC_BASE", Whole: true, Missing: true,
	},
	{
		Says: []string{"invalid func unknown#195896080", "bad CO-RE relocation", "<invalid CO-RE relocation>",
			"failed to resolve CO-RE relocation %s"},
		Means:    "the instruction reads a member or type that this kernel does not have (a CO-RE record that the loader could not answer, on a way that the program does not rule out)",
		Do:       "ask bpf_core_field_exists or bpf_core_type_exists before reading it",
		Inserted: "the driver on this kernel keeps its structures differently, or its module is not loaded: load it and try again, or rewrite with --btf /sys/kernel/btf on this machine, which says what is missing",
		From:     "check_helper_call; cilium/ebpf prog.go coreBadCall, libbpf.c fixup_log_failed_core_relo",
	},
	{
		Says:  []string{"BPF map '%s' is referenced but wasn't created", "<invalid BPF map reference>"},
		Means: "code that is reached uses a map that the loader was told not to create (bpf_map__set_autocreate)",
		Do:    "let the loader create the map, or leave out the code that uses it",
		From:  "libbpf.c fixup_log_missing_map_load",
	},
	{
		Says:  []string{"extern (func ksym) '%s': not found in kernel or module BTFs", `kfunc "%s": not supported`},
		Means: "the program calls the kernel function $1, which this kernel does not have, or has in a module that is not loaded",
		Do:    "load the module, declare it __weak and ask bpf_ksym_exists, or use a kernel that has it",
		From:  "libbpf.c bpf_object__resolve_ksym_func_btf_id; cilium/ebpf linker.go fixupKfuncs", Whole: true,
	},
	{
		Says:  []string{"metadata kfuncs require device-bound program", "metadata kfuncs can't be offloaded"},
		Means: "the program calls bpf_xdp_metadata_rx_hash or another of the metadata functions, which the kernel takes only from a program that is loaded for one interface (BPF_F_XDP_DEV_BOUND_ONLY with prog_ifindex)",
		Do:    "load it bound to the interface, or read the hint by hintjit_rx, which needs no binding",
		From:  "kernel/bpf/offload.c bpf_dev_bound_kfunc_check",
	},
	{
		Says:  []string{"calling kernel function %s is not allowed"},
		Means: "the kernel does not give $1 to programs of this type",
		Do:    "leave the call out, or make it in a program of a type that may",
		From:  "check_kfunc_call",
	},
	{
		Says: []string{"calling kernel function is not supported without CONFIG_DEBUG_INFO_BTF", "failed to find BTF for kernel function",
			"JIT is required for calling kernel function", "JIT does not support calling kernel function",
			"calling kernel functions are not allowed in non-JITed programs"},
		Means:    "kernel functions (a walk calls two) can be called only on kernels with BTF and with the JIT on",
		Do:       "sysctl net.core.bpf_jit_enable=1; a kernel without CONFIG_DEBUG_INFO_BTF can not run it",
		Inserted: "sysctl net.core.bpf_jit_enable=1; on a kernel without CONFIG_DEBUG_INFO_BTF rewrite with --reach meta",
		From:     "add_kfunc_call, fixup_call_args", Whole: true,
	},

	// Licence and capabilities.
	{
		Says: []string{"cannot call kernel function from non-GPL compatible program", "cannot call GPL-restricted function from non-GPL compatible program",
			"Cannot access kernel 'struct %s' from non-GPL compatible program"},
		Means:    "the program's licence is not compatible with the GPL, and the kernel gives this function only to programs whose licence is",
		Do:       `declare one of the kernel's list, if you may: char LICENSE[] SEC("license") = "GPL", "Dual BSD/GPL", "Dual MIT/GPL" ...; or leave the call out`,
		Inserted: `declare one of the kernel's list, if you may: char LICENSE[] SEC("license") = "GPL", "Dual BSD/GPL", "Dual MIT/GPL" ...; or rewrite with --reach meta, which needs none`,
		From:     "add_kfunc_call, check_helper_call, check_ptr_to_btf_access",
	},
	{
		Says: []string{"'struct %s' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN",
			"pointer arithmetic with it prohibited for !root", "R%d pointer comparison prohibited",
			"R%d variable stack access prohibited for !root, var_off=%s off=%d", "R%d leaks addr into map", "R%d leaks addr into mem",
			"R%d leaks addr into packet", "R%d leaks addr into ctx", "R%d leaks addr into helper function", "R%d leaks addr as return value",
			"R%d pointer arithmetic of map value goes out of range, prohibited for !root", "attempt to corrupt spilled pointer on stack",
			"R%d pointer %s pointer prohibited", "R%d partial copy of pointer"},
		Means:    "the process that loads lacks CAP_PERFMON: without it the kernel lets a program neither read kernel memory (a walk) nor show what a pointer's number is",
		Do:       "load it as root or with CAP_PERFMON besides CAP_BPF and CAP_NET_ADMIN; or do not compare, store or return pointers",
		Inserted: "load it as root or with CAP_PERFMON besides CAP_BPF and CAP_NET_ADMIN",
		From:     "check_ptr_to_btf_access, sanitize_err, check_mem_access, check_cond_jmp_op (env->allow_ptr_leaks)",
	},
	{
		Says: []string{"loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN",
			"calling kernel functions requires CAP_BPF or CAP_SYS_ADMIN"},
		Means: "the process that loads lacks CAP_BPF",
		Do:    "load it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON",
		From:  "add_subprog_and_kfunc", Whole: true,
	},
	{
		Says: []string{"program of this type cannot use helper %s#%d", "unknown func %s#%d"},
		Means: "the kernel does not give the helper $1 to this program: not to programs of its type, or not without CAP_PERFMON (bpf_probe_read_kernel, bpf_trace_printk ...), or not under lockdown" +
			" (cat /sys/kernel/security/lockdown)",
		Do:   "leave the call out, or load it as root on a kernel that is not locked down; an XDP program has the helpers of xdp_func_proto (net/core/filter.c)",
		From: "check_helper_call; kernel/bpf/helpers.c bpf_base_func_proto",
	},
	{
		Says:  []string{"invalid func %s#%d"},
		Means: "the program calls a helper that this kernel does not know: it is newer than the kernel",
		Do:    "use an older helper, or ask bpf_core_enum_value_exists(enum bpf_func_id, ...) before the call",
		From:  "check_helper_call",
	},

	// Limits.
	{
		Says: []string{"BPF program is too large. Processed %d insn"},
		Means: "not the size: following every way through the program the verifier came by more than a million instructions, and gave up. Each test of a hint doubles the ways that follow it" +
			" unless they come together with the same values in registers and on the stack",
		Do: "give the verifier less to follow: put parts into functions of their own that are not static (verified once), copy the hints once (struct hintjit_rx c = *h), read fewer," +
			" make loops shorter or bpf_loop of them",
		From: "do_check, BPF_COMPLEXITY_LIMIT_INSNS", Whole: true, Grows: true,
	},
	{
		Says:  []string{"The sequence of %d jumps is too complex.", "The sequence of %d jumps is too complex for async cb."},
		Means: "too many branches were left open on one way: more than $1 tests in a row whose other side is still to be followed",
		Do:    "split the function: parts that are not static functions are verified for themselves; replace long chains of if or switch by a map or an array",
		From:  "push_stack, BPF_COMPLEXITY_LIMIT_JMP_SEQ", Grows: true,
	},
	{
		Says: []string{"combined stack size of %d calls is %d. Too large"},
		Means: "$1 functions that call one another take $2 bytes of stack together, and 512 is all they have." +
			" hintjit keeps words of the descriptor, and a struct that is copied, on the stack of the function that reads them",
		Do:   "use less stack in the functions of this chain, make one of them inline, or read fewer hints in it; large buffers go into a per-CPU array",
		From: "check_max_stack_depth", Whole: true, Grows: true,
	},
	{
		Says:  []string{"stack size of subprog %d is %d. Too large"},
		Means: "function number $1 of the program takes $2 bytes of stack, and 512 is all it has",
		Do:    "use less stack in it, or read fewer hints in it; large buffers go into a per-CPU array",
		From:  "check_max_stack_depth", Whole: true, Grows: true,
	},
	{
		Says:  []string{"tail_calls are not allowed when call stack of previous frames is %d bytes. Too large"},
		Means: "a function makes a tail call while its callers hold $1 bytes of stack, and 256 is all they may",
		Do:    "make the tail call in the program itself, or use less stack in the functions above it; hints that are kept there count",
		From:  "check_max_stack_depth", Whole: true, Grows: true,
	},
	{
		Says:  []string{"the call stack of %d frames is too deep !"},
		Means: "functions call one another $1 deep, and 8 is all there is",
		Do:    "make some of them __always_inline",
		From:  "check_max_stack_depth", Whole: true,
	},
	{
		Says:  []string{"the call stack of %d frames is too deep"},
		Means: "functions call one another $1 deep, and 8 is all there is",
		Do:    "make some of them __always_inline",
		From:  "setup_func_entry",
	},
	{
		Says:  []string{"insn %d cannot be patched due to 16-bit range"},
		Means: "a branch has become too long for its 16 bits when the kernel replaced an instruction by several",
		Do:    "compile with -mcpu=v4, which has branches of 32 bits, or split the function",
		From:  "adjust_insn_aux_data, bpf_adj_branches", Whole: true, Grows: true,
	},
	{
		Says:  []string{"The total number of maps per program has reached the limit of %u"},
		Means: "the program uses more than $1 maps",
		Do:    "put values into one map, or split the program",
		From:  "add_used_map", Whole: true,
	},

	// The shape of the code.
	{
		Says:  []string{"back-edge from insn %d to %d"},
		Means: "the program has a loop, and the process that loads lacks CAP_BPF, or the kernel is older than 5.3",
		Do:    "load it as root; or unroll the loop: #pragma unroll",
		From:  "push_insn",
	},
	{
		Says:  []string{"infinite loop detected at insn %d", "back-edge is not allowed"},
		Means: "the loop does not end as far as the verifier sees: it came by again with nothing changed that it looks at",
		Do:    "let the loop count up to a constant that the verifier sees: for (i = 0; i < 16; i++), with the other conditions inside",
		From:  "is_state_visited",
	},
	{
		Says:  []string{"unreachable insn %d"},
		Means: "no way leads to this instruction",
		Do:    "compile with -O2, which leaves out what is never run; code after a function that does not return (__builtin_unreachable, BUG) is of this kind",
		From:  "check_cfg",
	},
	{
		Says:  []string{"jump out of range from insn %d to %d", "jump into the middle of ldimm64 insn %d"},
		Means: "a branch leads out of its function, or into the middle of an instruction: the object is damaged, or a tool that edited it got a distance wrong",
		Do:    "compile the object anew",
		From:  "check_subprogs, check_cfg",
	},
	{
		Says:  []string{"last insn is not an exit or jmp"},
		Means: "a function goes on past its last instruction",
		Do:    "return a value on every way; code after __builtin_unreachable is not made",
		From:  "check_subprogs",
	},
	{
		Says: []string{"unknown opcode %02x", "BPF_MOV uses reserved fields", "BPF_ALU uses reserved fields", "BPF_JA uses reserved fields",
			"BPF_LDX uses reserved fields", "BPF_STX uses reserved fields", "BPF_END uses reserved fields", "invalid BPF_JMP/JMP32 opcode %x", "invalid BPF_ALU opcode %x",
			"BPF_ATOMIC uses invalid atomic opcode %02x"},
		Means: "the kernel does not know this instruction: the program was compiled for a newer one (-mcpu=v4 needs Linux 6.6)",
		Do:    "compile with -mcpu=v3, or -mcpu=v2 before Linux 5.12",
		From:  "do_check, check_alu_op, resolve_pseudo_ldimm64",
	},
	{
		Says: []string{"func_info BTF section doesn't match subprog layout in BPF program", "number of funcs in func_info doesn't match number of subprogs",
			"missing bpf_line_info for func#%u", "missing btf func_info", "Invalid line_info[%u].insn_off:%u (prev_offset:%u prog->len:%u)",
			"Invalid insn code at line_info[%u].insn_off"},
		Means: "the records in .BTF.ext do not fit the code: a tool that edited the object did not move them along",
		Do:    "compile the object anew with -g; if it comes from hintjit, report it",
		From:  "check_btf_func, check_btf_line", Whole: true,
	},
	{
		Says: []string{"mixing of tail_calls and bpf-to-bpf calls is not supported", "tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls",
			"tail_call is not allowed in subprogs without BTF", "tail_call is only allowed in functions that return 'int'."},
		Means: "the program both calls functions and makes tail calls, in a way that this kernel does not take: it wants x86-64 or arm64 with the JIT on, BTF, and functions that return int",
		Do:    "make functions __always_inline, or make the tail call in the program itself",
		From:  "check_helper_call, fixup_call_args, check_abnormal_return",
	},

	// Packets.
	{
		Says: []string{"invalid access to packet, off=%d size=%d, R%d(id=%d,off=%d,r=%d)", "invalid access to packet, off=%d size=%d, %s(id=%d,off=%d,r=%d)",
			"R%d offset is outside of the packet", "%s offset is outside of the packet"},
		Means: "the program looks at bytes of the packet that it has not compared with data_end on this way: the packet may be shorter",
		Do: "compare first: if ((void *)(p + 1) > (void *)(long)ctx->data_end) return XDP_PASS; read by that same pointer; load data and data_end anew and compare again after" +
			" bpf_xdp_adjust_head, _tail, _meta and every other helper that can move the packet",
		From: "check_packet_access, find_good_pkt_pointers",
	},
	{
		Says:  []string{"cannot write into packet", "the prog does not allow writes to packet data", "helper access to the packet is not allowed"},
		Means: "this program or helper may not touch the packet's bytes",
		Do:    "copy them to the stack first, or use another helper: bpf_xdp_load_bytes, bpf_xdp_store_bytes",
		From:  "may_access_direct_pkt_data",
	},
	{
		Says: []string{"math between %s pointer and register with unbounded min value is not allowed"},
		Means: "a number is added to a pointer ($1) of which the verifier does not know how low it can be: it may be negative." +
			" A byte swap, a sign extension or a signed comparison leaves it that way",
		Do:   "bound it first: make it unsigned and mask it (n &= 0xff), or compare it with both ends",
		From: "adjust_ptr_min_max_vals, check_reg_sane_offset",
	},
	{
		Says: []string{"math between %s pointer and %lld is not allowed", "%s pointer offset %d is not allowed", "value %lld makes %s pointer be out of bounds",
			"R%d already has an offset outside the verifier's safe range [-%u, %u] for %s."},
		Means: "the number that is added to a pointer is so large that no memory can be meant",
		Do:    "bound it first: mask it (n &= 0xff), or compare it with the size of what the pointer leads to",
		From:  "check_reg_sane_offset",
	},

	// Memory and pointers.
	{
		Says: []string{"R%d invalid mem access '%s_or_null'", "R%d pointer arithmetic on %s prohibited, null-check it first",
			"R%d may be NULL (%s). Pointer arithmetic is allowed only after the program proves the pointer is non-NULL on this path.",
			"Possibly NULL pointer passed to helper arg%d", "Possibly NULL pointer passed to trusted arg%d", "Possibly NULL pointer passed to trusted %s"},
		Means: "the pointer can be NULL: bpf_map_lookup_elem, bpf_ringbuf_reserve and others return it where there is nothing",
		Do:    "compare it with NULL on every way to this place, the pointer itself and not a copy that was made before",
		From:  "check_mem_access, adjust_ptr_min_max_vals, check_func_arg",
	},
	{
		Says: []string{"R%d invalid mem access 'scalar'", "R%d invalid mem access 'inv'"},
		Means: "the program reads or writes where a number leads, and not a pointer that the verifier knows: pointers are lost when they are cut to 32 bits, put together from" +
			" bytes, loaded from memory that has no type, or kept over a helper that takes them away",
		Do:   "keep the pointer as it came; after bpf_xdp_adjust_head, _tail or _meta load it anew from ctx; read kernel memory by bpf_probe_read_kernel",
		From: "check_mem_access",
	},
	{
		Says:  []string{"R%d invalid mem access '%s'"},
		Means: "memory of this kind ($2) can not be looked at by a load or store",
		Do:    "hand the pointer to the helper that is made for it",
		From:  "check_mem_access",
	},
	{
		Says: []string{"R0 !read_ok"},
		Means: "the function returns, or goes on, with no value in R0: on this way none was set, or the call whose result was meant returns nothing." +
			" A function without a return statement on some way looks so",
		Do:   "return a value on every way",
		From: "check_reg_arg",
	},
	{
		Says: []string{"R%d !read_ok", "R%d is not readable", "R%d is not readable here. A previous operation invalidated this register, so the verifier cannot use it as an input.",
			"R%d is not readable here. It may never have been initialized, or an earlier operation may have invalidated it.",
			"R%d has never been initialized on this path, so the verifier cannot use it as an input."},
		Means: "the register holds nothing on this way: a variable without a value, or one in R1 to R5, which every call leaves empty",
		Do:    "give the variable a value where it is declared; compile with -Wall -Wextra, which names most of them; declare functions as they are defined",
		From:  "check_reg_arg",
	},
	{
		Says: []string{"invalid read from stack R%d off %d+%d size %d", "invalid%s read from stack R%d off %d+%d size %d", "invalid read from stack off %d+%d size %d",
			"invalid read from stack R%d var_off %s+%d size %d", "invalid%s read from stack R%d var_off %s+%d size %d",
			"invalid read from stack %s off %d+%d size %d", "invalid read from stack %s var_off %s+%d size %d"},
		Means: "bytes of the stack are read or handed to a helper that nothing was written to: a struct whose padding was never set is the usual one",
		Do:    "set the whole of it: struct s x = {}; or __builtin_memset(&x, 0, sizeof(x)) where it has padding",
		From:  "check_stack_read_fixed_off, check_stack_range_initialized",
	},
	{
		Says: []string{"invalid%s stack R%d off=%d size=%d", "invalid%s stack %s off=%lld size=%d", "invalid variable-offset%s stack R%d var_off=%s off=%d size=%d",
			"invalid variable-offset%s stack R%d var_off=%s size=%d", "invalid unbounded variable-offset%s stack R%d", "invalid unbounded variable-offset%s stack %s",
			"invalid variable-offset%s stack %s var_off=%s off=%d size=%d"},
		Means: "the address is outside of the function's 512 bytes of stack, or an index into them is not bounded; or, without CAP_PERFMON, what is read was never written to",
		Do:    "bound the index by the array's size (i &= 15); set variables before use; move large buffers into a per-CPU array; hints that are kept take stack too",
		From:  "check_stack_access_within_bounds", Grows: true,
	},
	{
		Says:  []string{"frame pointer is read only"},
		Means: "the program writes to R10, the frame pointer",
		Do:    "compile it anew; assembler may only read R10",
		From:  "check_reg_arg",
	},
	{
		Says: []string{"invalid access to map value, value_size=%d off=%d size=%d", "invalid access to map key, key_size=%d off=%d size=%d",
			"invalid access to memory, mem_size=%u off=%d size=%d", "R%d max value is outside of the allowed memory range", "R%d min value is outside of the allowed memory range",
			"R%d unbounded memory access, make sure to bounds check any such access",
			"R%d min value is negative, either use unsigned index or do a if (index >=0) check."},
		Means: "the address can be outside of the value that the pointer leads to: as far as the verifier knows, the index is not within it",
		Do:    "compare the index with the number of elements right before, as an unsigned number, or mask it: v->a[i & 15]; if the compiler compares another copy of it, asm volatile (\"\" : \"+r\"(i)) keeps them one",
		From:  "__check_mem_access, check_mem_region_access",
	},
	{
		Says:  []string{"write into map forbidden, value_size=%d off=%d size=%d", "read from map forbidden, value_size=%d off=%d size=%d", "write into map forbidden"},
		Means: "the map is read-only to programs, or write-only: constants (.rodata) and maps with BPF_F_RDONLY_PROG or BPF_F_WRONLY_PROG",
		Do:    "write to another map, or to a variable that is not const",
		From:  "check_map_access_type",
	},
	{
		Says: []string{"R%d unbounded memory access, use 'var &= const' or 'if (var < const)'", "R%d min value is negative, either use unsigned or 'var &= const'",
			"R%d invalid zero-sized read: u64=[%lld,%lld]", "R%d invalid zero-sized read"},
		Means: "the length that is given to a helper is not bounded, or may be 0",
		Do:    "bound it right before the call, as an unsigned number: if (len > 0 && len <= sizeof(buf)), or len &= 63",
		From:  "check_mem_size_reg",
	},
	{
		Says:  []string{"R%d type=%s expected="},
		Means: "the function wants another kind of argument in R$1: it has $2",
		Do:    "hand over what is expected: a pointer to the stack or to a map's value for keys and buffers, the map itself, the context as it came",
		From:  "check_reg_type",
	},
	{
		Says: []string{"invalid bpf_context access off=%d size=%d"},
		Means: "the context has no such member, or it may not be read in this size or written: of struct xdp_md all members are 32 bits wide and are read only; egress_ifindex" +
			" is there for programs of a devmap alone",
		Do:   "read members by name and with their own type; change the packet by helpers",
		From: "check_ctx_access; net/core/filter.c xdp_is_valid_access",
	},
	{
		Says: []string{"dereference of modified %s ptr R%d off=%d disallowed", "dereference of modified %s ptr %s off=%lld disallowed", "variable %s access var_off=%s disallowed",
			"negative offset %s ptr R%d off=%d disallowed"},
		Means: "a pointer of this kind ($1) has to be used as it came: the compiler, or the program, added to it before the load",
		Do:    "read members by name from the pointer itself; barrier_var(ctx) or a volatile access keeps the compiler from moving the addition out",
		From:  "__check_ptr_off_reg",
	},
	{
		Says:  []string{"misaligned %saccess off %s+%d+%d size %d", "misaligned packet access off %d+%s+%d+%d size %d", "misaligned packet access off %d+%s+%d size %d", "misaligned %saccess off %s+%d size %d"},
		Means: "the access is not at a multiple of its size, which the stack always wants, and packets on machines without unaligned access",
		Do:    "declare the struct packed, so that it is read in pieces, or align the member",
		From:  "check_ptr_alignment",
	},
	{
		Says: []string{"R%d pointer arithmetic on %s prohibited", "R%d holds %s. This pointer kind does not allow offset arithmetic.",
			"R%d 32-bit pointer arithmetic prohibited", "R%d holds %s. 32-bit ALU operations on pointers discard pointer tracking, so the verifier cannot keep the result as a safe pointer.",
			"R%d bitwise operator %s on pointer prohibited", "R%d holds %s. Bitwise operator %s would destroy the pointer value the verifier is tracking.",
			"R%d pointer arithmetic with %s operator prohibited", "R%d holds %s. Operator %s is not one of the limited pointer arithmetic operations the verifier can track.",
			"R%d subtraction from stack pointer prohibited", "R%d is a stack pointer. The verifier does not allow BPF_SUB to move stack pointers.",
			"R%d tried to subtract pointer from scalar", "R%d pointer arithmetic prohibited"},
		Means: "what is done to this pointer is not adding or subtracting a number, or pointers of this kind take neither",
		Do:    "compute with numbers and add the result to the pointer last; no pointer fits 32 bits: cast through (long), not (int)",
		From:  "adjust_ptr_min_max_vals, check_alu_op",
	},
	{
		Says:  []string{"access beyond struct %s at off %u size %u", "access beyond the end of member %s (mend:%u) in struct %s with off %u size %u"},
		Means: "the load goes past the end of the kernel's struct $1",
		Do:    "read members by name, with CO-RE records (preserve_access_index)",
		From:  "kernel/bpf/btf.c btf_struct_walk",
	},
	{
		Says:  []string{"only read is supported", "only read from %s is supported", "R%d cannot write into %s"},
		Means: "memory of this kind is read only",
		Do:    "copy it, and change the copy",
		From:  "check_ptr_to_btf_access, check_mem_access",
	},
	{
		Says:  []string{"R%d is ptr_%s invalid negative access: off=%d", "R%d is ptr_%s invalid variable offset: off=%d, var_off=%s"},
		Means: "a struct of the kernel ($2) is read at an offset that is negative or not a constant",
		Do:    "read members by name; for a computed offset use bpf_probe_read_kernel",
		From:  "check_ptr_to_btf_access",
	},

	// What is taken has to be given back.
	{
		Says: []string{"Unreleased reference id=%d alloc_insn=%d", "%s would lead to reference leak"},
		Means: "the program ends, on this way, without giving back what it took: a record of bpf_ringbuf_reserve that was neither submitted nor discarded," +
			" a socket of bpf_sk_lookup_* that was not released",
		Do:   "give it back on every way out, those that are taken for errors among them: bpf_ringbuf_discard, bpf_sk_release",
		From: "check_reference_leak",
	},
	{
		Says: []string{"R%d must be referenced when passed to release function", "func %s#%d reference has not been acquired before", "kfunc %s#%d reference has not been acquired before",
			"arg %d is an unacquired reference"},
		Means: "something is given back that was not taken, or was given back already",
		Do:    "give back, once, the very pointer that the function returned, after comparing it with NULL",
		From:  "release_reference, check_func_arg",
	},
	{
		Says:  []string{"function calls are not allowed while holding a lock", "global function calls are not allowed while holding a lock,", "%s cannot be used inside bpf_spin_lock-ed region", "helper call might sleep in a non-sleepable prog"},
		Means: "this may not be called here: a lock is held, or the helper may sleep and the program may not",
		Do:    "call it before the lock is taken or after it is given back",
		From:  "check_func_call, check_helper_call",
	},
	{
		Says:  []string{"cannot pass map_type %d into func %s#%d"},
		Means: "the helper $2 is not for maps of this type",
		Do:    "use a map of the type that the helper is made for: bpf_redirect_map wants a devmap, cpumap or xskmap, bpf_tail_call a program array",
		From:  "check_map_func_compatibility",
	},
	{
		Says:  []string{"fd %d is not pointing to valid bpf_map", "fd %d is not pointing to valid bpf_map or btf"},
		Means: "an instruction refers to a map that the loader has not created, or that was closed",
		Do:    "load the object with a loader that creates its maps; do not close the file descriptors before",
		From:  "resolve_pseudo_ldimm64",
	},
	{
		Says: []string{"At program exit the register R0 is not a known value (%s)", "At %s the register %s ", "%s the register R%d is not a known value (%s)", "%s the register %s has",
			"At subprogram exit the register R0 is not a scalar value (%s)", "At subprogram exit the register R%d is not a scalar value (%s)",
			"cannot return stack pointer to the caller", "R0 not a scalar value"},
		Means: "what the function returns is no number that may be returned here",
		Do:    "return one of the values that the program's type allows: XDP_PASS, XDP_DROP ...; a function that is not static returns numbers only",
		From:  "check_return_code, prepare_func_exit",
	},
	{
		Says:  []string{"Caller passes invalid args into func#%d", "Caller passes invalid args into func#%d ('%s')", "arg#%d expected pointer to ctx, but got %s"},
		Means: "a function that is not static is verified for itself, by its types alone, and this call hands it what does not fit them",
		Do:    "make the function static, or hand over the context as it came, numbers, and pointers to what has a size",
		From:  "btf_check_subprog_call, check_func_call",
	},
	{
		Says:  []string{"verifier bug:", "verifier internal error:"},
		Means: "the kernel's verifier contradicted itself: this is a fault of the kernel",
		Do:    "report it to bpf@vger.kernel.org with the object; a newer kernel may have it mended",
		From:  "verifier_bug in include/linux/bpf_verifier.h",
	},

	// Refused with an error number alone.
	{
		Says: []string{"BPF_PROG_LOAD: EPERM"},
		Means: "the process may not load programs: it lacks CAP_BPF or CAP_NET_ADMIN, or is in a user namespace of its own (a container), where capabilities do not count for BPF;" +
			" or a security module or kernel lockdown forbids it; before Linux 5.11 also a limit on locked memory",
		Do:   "load it as root outside of the container; raise the limit (ulimit -l unlimited); dmesg and cat /sys/kernel/security/lockdown tell of the rest",
		From: "kernel/bpf/syscall.c bpf_prog_load", Whole: true,
	},
	{
		Says:  []string{"BPF_PROG_LOAD: EACCES"},
		Means: "the verifier refused the program, and its log is not here",
		Do:    "have the loader show the log: bpftool -d, xdp-loader -vv, libbpf's print callback, errors.As(err, &verifierError) in Go",
		From:  "do_check", Whole: true,
	},
	{
		Says: []string{"BPF_PROG_LOAD: EINVAL"},
		Means: "the kernel does not know something that was asked for before it looked at the code: the program's type or a flag (xdp.frags needs Linux 5.18), the form of its BTF," +
			" or the object was compiled for a machine of the other byte order; or the verifier refused it and its log is not here",
		Do:   "have the loader show the log: bpftool -d, xdp-loader -vv; look at the section's name and at the kernel's version",
		From: "kernel/bpf/syscall.c bpf_prog_load", Whole: true,
	},
	{
		Says:  []string{"BPF_PROG_LOAD: E2BIG"},
		Means: "the program has more instructions than the kernel takes: a million, or 4096 without CAP_BPF; or the verifier followed more than a million, and its log is not here",
		Do:    "split it into programs that tail-call one another; without CAP_BPF, load it as root",
		From:  "kernel/bpf/syscall.c bpf_prog_load", Whole: true,
	},
	{
		Says:  []string{"BPF_PROG_LOAD: ENOSPC"},
		Means: "the verifier's log did not fit the loader's buffer, and so what it says is not here",
		Do:    "have the loader take a larger one (LogSizeStart in cilium/ebpf, kernel_log_size in libbpf), or a lower log level",
		From:  "kernel/bpf/log.c bpf_vlog_finalize", Whole: true,
	},
	{
		Says:  []string{"BPF_PROG_LOAD: ENOTSUPP"},
		Means: "the verifier took the program, and the JIT did not: it is off and the program can not be interpreted, or it does not know an instruction or a kernel function on this machine",
		Do:    "sysctl net.core.bpf_jit_enable=1; compile with a lower -mcpu",
		From:  "kernel/bpf/core.c bpf_prog_select_runtime", Whole: true,
	},
	{
		Says:  []string{"BPF_PROG_LOAD: ENOMEM", "BPF_MAP_CREATE: ENOMEM"},
		Means: "the kernel has no memory for it, or the control group's limit is reached",
		Do:    "make maps smaller (max_entries), or raise the group's memory.max",
		From:  "kernel/bpf/syscall.c", Whole: true,
	},
	{
		Says:  []string{"BPF_PROG_LOAD: EFAULT"},
		Means: "the verifier gave up: more than 8192 tests in a row are left open on one way, or it contradicted itself, which is a fault of the kernel",
		Do:    "have the loader take a larger log buffer (LogSizeStart in cilium/ebpf) to see which; dmesg tells of faults of the kernel",
		From:  "verifier_bug in include/linux/bpf_verifier.h", Whole: true,
	},
	{
		Says: []string{"BPF_MAP_CREATE: EPERM"},
		Means: "the process may not create this map: it lacks CAP_BPF (or CAP_NET_ADMIN, for devmaps and the like), is in a user namespace of its own, or, before Linux 5.11, is over" +
			" its limit on locked memory, which maps count for",
		Do:   "load it as root; raise the limit: ulimit -l unlimited, LimitMEMLOCK=infinity, rlimit.RemoveMemlock() in Go",
		From: "kernel/bpf/syscall.c map_create", Whole: true,
	},
	{
		Says:  []string{"BPF_MAP_CREATE: E2BIG"},
		Means: "the map is larger than the kernel takes: its key, its value, or all its entries together",
		Do:    "make max_entries or the value smaller; a value of a per-CPU map takes 32 KB at most",
		From:  "kernel/bpf/hashtab.c htab_map_alloc_check, arraymap.c array_map_alloc_check", Whole: true,
	},
	{
		Says: []string{"BPF_MAP_CREATE: EINVAL"},
		Means: "the kernel does not know the map's type or a flag of it, or key, value or number of entries are not what the type wants: an array has keys of 4 bytes, a ring buffer" +
			" a number of bytes that is a power of 2 and of whole pages, a hash wants BPF_F_NO_PREALLOC for none but itself",
		Do:   "look at the map's declaration, and at which kernel its type came with",
		From: "kernel/bpf/syscall.c map_create, map_alloc_check of the type", Whole: true,
	},
	{
		Says:  []string{"couldn't reuse pinned map at '%s': parameter mismatch"},
		Means: "a map of this name is pinned already at $1, and has another type or size",
		Do:    "remove it (rm $1) if nobody uses it, or give the map its declaration",
		From:  "libbpf.c bpf_object__reuse_map", Whole: true,
	},
	{
		Says:  []string{"BPF_BTF_LOAD: EPERM"},
		Means: "the process may not load BTF: it lacks CAP_BPF, or is in a user namespace of its own",
		Do:    "load it as root, outside of the container",
		From:  "kernel/bpf/syscall.c bpf_btf_load", Whole: true,
	},
	{
		Says:  []string{"BPF_BTF_LOAD: EINVAL"},
		Means: "the kernel does not take the object's BTF: it has kinds that this kernel does not know, or is damaged",
		Do:    "compile with a clang that is nearer to the kernel's age; if it comes from hintjit, report it",
		From:  "kernel/bpf/btf.c btf_parse", Whole: true,
	},
}

const otherKernel = "the program was rewritten for one kernel, and this is another: types have other numbers here, and the driver may keep its members elsewhere"
