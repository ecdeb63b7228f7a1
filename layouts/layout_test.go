package layouts

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// outline prints a layout in the notation, one line a thing, so that a test can
// show the whole model.
func outline(l *Layout) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s %q %q %q", l.NIC, l.Aliases, l.Module, l.Doc)
	for _, d := range l.Descriptors {
		line("%s %q %q %d %v ready %v", d.Name, d.Doc, d.Type, d.Size, d.Word, d.Ready)
		for _, f := range d.Fields {
			line("  %s %v %q %q", f.Name, f.Bits, f.Doc, f.Source)
		}
		for _, h := range d.Hints {
			line("  %s %v %q %q", h.Name, h.Decl, h.Doc, h.Source)
			for _, a := range h.Alternatives {
				from := fmt.Sprint(a.Value)
				if a.From != nil {
					from = a.From.Name
				}
				if a.Map != nil {
					from += " " + a.Map.Name + " " + fmt.Sprint(a.Map.Values)
				}
				line("    %s %v %v", from, a.When, a.Convert)
			}
		}
	}
	line("never %v", l.Never)
	line("needs %v", l.Needs)
	return b.String()
}

func whole(t testing.TB) *Layout {
	t.Helper()
	l, err := LoadFile("testdata/whole.yaml")
	require.NoError(t, err)
	return l
}

func TestWholeNotation(t *testing.T) {
	l := whole(t)
	require.Equal(t, `pseudo ["pseudo-1" "2nd"] "pseudo_core" "Pseudo 1000"
short "the 16-byte form" "pseudo_rx_desc" 16 le32 ready [dd kind == 1|2]
  hash [w0[31:0]] "" ""
  tag [w1[15:0]] "the stripped tag" "pseudo.h PSEUDO_TAG"
  index [w1[16] w2[7:0]] "" ""
  dd [w2[31]] "" ""
  kind [w2[30:29]] "" ""
  tagged [w2[28]] "" ""
  l4ok [w2[27]] "" ""
  l4bad [w2[26]] "" ""
  unused [w2[25]] "" ""
  stamp [w3[31:0] w2[24:9]] "" ""
  rx_hash u32 "RSS hash as the NIC computed it" ""
    hash [kind == 2] []
  csum_status u8 "1 good (L4 verified), 2 bad, 3 complete (csum holds the sum)" ""
    2 [l4bad] []
    1 [l4ok kind != 0|3] []
  ptype u32 "packet type in DPDK's encoding" ""
    index ptype map[1:273 258:17] [] []
  vlan_tci u16 "stripped outer tag, host order" ""
    tag [tagged] []
  vlan_proto be16 "TPID of the stripped outer tag, network order" ""
    33024 [tagged] []
  rx_timestamp u64 "nanoseconds of the NIC's clock" ""
    stamp [] [mul 8 add 1]
  color u8 "which color" "pseudo.h PSEUDO_COLOR"
    kind [l4ok == 0] [shl 4]
  port be16 "" ""
    tag [tagged] [shr 4]
    index [] []
  swapped u32 "" ""
    tag [] [net16]
  wide u64 "" ""
    hash [] [net32]
long "" "" 32 le32 ready [dd]
  hash [w0[31:0]] "" ""
  tag [w1[15:0]] "the stripped tag" "pseudo.h PSEUDO_TAG"
  index [w1[16] w2[7:0]] "" ""
  dd [w2[31]] "" ""
  kind [w2[30:29]] "" ""
  tagged [w2[28]] "" ""
  l4ok [w2[27]] "" ""
  l4bad [w2[26]] "" ""
  unused [w2[25]] "" ""
  stamp [w3[31:0] w2[24:9]] "" ""
  tag2 [w4[31:16]] "" ""
  inner_vlan_tci u16 "the second tag" "pseudo.h PSEUDO_TAG2"
    tag2 [] []
big "" "" 8 be16 ready [done]
  done [w3[0]] "" ""
  len [w0[15:0]] "" ""
  pkt_len u32 "bytes of the frame the descriptor reports" ""
    len [] []
never map[csum:the device has none]
needs map[color:ntuple inner_vlan_tci:rx-vlan-offload rx_hash:rxhash]
`, outline(l))

	short := l.Descriptors[0]
	require.Equal(t, Pos{"testdata/whole.yaml", 7, 5}, short.Pos)
	require.Equal(t, Pos{"testdata/whole.yaml", 18, 15}, short.field("tag").Pos)
	require.Equal(t, Pos{"testdata/whole.yaml", 14, 9}, short.Ready[1].Pos)
	require.Equal(t, Pos{"testdata/whole.yaml", 30, 7}, short.Hint("rx_hash").Pos)
	require.Equal(t, Pos{"testdata/whole.yaml", 33, 11}, short.Hint("csum_status").Alternatives[1].Pos)
	require.Equal(t, Pos{"testdata/whole.yaml", 62, 3}, short.Hint("ptype").Alternatives[0].Map.Pos)
	require.NotSame(t, short.field("dd"), l.Descriptors[1].field("dd"), "an extending descriptor has its own fields")
	require.Same(t, l.Descriptors[1].field("dd"), l.Descriptors[1].Ready[0].Field)
	require.Nil(t, short.Hint("inner_vlan_tci"))
}

