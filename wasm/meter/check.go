package meter

// MaxSegment is how much fuel is paid at once at most, but for the length of bulk instructions: the
// longest way from one check to the next.
const MaxSegment = 10_000

const (
	entryCost  = 4 // of a call, beyond its instructions
	loopCost   = 1
	checkCost  = 1  // between two segments
	bytesShift = 6  // a byte of bulk memory costs 1/64
	pageShift  = 10 // a page costs as much as its bytes

	// leafFrame is the largest frame, in bytes, that a function without calls need not
	// account for: there is at most one of them at a time.
	leafFrame = 4096
)

// The meter's locals, all i64, come after the function's. A function that has a loop
// without calls keeps the fuel in the first, and the global up to date for calls and at its
// end only: in such a loop the store and load of a global would take longer than the rest.
// The second is the depth before the call.
const (
	fuelLocal = iota
	depthLocal
	otherLocal
	meterLocals
)

func (b *body) appendLocal(op byte, i int) {
	b.to = appendUint(append(b.to, op), uint32(b.locals+i))
}

func (b *body) appendGlobal(op byte, i uint32) {
	b.to = appendUint(append(b.to, op), i)
}

func (m *module) fuel() uint32   { return uint32(len(m.globals)) }
func (m *module) depth() uint32  { return uint32(len(m.globals)) + 1 }
func (m *module) refill() uint32 { return uint32(m.imported) }

// recheck is the function that a failed check calls. It comes after all others.
func (m *module) recheck() uint32 { return uint32(len(m.functions)) + 1 }

// getFuel pushes the fuel.
func (b *body) getFuel() {
	if b.cached {
		b.appendLocal(opLocalGet, fuelLocal)
	} else {
		b.appendGlobal(opGlobalGet, b.fuel())
	}
}

// setFuel keeps the fuel that is on the stack, in the local in any case.
func (b *body) setFuel() {
	if b.cached {
		b.appendLocal(opLocalSet, fuelLocal)
	} else {
		b.appendLocal(opLocalTee, fuelLocal)
		b.appendGlobal(opGlobalSet, b.fuel())
	}
}

// saveFuel brings the global up to date, loadFuel the local.
func (b *body) saveFuel() {
	if b.cached {
		b.appendLocal(opLocalGet, fuelLocal)
		b.appendGlobal(opGlobalSet, b.fuel())
	}
}

func (b *body) loadFuel() {
	if b.cached {
		b.appendGlobal(opGlobalGet, b.fuel())
		b.appendLocal(opLocalSet, fuelLocal)
	}
}

// subtract takes a price off the value on the stack and returns where the price stands.
func (b *body) subtract(price int) int {
	b.to = append(b.to, opI64Const, 0, 0, 0, 0, 0)
	at := len(b.to) - paddedSize
	putPadded(b.to[at:], price)
	b.to = append(b.to, opI64Sub)
	return at
}

// ifNegative writes: if the value on the stack is below zero, call recheck.
func (b *body) ifNegative() {
	b.checks++
	b.others++
	b.to = append(b.to, opI64Const, 0, opI64LtS, opIf, blockEmpty)
	b.saveFuel()
	b.to = appendUint(append(b.to, opCall), b.recheck())
	b.loadFuel()
	b.to = append(b.to, opEnd)
}

// enter pays for the function outside its loops, and for its frame if it has one.
func (b *body) enter(price, frame int) {
	b.appendGlobal(opGlobalGet, b.fuel())
	b.subtract(price)
	b.setFuel()
	b.appendLocal(opLocalGet, fuelLocal)
	if frame > 0 {
		b.appendGlobal(opGlobalGet, b.depth())
		b.appendLocal(opLocalTee, depthLocal)
		b.subtract(frame)
		b.appendLocal(opLocalTee, otherLocal)
		b.appendGlobal(opGlobalSet, b.depth())
		b.appendLocal(opLocalGet, otherLocal)
		b.to = append(b.to, opI64Or) // negative if either is
	}
	b.ifNegative()
}

// leave gives the frame back. It sets the depth to what it was, so that what the host has
// added meanwhile goes with the frames that it was added for.
func (b *body) leave(frame int) {
	b.saveFuel()
	if frame > 0 {
		b.appendLocal(opLocalGet, depthLocal)
		b.appendGlobal(opGlobalSet, b.depth())
	}
}

// checkSegment pays for a segment that begins before offset p, and whose price is known at its end.
func (b *body) checkSegment(p int) {
	b.flush(p)
	if !b.dead {
		b.checking()
	}
	b.getFuel()
	b.segments[len(b.segments)-1].patch = b.subtract(0)
	b.setFuel()
	b.appendLocal(opLocalGet, fuelLocal)
	b.ifNegative()
}

// chargeLength pays for a bulk instruction by its length, the i32 on top of the stack,
// before it runs: as i64 neither it nor the sum can overflow.
func (b *body) chargeLength(start, shift int) {
	b.takeLength(start)
	if shift > 0 {
		b.to = append(b.to, opI64Const, byte(shift), opI64ShrU)
	}
	b.charge()
}

// chargeGrow pays for memory.grow by pages. More than 65,536 pages fail at once, and cost nothing.
func (b *body) chargeGrow(start int) {
	b.takeLength(start)
	b.to = append(b.to, opI64Const, pageShift, opI64Shl, opI64Const, 0)
	b.appendLocal(opLocalGet, otherLocal)
	b.to = appendInt(append(b.to, opI64Const), 1<<16)
	b.to = append(b.to, opI64LeU, opSelect)
	b.charge()
}

// takeLength moves the length off the stack and pushes the fuel and the length.
func (b *body) takeLength(start int) {
	b.bulk()
	b.takes(bulkEffort)
	b.flush(start)
	b.to = append(b.to, opI64ExtendU)
	b.appendLocal(opLocalSet, otherLocal)
	b.getFuel()
	b.appendLocal(opLocalGet, otherLocal)
}

// charge subtracts, checks, and puts the length back.
func (b *body) charge() {
	b.to = append(b.to, opI64Sub)
	b.setFuel()
	b.appendLocal(opLocalGet, fuelLocal)
	b.ifNegative()
	if !b.dead {
		b.checking()
	}
	b.appendLocal(opLocalGet, otherLocal)
	b.to = append(b.to, opI32WrapI64)
}

// appendRecheck writes the body of the function that a failed check calls: ask for fuel, and
// trap if the depth is still below zero.
func (m *module) appendRecheck(to []byte) []byte {
	b := body{module: m}
	b.to = append(b.to, 0) // no locals
	b.appendGlobal(opGlobalGet, m.fuel())
	b.to = appendUint(append(b.to, opCall), m.refill())
	b.appendGlobal(opGlobalSet, m.fuel())
	b.appendGlobal(opGlobalGet, m.depth())
	b.to = append(b.to, opI64Const, 0, opI64LtS, opIf, blockEmpty, opUnreachable, opEnd, opEnd)
	return append(appendUint(to, uint32(len(b.to))), b.to...)
}
