package equivalence

import "encoding/binary"

// putNumber writes as many low bytes of v as there is room for.
func putNumber(b []byte, order binary.ByteOrder, v uint64) {
	big := order.Uint16([]byte{1, 0}) == 1<<8
	for i := range b {
		k := i
		if big {
			k = len(b) - 1 - i
		}
		b[k] = byte(v)
		v >>= 8
	}
}

func numberBytes(order binary.ByteOrder, v uint64, size int) []byte {
	b := make([]byte, size)
	putNumber(b, order, v)
	return b
}

// readNumber reads all of b.
func readNumber(b []byte, order binary.ByteOrder) (v uint64) {
	big := order.Uint16([]byte{1, 0}) == 1<<8
	for i := range b {
		k := i
		if !big {
			k = len(b) - 1 - i
		}
		v = v<<8 | uint64(b[k])
	}
	return v
}
