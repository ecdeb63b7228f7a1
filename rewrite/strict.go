package rewrite

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// lengthCheck is how GuardStrict knows the packet's own descriptor: by the length
// that it gives, where it gives one.
type lengthCheck struct {
	length *layouts.Field
	less   int32               // what it counts beside the frame, or less than it: below 0
	when   []layouts.Condition // it is the frame's length then
}

// lengthOf finds the descriptor's word on the frame's length: hint pkt_len, as
// long as it is a field's value and not one of several. ready holds already, or
// the word does not matter.
func lengthOf(d *layouts.Descriptor) *lengthCheck {
	h := d.Hint("pkt_len")
	if h == nil || len(h.Alternatives) != 1 {
		return nil
	}
	a := &h.Alternatives[0]
	if a.From == nil || a.Map != nil || len(a.From.Bits) != 1 {
		return nil
	}
	check := &lengthCheck{length: a.From, when: a.When}
	for _, c := range a.Convert {
		switch {
		case c.With != nil || c.Arg > 1<<8:
			return nil
		case c.Op == layouts.Sub:
			check.less += int32(c.Arg)
		case c.Op == layouts.Add:
			check.less -= int32(c.Arg)
		default:
			return nil
		}
	}
	for _, c := range a.When {
		if len(c.Field.Bits) != 1 || d.StateOf(c.Field.Bits[0].Word) != nil {
			return nil
		}
	}
	return check
}

// packetLength is under what name a walker keeps the packet's length.
const packetLength = "data_end - data"

// hasFrags is XDP_FLAGS_HAS_FRAGS (include/net/xdp.h): the packet goes on in other
// buffers, and data_end - data is not all of it.
const hasFrags = 1 << 0

// notePacketLength computes what the descriptor's length is to be, while r0 is
// the xdp_buff; -1 when that is not known.
func (k *walker) notePacketLength() {
	if k.strict == nil {
		return
	}
	member := func(name string, form layouts.Integer) asm.Register {
		return k.member(layouts.Operand{Kind: layouts.MemberValue, Value: layouts.XDP,
			Member: layouts.Member{Type: "xdp_buff", Path: []string{name}}, Int: form})
	}
	end, start := member("data_end", pointerForm), member("data", pointerForm)
	k.e.op(asm.Sub.Reg(end, start))
	flags, whole := member("flags", layouts.Integer{Bits: 32}), k.e.label()
	parts := k.e.label()
	k.e.ifImm(asm.JSet, flags, hasFrags, parts)
	k.e.goTo(whole)
	k.e.at(parts)
	k.e.op(asm.Mov.Imm(end, -1))
	k.e.at(whole)
	h := k.preserve()
	k.e.put(h, end)
	k.at[packetLength] = h
	k.last[packetLength] = 2*len(k.way.Steps) + 2 // to the end
	k.unlend(start, end, flags)
}

// checkLength goes to none unless the descriptor gives the packet's length. It is
// called where the memory that has it is entered.
func (k *walker) checkLength(value string) {
	if k.strict == nil || k.baseOf(k.strict.length) != value {
		return
	}
	over := k.e.label()
	for _, c := range k.strict.when {
		if k.baseOf(c.Field) != value {
			return // it can not be told here
		}
		r := k.readField(c.Field)
		if c.Not {
			for _, v := range c.Values {
				k.e.ifImm(asm.JEq, r, int32(v), over)
			}
		} else {
			holds := k.e.label()
			for _, v := range c.Values {
				k.e.ifImm(asm.JEq, r, int32(v), holds)
			}
			k.e.goTo(over)
			k.e.at(holds)
		}
		k.unlend(r)
	}
	r := k.readField(k.strict.length)
	if k.strict.less != 0 {
		k.e.op(asm.Sub.Imm(r, k.strict.less))
	}
	want := k.use(layouts.Operand{Kind: layouts.Named, Value: packetLength})
	k.e.ifImm(asm.JSLT, want, 0, over)
	k.e.ifReg(asm.JNE, r, want, k.none)
	k.e.at(over)
	k.unlend(r, want)
	delete(k.at, packetLength)
	k.strict = nil
}

// baseOf is the value in whose memory a field of one range lies.
func (k *walker) baseOf(f *layouts.Field) string {
	return k.base(&word{index: f.Bits[0].Word})
}

// readField loads a field of one range into a register that is lent.
func (k *walker) readField(f *layouts.Field) asm.Register {
	b := f.Bits[0]
	w := k.e.p.t.cut(b.Word, ones(b.MSB-b.LSB+1)<<b.LSB)
	r := k.lend(k.free())
	k.readWord(&w, r, k.pointer(k.base(&w)))
	if n := b.LSB - w.low; n > 0 {
		k.e.op(asm.RSh.Imm(r, int32(n)))
	}
	if b.MSB-w.low+1 < w.size*8 {
		k.e.keepLow(r, b.MSB-b.LSB+1)
	}
	return r
}
