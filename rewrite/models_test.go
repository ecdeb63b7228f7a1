package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// A want is what a run should leave behind. A model gets it as if the program
// had done nothing and returned XDP_PASS, and changes it the way the program is
// to.
type want struct {
	outcome
	order binary.ByteOrder
	hints map[string]uint64
	given map[string]bool // hints that this NIC can give
}

// What a program returns.
const (
	xdpAborted, xdpDrop, xdpPass, xdpTX = 0, 1, 2, 3
)

// v is h->name.
func (w *want) v(name string) uint64 { return w.hints[name] }

// has is h->has_name.
func (w *want) has(name string) uint64 {
	_, ok := w.hints[name]
	return bit(ok)
}

// or is h->has_name ? h->name : fallback.
func (w *want) or(name string, fallback uint64) uint64 {
	if w.has(name) == 0 {
		return fallback
	}
	return w.v(name)
}

// exists is bpf_core_field_exists(h->name).
func (w *want) exists(name string) uint64 { return bit(w.given[name]) }

// out is what the program writes to its variable out.
func (w *want) out(words ...uint64) { w.Out = words }

// bits is what shapes write of which each test has a word.
func (w *want) bits(words ...bool) {
	for _, b := range words {
		w.Out = append(w.Out, bit(b))
	}
}

// both is a presence bit and a value for each name.
func (w *want) both(names ...string) []uint64 {
	var words []uint64
	for _, name := range names {
		words = append(words, w.has(name), w.v(name))
	}
	return words
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// pack lays values out in memory.
func (w *want) pack(values ...any) []byte {
	var b []byte
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, w.order, v); err != nil {
			panic(err) // a model that packs what has no size
		}
	}
	return b
}

// presence is a byte of bit-fields, the first of which is at the end that the
// byte order starts with.
func (w *want) presence(names ...string) uint8 {
	var b uint8
	for i, name := range names {
		b |= uint8(w.has(name)) << i
	}
	if w.order == binary.BigEndian {
		b = bits.Reverse8(b)
	}
	return b
}

// published is the struct that the shapes copy_map_value, map_update, ringbuf,
// copy_packet, copy_nested and copy_meta hand out.
func (w *want) published() []byte {
	return w.pack(uint32(w.v("rx_hash")), uint32(w.v("ptype")), uint16(w.v("vlan_tci")), uint8(w.v("csum_status")),
		w.presence("rx_hash", "ptype", "vlan_tci", "csum_status"))
}

// networkOrder is htons in the shapes.
func (w *want) networkOrder(v uint16) uint64 {
	if w.order == binary.LittleEndian {
		v = bits.ReverseBytes16(v)
	}
	return uint64(v)
}

