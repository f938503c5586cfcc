#include "textflag.h"
#include "funcdata.h"

// func clone(nr, a1, a2, a3 uintptr, p *program) (pid, errno uintptr)
//
// The child is started on this very stack while the parent is suspended. It calls run, which never returns, and so works strictly below this
// frame: the parent finds its return address and its callers' frames as they were. (The outgoing argument at 0(SP) is written by the child;
// the parent does not read it.)
TEXT ·clone(SB), NOSPLIT, $8-56
	NO_LOCAL_POINTERS
	MOVQ	nr+0(FP), AX
	MOVQ	a1+8(FP), DI
	MOVQ	a2+16(FP), SI
	MOVQ	a3+24(FP), DX
	XORL	R10, R10
	XORL	R8, R8
	XORL	R9, R9
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	CMPQ	AX, $0xfffffffffffff001
	JCC	failed
	MOVQ	AX, pid+40(FP)
	MOVQ	$0, errno+48(FP)
	RET
failed:
	NEGQ	AX
	MOVQ	$0, pid+40(FP)
	MOVQ	AX, errno+48(FP)
	RET
child:
	MOVQ	p+32(FP), AX
	MOVQ	AX, 0(SP)
	CALL	·run(SB)
	UNDEF