func TestDescriptorByName(t *testing.T) {
	l := whole(t)
	for name, want := range map[string]string{"": "short", "short": "short", "big": "big"} {
		d, err := l.Descriptor(name)
		require.NoError(t, err)
		require.Equal(t, want, d.Name)
	}
	_, err := l.Descriptor("wb16")
	require.EqualError(t, err, `pseudo has no descriptor "wb16": it has short (the default), long, big`)

	gve, err := Shipped("gve")
	require.NoError(t, err)
	_, err = gve.Descriptor("wb16")
	require.EqualError(t, err, `gve has no descriptor "wb16": it has gqi, dqo`, "walks lead to both")
}

// TestDecode gives the decoder bytes written by hand. le and be are what a host
// of that order reads.
func TestDecode(t *testing.T) {
	// w0 hash, w1 index bit 8 and tag, w2, w3 the upper part of the stamp.
	desc := func(w0, w1, w2, w3 uint32) []byte {
		var b []byte
		for _, w := range []uint32{w0, w1, w2, w3} {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	const dd, kind1, kind2, tagged, l4ok, l4bad = 1 << 31, 1 << 29, 2 << 29, 1 << 28, 1 << 27, 1 << 26
	type hints = map[string]uint64
	tests := []struct {
		name, descriptor string
		desc             []byte
		le, be           hints
	}{
		{"zeros", "short", make([]byte, 16), hints{}, hints{}},
		{"not written back", "short", desc(1, 2, kind1|tagged, 4), hints{}, hints{}},
		{"kind not in the list", "short", desc(1, 2, dd|3<<29|tagged, 4), hints{}, hints{}},
		{"too short", "short", desc(1, 2, dd|kind1, 4)[:15], hints{}, hints{}},
		{
			"first alternatives", "short",
			desc(0x11223344, 0x1abcd, dd|kind2|tagged|l4ok|l4bad|0x5a5a<<9|0x02, 0x80000001),
			hints{
				"rx_hash": 0x11223344, "csum_status": 2, "ptype": 17, "vlan_tci": 0xabcd, "vlan_proto": 0x0081,
				"rx_timestamp": 0x8000_0001_5a5a*8 + 1, "port": 0xbc0a, "swapped": 0xcdab, "wide": 0x44332211,
			},
			hints{
				"rx_hash": 0x11223344, "csum_status": 2, "ptype": 17, "vlan_tci": 0xabcd, "vlan_proto": 0x8100,
				"rx_timestamp": 0x8000_0001_5a5a*8 + 1, "port": 0x0abc, "swapped": 0xabcd, "wide": 0x11223344,
			},
		},
		{
			"second alternatives, key not in the map", "short",
			desc(0, 0x10000, dd|kind1|l4ok|0x34, 0),
			hints{"csum_status": 1, "rx_timestamp": 1, "port": 0x3401, "swapped": 0, "wide": 0},
			hints{"csum_status": 1, "rx_timestamp": 1, "port": 0x0134, "swapped": 0, "wide": 0},
		},
		{
			"no alternative, field == 0", "short",
			desc(0, 0, dd|kind1|1, 0),
			hints{"ptype": 0x111, "rx_timestamp": 1, "color": 0x10, "port": 0x0100, "swapped": 0, "wide": 0},
			hints{"ptype": 0x111, "rx_timestamp": 1, "color": 0x10, "port": 0x0001, "swapped": 0, "wide": 0},
		},
		{
			"a long enough descriptor of another form", "long",
			append(desc(1, 2, dd, 4), desc(0xbeef<<16, 0, 0, 0)...),
			hints{"inner_vlan_tci": 0xbeef}, hints{"inner_vlan_tci": 0xbeef},
		},
		{
			"big endian words", "big", []byte{0x12, 0x34, 0, 0, 0, 0, 0xff, 0x01},
			hints{"pkt_len": 0x1234}, hints{"pkt_len": 0x1234},
		},
		{"big endian words, not ready", "big", []byte{0x12, 0x34, 0, 0, 0, 0, 0x01, 0xfe}, hints{}, hints{}},
	}
	l := whole(t)
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			d, err := l.Descriptor(tc.descriptor)
			require.NoError(t, err)
			require.Equal(t, tc.le, d.Decode(tc.desc, binary.LittleEndian), "little-endian host")
			require.Equal(t, tc.be, d.Decode(tc.desc, binary.BigEndian), "big-endian host")
		})
	}
}

func TestFieldValue(t *testing.T) {
	bytes := []byte{0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10}
	tests := []struct {
		word, bits string
		width      int
		want       uint64
	}{
		{"le16", "w1", 16, 0x0403},
		{"be16", "w1", 16, 0x0304},
		{"le32", "w1", 32, 0x08070605},
		{"be32", "w1[31:24]", 8, 0x05},
		{"le64", "w0", 64, 0x0807060504030201},
		{"be64", "w1", 64, 0x090a0b0c0d0e0f10},
		{"le64", "w0[63]", 1, 0},
		{"le64", "w0[59]", 1, 1},
		{"le64", "w0[11:4]", 8, 0x20},
		{"be32", "w3 w0", 64, 0x0d0e0f1001020304},
		{"be32", "w0[3:0] w1[31:28] w0[8]", 9, 0x4<<5 | 0<<1 | 1},
		{"le32", "w4", 32, 0}, // beyond the end
	}
	for _, tc := range tests {
		d := &Descriptor{Word: words[tc.word]}
		bits, err := parseBits(tc.bits, d.Word)
		require.NoError(t, err)
		f := &Field{Bits: bits}
		require.Equal(t, tc.width, f.Width(), tc.bits)
		require.Equal(t, tc.want, f.Value(d, bytes), "%s %s", tc.word, tc.bits)
	}
}

func TestLoadFile(t *testing.T) {
	_, err := LoadFile("testdata/nothing.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
}