// models tells for each program of the shapes what it does.
var models = map[string]func(w *want){
	"widths": func(w *want) { w.out(w.v("csum_status"), w.v("vlan_tci"), w.v("rx_hash"), w.v("rx_timestamp")) },
	"no_records": func(w *want) {
		w.out(w.both("rx_hash", "vlan_tci", "pkt_len")...)
	},
	"header": func(w *want) {
		w.out(w.both("rx_hash", "rx_hash_type", "rx_timestamp", "vlan_tci", "vlan_proto", "inner_vlan_tci",
			"ptype", "csum_status", "csum", "flow_mark", "pkt_len", "rx_queue", "rx_error", "l3_offset",
			"l4_offset", "src_ip4", "dst_ip4", "src_port", "dst_port")...)
	},
	"parts": func(w *want) {
		hash, ptype, tci, ts := w.v("rx_hash"), w.v("ptype"), w.v("vlan_tci"), w.v("rx_timestamp")
		w.out(hash&0xff, hash>>8&0xff, hash>>16, hash>>31, ptype>>8&0xf, tci&0xfff, tci>>13, ts>>32, ts>>40&0xff)
	},
	"part_only": func(w *want) {
		w.out(w.v("rx_hash")>>16, w.v("rx_timestamp")>>24&0xff, w.v("ptype")>>8&0xff, w.v("vlan_tci")>>8,
			uint64(int16(w.v("flow_mark")>>16)), w.v("rx_timestamp")>>32)
	},
	"spanning": func(w *want) {
		b := w.published()
		w.out(w.order.Uint64(b), uint64(w.order.Uint32(b[8:])))
	},
	"sign": func(w *want) {
		hash := w.v("rx_hash")
		w.out(uint64(int32(hash)), uint64(int16(w.v("vlan_tci"))), uint64(int8(w.v("csum_status"))),
			uint64(int8(hash>>8)), uint64(int16(hash>>16)))
	},
	"has_bits": func(w *want) {
		hash, tci, ptype, length := w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("pkt_len")
		w.out(hash, hash&tci, tci|ptype, 1-ptype, tci, hash+tci+ptype+length, bit(hash == tci),
			ptype&tci, 1-hash&length)
	},
	"has_together": func(w *want) {
		hash, tci, ptype, length := w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("pkt_len")
		w.out(hash&length, 1-hash&ptype, tci|ptype)
	},
	"has_union": func(w *want) {
		n := w.has("rx_hash") + w.has("vlan_tci") + w.has("ptype")
		w.out(n, w.v("rx_hash"))
		if n == 0 {
			w.Ret = xdpDrop
		}
	},
	"has_wide": func(w *want) {
		w.out(w.has("rx_hash"), w.has("ptype"), w.has("vlan_tci"), w.has("pkt_len"))
		if w.has("rx_hash")&w.has("vlan_tci") == 1 {
			w.Ret = xdpTX
		}
	},
	"has_loose": func(w *want) {
		w.out(w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("rx_hash"))
	},
	"has_far": func(w *want) {
		w.out(w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("rx_timestamp"), w.v("rx_hash"),
			w.v("csum_status"))
	},
	"has_run": func(w *want) {
		w.out(w.has("rx_hash"), w.has("rx_hash_type"), w.has("rx_timestamp"), w.has("vlan_tci"),
			w.has("vlan_proto"), w.has("ptype"), w.has("csum_status"), w.has("pkt_len")+2*w.has("rx_error"))
	},
	"dst_base":     func(w *want) { w.out(w.v("rx_hash"), w.v("vlan_tci"), w.v("rx_timestamp")) },
	"callee_saved": func(w *want) { w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"), 1) },
	"spilled": func(w *want) {
		w.out(w.v("rx_hash"), w.has("rx_hash")*w.v("ptype"), w.v("vlan_tci"))
	},
	"slot_reused": func(w *want) { w.out(w.v("rx_hash"), 7, w.v("ptype")) },
	"static_func": func(w *want) {
		tag := uint64(99)
		if w.has("vlan_tci") == 1 {
			tag = w.v("rx_hash") ^ w.v("vlan_tci")
		}
		w.out(w.v("rx_hash"), tag, w.v("ptype"))
	},
	"global_func": func(w *want) {
		w.out(2*w.has("rx_hash")+w.has("vlan_tci"), w.v("rx_hash"), w.v("vlan_tci"), w.v("ptype"))
	},
	"branches": func(w *want) {
		words := []uint64{0, 0, w.has("ptype"), 0}
		if w.Packet[0]&1 == 1 {
			words[0] = w.v("rx_hash")
		} else {
			words[1] = w.v("ptype")
		}
		if w.Packet[1]&1 == 1 {
			w.Ret = xdpTX
		} else {
			words[3] = w.v("rx_hash")
		}
		w.out(words...)
	},
	"loop": func(w *want) { w.out(15*w.v("rx_hash") + 5*w.has("rx_hash")) },
	"loop_reads": func(w *want) {
		sum := uint64(0)
		for range 4 {
			sum = 3*sum + w.v("rx_hash") + w.v("vlan_tci")
			if sum&1 == 1 {
				sum += w.v("pkt_len")
			}
		}
		w.out(sum)
	},
	"loop_moves": func(w *want) { w.out((25 + 5 + 1) * (w.v("rx_hash") + 3*w.v("ptype"))) },
	"two_live": func(w *want) {
		hash, ptype := w.v("rx_hash"), w.v("ptype")
		w.out(hash, ptype, w.has("ptype"), uint64(uint32(hash+ptype)))
	},
	"address": func(w *want) { w.out(w.v("rx_hash"), w.v("vlan_tci"), w.v("pkt_len")) },
	"address_select": func(w *want) {
		first, second := w.v("ptype"), w.v("rx_hash")
		if w.Packet[0]&1 == 1 {
			first = w.v("rx_hash")
		}
		if w.Packet[1]&1 == 1 {
			second = w.v("flow_mark")
		}
		w.out(first, second)
	},
	"address_func": func(w *want) { w.out(3*w.v("rx_hash")+1, 3*w.v("ptype")+1, 61, w.v("vlan_tci")) },
	"copy_local": func(w *want) {
		w.out(w.v("rx_timestamp"), w.v("rx_hash"), w.v("vlan_tci"), w.v("csum_status"),
			w.has("rx_timestamp"), w.has("rx_hash"), w.has("vlan_tci"))
	},
	"copy_far": func(w *want) {
		w.out(w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("rx_timestamp"), w.v("rx_timestamp"))
	},
	"copy_map_value": func(w *want) {
		w.Copies = w.published()
		w.out(w.v("rx_hash"), w.has("ptype"))
	},
	"map_update": func(w *want) { w.Copies = w.published() },
	"map_key":    func(w *want) { w.out(bit(w.v("rx_hash") == 0)) },
	"ringbuf":    func(w *want) { w.Events = [][]byte{w.published()} },
	"merged": func(w *want) {
		w.out(77, 0, 1)
		if w.Packet[0]&1 == 1 {
			w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
		}
	},
	"merged_calls": func(w *want) {
		sum := uint64(w.Packet[0]&1) * (w.v("rx_hash") + w.v("ptype"))
		w.out(sum, w.v("rx_hash"), w.has("rx_hash"), w.v("rx_hash"))
	},
	"maybe_null": func(w *want) { w.out(w.v("rx_hash")+3*w.v("vlan_tci"), 8) },
	"packed": func(w *want) {
		w.out(w.v("csum_status"), w.v("rx_hash"), w.v("vlan_tci"), w.v("rx_timestamp"), w.has("rx_hash"))
	},
	"byte_by_byte": func(w *want) {
		sum := uint64(0)
		for _, b := range w.published() {
			sum = 3*sum + uint64(b)
		}
		w.out(sum)
	},
	"core_read": func(w *want) { w.out(w.v("rx_hash"), w.v("vlan_tci"), w.v("rx_timestamp")) },
	"copy_packet": func(w *want) {
		copy(w.Packet, w.published())
		w.out(w.v("rx_hash"))
		w.Ret = xdpTX
	},
	"copy_nested": func(w *want) {
		w.Events = [][]byte{append(w.pack(uint32(0x12345678)), w.published()...)}
		w.out(w.v("ptype"), w.v("vlan_tci"))
	},
	"copy_meta": func(w *want) { w.Meta = w.published() },
	"core_bitfield": func(w *want) {
		w.out(w.has("rx_hash"), w.has("ptype"), w.has("vlan_tci"), w.v("rx_hash"))
	},
	"exists": func(w *want) {
		hash, ts := uint64(0x10000000000), uint64(7)
		if w.has("rx_hash") == 1 {
			hash = w.v("rx_hash")
		}
		if w.exists("rx_timestamp") == 1 {
			ts = w.v("rx_timestamp")
		}
		w.out(hash, ts, w.exists("rx_queue"), w.exists("vlan_tci"), w.exists("rx_hash"))
	},
	"exists_fallback": func(w *want) { w.out(w.v("rx_hash"), 5) },
	"core_info":       func(w *want) { w.out(4, 12, 1, 16, w.v("rx_hash")) },
	"core_foreign":    func(w *want) { w.out(1, w.v("rx_hash"), 0, w.has("rx_hash")) },
	"flavour": func(w *want) {
		w.out(w.v("rx_hash"), w.exists("shelf"), w.has("shelf"), w.v("shelf"), w.has("rx_hash"))
	},
	"all_registers":        func(w *want) { w.out(0x33456789+0, w.v("rx_hash")) },
	"all_registers_branch": func(w *want) { w.out((1+w.has("flow_mark"))<<32 + 0x23456789) },
	"all_registers_keep":   func(w *want) { w.out(0x22345678, w.v("rx_hash"), w.v("ptype")) },
	"big_stack": func(w *want) {
		w.out(w.v("rx_hash"), w.v("ptype"), w.v("vlan_tci"), w.has("rx_hash"), 56*57/2)
	},
	"full_stack": func(w *want) { w.out(w.v("rx_hash"), 64*7) },
	"chain":      func(w *want) { w.out((8+2)+w.v("ptype")+w.has("rx_hash")+(8+5), w.v("rx_hash")) },
	"after_adjust_head": func(w *want) {
		w.Packet = w.Packet[20:]
		w.out(0, w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"after_grow_head": func(w *want) {
		w.Packet = append(w.pack(uint64(0x1111111111111111), uint64(0x2222222222222222)), w.Packet...)
		w.out(0, w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
		w.Ret = xdpTX
	},
	"after_adjust_meta": func(w *want) {
		w.Meta = w.Meta[:0]
		w.out(0, w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"after_adjust_tail": func(w *want) {
		w.Packet = w.Packet[:len(w.Packet)-8]
		w.out(0, w.v("rx_hash"), w.v("pkt_len"), w.has("pkt_len"))
	},
	"after_packet_write": func(w *want) {
		copy(w.Packet, w.pack(uint32(0xdeadbeef), uint32(w.v("rx_hash")), uint32(w.v("vlan_tci")),
			uint32(w.has("rx_hash"))))
		w.Ret = xdpTX
	},
	"after_meta_write": func(w *want) {
		w.overwriteMeta()
		w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"late_call": func(w *want) {
		if w.Packet[31]&1 == 1 {
			w.Ret = xdpTX
			return
		}
		sum := uint64(0)
		for _, b := range w.Packet[:32] {
			sum += uint64(b)
		}
		w.out(sum, sum)
		if w.has("rx_hash") == 1 {
			w.out(sum, w.v("rx_hash"))
		}
	},
	"call_after_adjust_head": func(w *want) {
		w.Packet = w.Packet[20:]
		w.out(0, w.v("rx_hash"), w.v("ptype"))
	},
	"call_after_adjust_meta": func(w *want) {
		w.Meta = bytes.Repeat([]byte{0xff}, 64)
		w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"call_after_shift_meta": func(w *want) {
		if len(w.Meta) < 4 {
			w.Ret = 0 // XDP_ABORTED
			return
		}
		w.Meta = w.Meta[4:]
		w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"call_after_meta_write": func(w *want) {
		w.overwriteMeta()
		w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"adjust_in_sub": func(w *want) {
		w.Meta = w.Meta[:0]
		w.out(0, w.v("rx_hash"), w.has("rx_hash"))
	},
	"adjust_in_loop": func(w *want) {
		w.Meta, w.Packet = w.Meta[:0], w.Packet[12:]
		w.out((49 + 7 + 1) * (w.v("rx_hash") + w.has("rx_hash")))
	},
	"adjust_in_callback": func(w *want) {
		w.overwriteMeta()
		w.out(w.v("rx_hash"), w.v("ptype"))
	},
	"meta_pointer_in_sub": func(w *want) {
		w.overwriteMeta()
		w.out(w.v("rx_hash"), w.v("rx_hash"), w.v("ptype"))
	},
	"sub_call": func(w *want) {
		if w.has("rx_hash") == 1 {
			w.out(w.v("rx_hash"), w.v("rx_hash"))
		} else {
			w.out(1<<40, 1<<41)
		}
	},
	"sub_call_global": func(w *want) { w.out(w.v("rx_hash")&0xffff, w.has("rx_hash")) },
	"tail_call": func(w *want) {
		if w.v("rx_hash")&1 == 1 {
			w.out(w.v("rx_hash"), 0, w.v("ptype"), w.v("rx_hash"))
			w.Ret = xdpTX
		} else {
			w.out(w.v("rx_hash"), w.v("ptype"))
		}
	},
	"tail_target": func(w *want) {
		w.out(0, 0, w.v("ptype"), w.v("rx_hash"))
		w.Ret = xdpTX
	},
	"many_first": func(w *want) { w.out(w.v("rx_hash")+1, w.v("ptype")) },
	"many_plain": func(w *want) {
		w.out(15)
		w.Ret = xdpDrop
	},
	"many_third": func(w *want) { w.out(w.v("rx_hash")+6, w.has("vlan_tci")) },
	"many_frags": func(w *want) { w.out(w.v("vlan_tci"), w.v("rx_hash")) },
	"loop_callback": func(w *want) {
		w.out(4, sumOf32(w.v("rx_hash")), w.has("ptype"), w.v("ptype"))
	},
	"loop_callback_struct": func(w *want) { w.out(4, sumOf32(w.v("rx_hash")), w.v("ptype")) },
	"loop_callback_call":   func(w *want) { w.out(3, 3*w.v("rx_hash")) },
	"null_test":            func(w *want) { w.out(w.v("rx_hash")) },
	"switched": func(w *want) {
		switch l4 := w.v("ptype") >> 8 & 0xf; l4 {
		case 1:
			w.Ret = xdpTX
		case 2:
			w.Ret = xdpDrop
		case 4:
			w.out(4)
		case 5, 6, 7:
			w.out(w.v("ptype"))
		default:
			w.out(0, w.v("ptype")&0xff)
		}
	},
	"network_order": func(w *want) {
		w.out(bit(w.v("vlan_proto") == w.networkOrder(0x8100)), bit(w.v("vlan_proto") != w.networkOrder(0x88a8)),
			bit(w.v("dst_port") == w.networkOrder(443)), w.v("dst_port"), w.v("src_ip4"))
	},
	"arithmetic": func(w *want) {
		hash, length, tci := w.v("rx_hash"), w.v("pkt_len"), w.v("vlan_tci")
		w.out(bit(hash > w.v("ptype")), uint64(uint32(hash-length)), hash*tci, 1<<(tci&63), hash%7, hash*5>>32)
		if int32(hash) < 0 {
			w.Ret = xdpTX
		}
	},
	"ignored": func(w *want) { w.out(1) },
	"context_changed": func(w *want) {
		w.out(w.v("rx_hash")+uint64(w.Packet[13]), w.v("vlan_tci")+uint64(w.Packet[15]))
		w.Packet[13], w.Packet[14] = uint8(w.has("rx_hash")), uint8(w.v("vlan_tci"))
	},
	"no_hints":      func(w *want) { w.out(uint64(len(w.Packet))) },
	"declared_only": func(w *want) { w.out(3) },
	"stack_variable": func(w *want) {
		a, x := uint64(w.Packet[0]&1), uint64(w.Packet[0]>>1&1)
		w.out(1-a, a, x, 1-x, w.v("rx_hash"))
	},
	"stack_pointers": func(w *want) {
		w.out(11, w.v("ptype"))
		if w.Packet[0]&1 == 1 {
			w.Out[0] = w.v("rx_hash")
		}
		if w.Packet[0]&2 == 2 {
			w.Out[1] = 12
		}
	},
	"context_maybe": func(w *want) {
		if w.Packet[0]&1 == 1 {
			w.overwriteMeta()
		}
		w.out(w.v("rx_hash"), w.v("ptype"), w.has("rx_hash"))
	},
	"nested_pointer": func(w *want) { w.out(3*w.v("rx_hash"), w.v("ptype")) },
	"copy_bits": func(w *want) {
		w.out(w.has("rx_hash"), w.has("ptype"), 1, 0, w.v("vlan_tci"), w.v("ptype"), w.v("csum_status"), 1)
	},
	"copy_between": func(w *want) {
		w.out(w.has("rx_hash"), w.v("csum_status"), w.has("csum_status"), w.has("ptype"), w.v("rx_hash"))
	},
	"core_bitfield_wide": func(w *want) {
		w.out(w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("rx_timestamp"), w.v("rx_hash"))
	},
	"core_bitfield_probed": func(w *want) {
		w.out(w.has("rx_hash"), w.has("vlan_tci"), w.has("ptype"), w.has("rx_timestamp"))
	},
	"rare": func(w *want) {
		if w.Packet[0]&1 == 1 {
			w.out(w.or("rx_hash", 77))
			w.Ret = xdpTX
		}
	},
	"rare_either": func(w *want) {
		switch {
		case w.Packet[0]&1 == 1:
			w.out(w.or("rx_hash", 77))
			w.Ret = xdpTX
		case w.Packet[1]&1 == 1:
			w.out(0, uint64(uint32(w.v("ptype")+3)))
			w.Packet = w.Packet[4:]
		}
	},
	"rare_written": func(w *want) {
		read := w.Packet[0]&1 == 1
		switch {
		case w.Packet[1]&1 == 1:
			w.overwriteMeta()
			if w.Ret = xdpTX; read {
				w.out(w.v("rx_hash"))
			}
		case read:
			w.out(0, w.or("vlan_tci", 99))
			w.Meta = w.Meta[:0]
		}
	},
	"rare_loop": func(w *want) {
		sum := uint64(0)
		for i := range 12 {
			if w.Packet[0]&1 == 1 && w.Packet[i]&2 == 2 {
				sum += w.v("rx_hash")
			}
		}
		w.out(sum)
	},
	"rare_meeting": func(w *want) {
		out := make([]uint64, 2)
		if w.Packet[0]&1 == 1 && w.Packet[1]&1 == 1 {
			out[0] = uint64(uint32(w.v("rx_hash") + 1))
		}
		if w.Packet[0]&1 == 1 && w.Packet[2]&1 == 1 {
			out[1] = w.or("vlan_tci", 99)
		}
		w.out(out...)
	},
	"rare_remet": func(w *want) {
		if w.Packet[0]&1 == 1 {
			w.overwriteMeta()
		}
		if w.Packet[1]&1 == 1 {
			w.out(w.v("rx_hash"))
		}
	},
	"rare_called": func(w *want) {
		w.overwriteMeta()
		if w.Packet[0]&1 == 1 {
			w.out(w.v("rx_hash"))
		}
	},
	"rare_crowded": func(w *want) { w.out(w.v("rx_hash"), 987654321) },
	"value_masks": func(w *want) {
		hash, tci, ts := w.v("rx_hash"), w.v("vlan_tci"), w.v("rx_timestamp")
		w.bits(hash&7 != 0, hash&7 == 5, hash>>30 == 2, hash&0x80000001 == 0, tci&0xfff > 7, tci>>13 == 3, tci&0x1001 != 0x1000,
			ts&3 == 1, ts>>62 != 0, ts&0x180000003 == 0x80000002, w.v("flow_mark")&0x30000 != 0)
	},
	"value_swapped": func(w *want) {
		proto, port := w.v("vlan_proto"), w.networkOrder(uint16(w.v("dst_port")))
		w.bits(proto == w.networkOrder(0x8100), proto&w.networkOrder(0x300) == w.networkOrder(0x100), proto != w.networkOrder(0x88a8),
			port >= 0x8000, port&0x102 != 0, bits.ReverseBytes32(uint32(w.v("rx_hash")))&0x30000001 == 0x10000000,
			w.v("src_ip4")&0x01000080 == 0x80, w.v("csum")&0x180 != 0)
	},
	"value_swaps": func(w *want) {
		swap16 := func(hint string) uint64 { return uint64(bits.ReverseBytes16(uint16(w.v(hint)))) }
		swap32 := func(hint string) uint64 { return uint64(bits.ReverseBytes32(uint32(w.v(hint)))) }
		w.bits(swap16("vlan_tci")&0x102 != 0, swap32("rx_hash")&0x30000001 == 0x10000000, swap16("dst_port") == 0x1234,
			bits.ReverseBytes64(w.v("rx_timestamp"))&0xff000000000000ff == 0x0100000000000002, swap32("src_ip4")&0x80 != 0)
	},
	"value_more": func(w *want) {
		hash, tci, mark := w.v("rx_hash"), w.v("vlan_tci"), w.v("flow_mark")
		w.bits(hash > 2, hash&0xf > 4, tci&7 > 2, tci&0xf >= 9, mark&6 > 2, mark&0xff <= 0x10)
	},
	"value_joined": func(w *want) {
		joined := w.v("flow_mark")&2 != 0 && (w.v("pkt_len")&1 == 0 || w.v("rx_hash")&1 != 0)
		w.bits(!joined, joined)
	},
	"value_zero": func(w *want) {
		w.bits(w.v("rx_hash") == 0, w.v("vlan_tci") != 0, w.v("rx_error") != 0, w.v("flow_mark") == 0,
			w.v("inner_vlan_tci") < 0x1000, w.v("rx_queue") == 0xfff, w.v("pkt_len")&0x3fff >= 0x2000, w.v("vlan_tci") >= 0x8000)
	},
	"value_csum": func(w *want) {
		csum := w.v("csum_status")
		w.bits(csum == 0, csum == 1, csum == 2, csum != 1, csum > 1)
	},
	"value_present": func(w *want) {
		hash, tci, hashed, tagged := w.v("rx_hash"), w.v("vlan_tci"), w.has("rx_hash") == 1, w.has("vlan_tci") == 1
		w.bits(tagged && tci&3 == 1, tagged && tci&3 == 0, !tagged || tci&3 == 2, hashed && tagged,
			hashed && tagged && hash&1 == 1 && tci&1 == 1, w.has("flow_mark") == 1 && hash&3 == 3,
			w.has("pkt_len") == 1 && hashed && hash&1 == 0)
	},
	"value_after": func(w *want) {
		w.out(0, w.has("rx_hash")+2*(w.v("rx_hash")&1))
		if w.v("vlan_tci")&3 == 1 {
			w.Out[0] = w.v("vlan_tci") + 1
		}
	},
	"ptype_equal": func(w *want) {
		ptype := w.v("ptype")
		w.bits(ptype == 0x191, ptype == 0x291, ptype == 0, ptype == 0xabcdef, ptype == 0x541)
	},
	"ptype_masks": func(w *want) {
		ptype := w.v("ptype")
		w.bits(ptype&0xf00 == 0x100, ptype&0xff0 == 0x190, ptype&0xf000 != 0, ptype&0xf000000 == 0x1000000, ptype&0xf == 1)
	},
	"ptype_ranges": func(w *want) {
		l3, l4 := w.v("ptype")&0xf0, w.v("ptype")&0xf00
		w.bits(l3 == 0x90 || l3 == 0x10, l4 < 0x300, l4 != 0x200, l4 == 0x100 || l4 == 0x200)
	},
	"ptype_present": func(w *want) {
		has, ptype := w.has("ptype") == 1, w.v("ptype")
		w.bits(has, has && ptype&0xf00 == 0x100, has && ptype&0xf00 != 0x100, w.has("rx_hash") == 1 && ptype&0xf0 != 0)
		w.Out = append(w.Out, ptype)
	},
	"hash_types": func(w *want) {
		kind, hashed := w.v("rx_hash_type"), w.has("rx_hash") == 1
		w.bits(kind&8 != 0, kind&1 != 0, kind&3 == 2, w.has("rx_hash_type") == 1, kind == 0x19, hashed && kind&8 != 0)
		w.Out = append(w.Out, 0)
		if kind&8 != 0 {
			w.Out[6] = w.v("rx_hash")
		}
	},
	"unknown_member": func(w *want) { w.out(w.v("rx_hash"), 0, w.has("rx_hash")) },
}

// overwriteMeta is what the shapes named *_meta_write do.
func (w *want) overwriteMeta() {
	if len(w.Meta) >= 16 {
		for i := range 16 {
			w.Meta[i] = 0xff
		}
	}
}

// sumOf32 is the sum of v+0 ... v+3, each in 32 bits.
func sumOf32(v uint64) uint64 {
	sum := uint64(0)
	for i := range uint32(4) {
		sum += uint64(uint32(v) + i)
	}
	return sum
}
