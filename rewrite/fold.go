package rewrite

import (
	"strings"

	"github.com/hintjit/hintjit/internal/code"
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
	for _, f := range j.funcs {
		fn := j.u.Funcs[f]
		concerned := j.concerns(fn)
		if !concerned && !j.callsConcerned(fn) {
			continue
		}
		if err := j.isXDP(fn); concerned && err != nil {
			return err
		}
		for {
			x, err := find(j.u, fn, j.ds, j.t, j.late[f], j.dirty)
			if err != nil {
				return err
			}
			if j.asked[f] == nil {
				j.asked[f] = j.askedOf(x)
			}
			if foldDecided(x) {
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
			break
		}
	}
	return nil
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
	for i := range f.Insns {
		if r := f.Insns[i].Ref; r.Kind == code.RefExtern && j.u.Externs[r.Index].Name == hintFunc {
			return refuse(f, i, "move it to a section xdp or xdp.frags", "section %s is not one of XDP programs, and hints are those of an XDP program's packet", f.Section)
		}
	}
	return nil
}

// callsConcerned tells whether fn calls functions of the unit: what it does to
// the metadata before is then of interest to them.
func (j *job) callsConcerned(fn *code.Func) bool {
	for i := range fn.Insns {
		if fn.Insns[i].Ref.Kind == code.RefFunc {
			return true
		}
	}
	return false
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
