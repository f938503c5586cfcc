#include "textflag.h"
#include "funcdata.h"

// func clone(nr, a1, a2, a3 uintptr, p *program) (pid, errno uintptr)
//
// The child is started on this very stack while the parent is suspended. It calls run, which never returns, and so works strictly below this
// frame: the parent finds its return address, which the prologue has stored, and its callers' frames as they were. (The outgoing argument
// at 8(RSP) is written by the child; the parent does not read it.)
TEXT ·clone(SB), NOSPLIT, $16-56
	NO_LOCAL_POINTERS
	MOVD	nr+0(FP), R8
	MOVD	a1+8(FP), R0
	MOVD	a2+16(FP), R1
	MOVD	a3+24(FP), R2
	MOVD	$0, R3
	MOVD	$0, R4
	MOVD	$0, R5
	SVC
	CBZ	R0, child
	CMN	$4095, R0
	BCS	failed
	MOVD	R0, pid+40(FP)
	MOVD	ZR, errno+48(FP)
	RET
failed:
	NEG	R0, R0
	MOVD	ZR, pid+40(FP)
	MOVD	R0, errno+48(FP)
	RET
child:
	MOVD	p+32(FP), R0
	MOVD	R0, 8(RSP)
	CALL	·run(SB)
	UNDEF
