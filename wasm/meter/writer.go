package meter

// appendUint appends v as unsigned LEB128.
func appendUint(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendInt appends v as signed LEB128.
func appendInt(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// paddedSize is the length of a number that is written before its value is known.
const paddedSize = 5

// putPadded writes v, 0 <= v < 1<<34, as signed (and unsigned) LEB128 of five bytes.
func putPadded(b []byte, v int) {
	for i := range paddedSize - 1 {
		b[i] = byte(v>>(7*i)) | 0x80
	}
	b[paddedSize-1] = byte(v>>(7*(paddedSize-1))) & 0x3f
}

func appendName(b []byte, name string) []byte {
	return append(appendUint(b, uint32(len(name))), name...)
}

// openSection starts a section and returns where its contents begin.
func openSection(b []byte, id byte) ([]byte, int) {
	b = append(b, id, 0, 0, 0, 0, 0)
	return b, len(b)
}

// closeSection fills in the size of the section whose contents began at start.
func closeSection(b []byte, start int) []byte {
	size := len(b) - start
	for i := range paddedSize - 1 {
		b[start-paddedSize+i] = byte(size>>(7*i)) | 0x80
	}
	b[start-1] = byte(size >> (7 * (paddedSize - 1)))
	return b
}
