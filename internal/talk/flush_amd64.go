package talk

// Line is the size of what is in the cache or not.
const Line = 64

// Flush takes memory out of all caches, whoever else has it mapped. It has to begin
// with a line.
func Flush(memory []byte) {
	if len(memory) > 0 {
		flush(&memory[0], len(memory))
	}
}

//go:noescape
func flush(start *byte, bytes int)
