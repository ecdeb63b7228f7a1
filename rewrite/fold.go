package rewrite

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// concerns tells whether a function has to be looked at: it calls hintjit_rx,
// or asks which hints there are.
func (j *job) concerns(f *code.Func) bool {
	for i := range f.Insns {
		in := &f.Insns[i]
		if in.Ref.Kind == code.RefExtern && j.u.Externs[in.Ref.Index].Name == hintFunc {
			return true
		}
		if in.CORE != nil && in.CORE.Kind != code.FieldByteOffset && asHintStruct(in.CORE.Type) != nil || bitfieldOffset(in) != nil {
			return true
		}
	}
	return false
}

// fold answers field_exists and all else that the NIC decides, takes the
// branches that follow from it, and drops the code that no longer runs.
func (j *job) fold() error {
	for _, f := range j.order {
		switch fn := j.u.Funcs[f]; {
		case !j.selected[f]: // it stays, and what it calls is not the worse for it
			for _, c := range j.calls[f] {
				j.late[c] = j.late[c] || j.late[f] || j.dirty[f]
			}
		case j.concerns(fn) || len(j.calls[f]) > 0:
			if err := j.foldFunc(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// foldFunc folds one function until there is nothing left to fold, and keeps
// what find has seen by then.
func (j *job) foldFunc(f int) error {
	fn := j.u.Funcs[f]
	concerned := j.concerns(fn)
	if err := j.isXDP(fn); concerned && err != nil {
		return err
	}
	for {
		x, err := j.find(f)
		if err != nil {
			return err
		}
		if j.asked[f] == nil {
			j.asked[f] = j.askedOf(f, x)
			j.demanded[f] = nil // which no one asks for again
		}
		if foldDecided(x) {
			j.graphs[f] = nil
			continue
		}
		if len(x.returns) > 0 {
			if err := j.returnNothing(x, f); err != nil {
				return err
			}
			j.graphs[f] = nil
			continue
		}
		for i, n := range x.shifts { // of accesses that stay; loads of hints go
			fn.Insns[i].Offset += int16(n)
		}
		if concerned {
			j.finds[f] = x
		}
		for _, e := range x.enters {
			j.late[e.fn] = j.late[e.fn] || e.late
		}
		return nil
	}
}

// returnNothing lets a function whose result nobody looks at return 0: clang
// leaves in r0 what happens to be there, and the kernel takes no pointer into
// the function's stack (prepare_func_exit in kernel/bpf/verifier.c).
func (j *job) returnNothing(x *found, f int) error {
	if !returnsNothing(x.f) && !j.resultIgnored(f) {
		return refuse(x.f, x.returns[0], "make the function `static __always_inline`, or call hintjit_rx where the hints are read",
			"returns the hint pointer, which ends with the function")
	}
	edit := code.NewEdit(x.f)
	for _, i := range x.returns {
		edit.Insert(i, code.New(asm.Mov.Imm(asm.R0, 0)))
	}
	edit.Apply()
	return nil
}

// returnsNothing tells whether a function is void.
func returnsNothing(f *code.Func) bool {
	if f.Type == nil {
		return false
	}
	proto, ok := f.Type.Type.(*btf.FuncProto)
	if !ok {
		return false
	}
	_, void := btf.UnderlyingType(proto.Return).(*btf.Void)
	return void
}

// resultIgnored tells whether f is a static function whose callers none looks at
// what it returns.
func (j *job) resultIgnored(f int) bool {
	if j.u.Funcs[f].Linkage != code.Static {
		return false
	}
	for g, caller := range j.u.Funcs {
		if !slices.Contains(j.calls[g], f) {
			continue
		}
		looked := false
		j.looks(g, func(i int, after *flow.Bits) {
			if in := &caller.Insns[i]; in.Ref == (code.Ref{Kind: code.RefFunc, Index: int32(f)}) {
				looked = looked || !in.IsCall() || after[asm.R0] != 0 // by its address: the kernel looks at it
			}
		})
		if looked {
			return false
		}
	}
	return true
}

// otherTypes are the section names by which libbpf knows programs that are not
// XDP (src/libbpf.c, section_defs), up to the first slash or dot. Any other name
// may be an XDP program's: iproute2 takes the section it is told.
var otherTypes = map[string]bool{"socket": true, "sk_reuseport": true, "kprobe": true, "uprobe": true, "kretprobe": true,
	"uretprobe": true, "ksyscall": true, "kretsyscall": true, "usdt": true, "tc": true, "tcx": true, "classifier": true,
	"action": true, "netkit": true, "tracepoint": true, "tp": true, "raw_tracepoint": true, "raw_tp": true, "tp_btf": true,
	"fentry": true, "fmod_ret": true, "fexit": true, "lsm": true, "lsm_cgroup": true, "iter": true, "syscall": true,
	"perf_event": true, "lwt_in": true, "lwt_out": true, "lwt_xmit": true, "lwt_seg6local": true, "sockops": true,
	"sk_skb": true, "sk_msg": true, "lirc_mode2": true, "flow_dissector": true, "cgroup_skb": true, "cgroup": true,
	"struct_ops": true, "sk_lookup": true, "netfilter": true}

// isXDP refuses a program of another kind: its packet has no receive
// descriptor, or its context no metadata area.
func (j *job) isXDP(f *code.Func) error {
	kind, _, _ := strings.Cut(strings.TrimPrefix(f.Section, "?"), "/")
	kind, _, _ = strings.Cut(kind, ".")
	if f.Linkage != code.Program || !otherTypes[kind] {
		return nil
	}
	if i := hintCall(j.u, f); i >= 0 {
		return refuse(f, i, "move it to a section xdp or xdp.frags", "section %s is not one of XDP programs, and hints are those of an XDP program's packet", f.Section)
	}
	return nil
}

// foldDecided makes the changes that one find decided; false: none.
func foldDecided(x *found) bool {
	edit := code.NewEdit(x.f)
	for i, n := range x.answers {
		x.f.Insns[i].Constant = n
	}
	for i, taken := range x.decided {
		if !x.reached[x.graph.Of[i]] {
			continue
		}
		if taken {
			edit.Replace(i, code.Goto(x.f.Insns[i].Target))
		} else {
			edit.Replace(i)
		}
	}
	for _, b := range x.graph.Order {
		if !x.reached[b] {
			for i := x.graph.Blocks[b].Start; i < x.graph.Blocks[b].End; i++ {
				edit.Replace(i)
			}
		}
	}
	if edit.Empty() {
		return false
	}
	edit.Apply()
	return true
}
