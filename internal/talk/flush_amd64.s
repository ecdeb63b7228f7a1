#include "textflag.h"

// func flush(start *byte, bytes int)
TEXT ·flush(SB), NOSPLIT, $0-16
	MOVQ start+0(FP), AX
	MOVQ bytes+8(FP), CX
	ADDQ AX, CX
	MFENCE
line:
	CLFLUSH (AX)
	ADDQ $64, AX
	CMPQ AX, CX
	JLT  line
	MFENCE
	RET
