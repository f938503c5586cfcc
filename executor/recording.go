package executor

import (
	"context"
	"io"
	"sync"
)

// inMemory is how many bytes of a stream are held in memory. What is longer goes to a file.
const inMemory = 64 << 10

// recording keeps what is to be kept of one stream: in memory, and in a file once that does not suffice. One goroutine writes to it. Any number of
// others follow it, at their own pace: they hold no lock while they read the file, and look afterwards whether what they have read was
// overwritten meanwhile. The file is closed when nobody holds the recording any more.
type recording struct {
	limit int64
	spool func(begin []byte) (*spool, error) // makes the file
	lost  func(error)                        // is told once why no more is kept

	mu      sync.Mutex
	memory  capture
	file    *spool // nil while memory suffices
	digest  *fileDigest
	full    bool  // no more goes to the file
	total   int64 // bytes written, kept or not
	ended   bool
	grown   chan struct{} // closed at the next change; nil while nobody waits for one
	holders int
}

// newRecording is a recording that its maker holds. memory bounds what of limit is held in memory.
func newRecording(limit int64, memory int, spool func([]byte) (*spool, error), lost func(error)) *recording {
	return &recording{limit: limit, spool: spool, lost: lost, memory: capture{limit: int(min(limit, int64(memory)))}, holders: 1}
}

// record makes the recording of a stream of a job.
func (r *Runner) record(job *Job, stream string) *recording {
	return newRecording(job.MaxOutput, inMemory, func(begin []byte) (*spool, error) {
		return newSpool(r.config.WorkRoot, job.MaxOutput, r.config.Reserve, begin)
	}, func(err error) {
		r.log.Warn("executor: the rest of an output is not kept", "job", job.ID, "stream", stream, "error", err)
	})
}

// write keeps what is to be kept of p.
func (r *recording) write(p []byte) {
	if r.file == nil && r.limit > int64(r.memory.limit) && len(r.memory.buf)+len(p) > r.memory.limit {
		r.spill()
	}
	switch {
	case r.file == nil:
		r.mu.Lock()
		r.memory.write(p)
		r.grow(len(p))
		r.mu.Unlock()
		return
	case !r.full:
		p = p[r.writeFile(p):]
	}
	if len(p) > 0 {
		r.mu.Lock()
		r.grow(len(p))
		r.mu.Unlock()
	}
}

// spill moves what is in memory to a file. Without one, memory goes on as the head and the tail.
func (r *recording) spill() {
	file, err := r.spool(r.memory.buf)
	if err != nil {
		r.limit = int64(r.memory.limit)
		r.lost(err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.memory.buf = file, nil
	r.holders++
	r.digest = digestOf(file.file, r.release)
	r.digest.grow(file.end)
}

// writeFile writes p to the file and returns how much of it went in.
func (r *recording) writeFile(p []byte) (n int) {
	for n < len(p) {
		m, err := r.put(p[n:])
		n += m
		if err != nil {
			r.full = true
			r.lost(err)
			break
		}
	}
	return n
}

// put writes the beginning of p to the file. Those who follow do not use what it may overwrite while it goes on.
func (r *recording) put(p []byte) (int, error) {
	at, room, err := r.file.next()
	if err != nil {
		return 0, err
	}
	p = p[:min(room, len(p))]
	r.mu.Lock()
	r.file.reached = r.file.end + int64(len(p))
	r.mu.Unlock()
	n, err := r.file.file.WriteAt(p, at)
	r.mu.Lock()
	r.file.end += int64(n)
	r.file.reached = r.file.end
	r.grow(n)
	r.mu.Unlock()
	if r.file.end <= r.file.limit {
		r.digest.grow(r.file.end)
	} else {
		r.digest.giveUp()
	}
	return n, err
}

// grow counts bytes and wakes those who wait for them. The caller holds mu.
func (r *recording) grow(n int) {
	r.total += int64(n)
	if r.grown != nil && n > 0 {
		close(r.grown)
		r.grown = nil
	}
}

// end says that nothing more is written.
func (r *recording) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	if r.digest != nil {
		r.digest.end()
	}
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
}

// output returns what is kept, once nothing more is written. It holds the recording.
func (r *recording) output() *Output {
	r.hold()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		memory := r.memory
		if memory.total > int64(len(memory.buf)) {
			memory.buf = append(make([]byte, 0, len(memory.buf)+markerRoom), memory.buf...) // others may still follow
		}
		text, cut := memory.bytes()
		return &Output{text: text, size: int64(len(text)), cut: cut, held: r}
	}
	o := &Output{parts: r.file.parts(r.total), cut: r.total > r.limit || r.total > r.file.end, held: r}
	for _, part := range o.parts {
		o.size += part.Size()
	}
	if !o.cut && r.file.end <= r.file.limit {
		o.digest = r.digest
	}
	return o
}

// hold keeps the file open for one more. It answers false when it is closed already.
func (r *recording) hold() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holders == 0 {
		return false
	}
	r.holders++
	return true
}

// release is the end of a hold.
func (r *recording) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holders--
	switch {
	case r.file == nil:
	case r.holders == 0:
		r.file.close()
	case r.holders == 1:
		r.digest.giveUp() // nobody else is there to ask for it, if it is not there yet
	}
}

// read waits for bytes at an offset, and copies to b those that are there or, where they are not kept, the next ones that are. at is the offset of the
// first. io.EOF means that the stream has ended before; b is not empty.
func (r *recording) read(ctx context.Context, b []byte, offset int64) (n int, at int64, err error) {
	for {
		n, at, more, err := r.tryRead(b, offset)
		if n > 0 || at > offset || err != nil {
			return n, at, err
		}
		select {
		case <-ctx.Done():
			return 0, offset, context.Cause(ctx)
		case <-more:
		}
	}
}

// tryRead is read without waiting: where there is nothing yet, more is closed when it is worth another try.
func (r *recording) tryRead(b []byte, offset int64) (n int, at int64, more <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != nil {
		n, at, err = r.readFile(b, offset)
	} else {
		var kept []byte
		kept, at = r.memory.from(offset)
		n = copy(b, kept)
	}
	switch {
	case n > 0 || err != nil:
		return n, at, nil, err
	case r.ended && r.total > offset: // nothing is kept of the end
		return 0, r.total, nil, nil
	case r.ended:
		return 0, offset, nil, io.EOF
	}
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return 0, offset, r.grown, nil
}

// readFile reads with the lock given up, and looks afterwards how much of what was read may have been overwritten meanwhile.
func (r *recording) readFile(b []byte, offset int64) (n int, at int64, err error) {
	s := r.file
	if at = offset; at >= s.head() {
		at = max(at, s.oldest())
	}
	if at >= s.end {
		return 0, at, nil
	}
	b = b[:min(int64(len(b)), s.end-at)]
	r.mu.Unlock()
	n, err = s.readAt(b, at)
	r.mu.Lock()
	if lost := min(s.oldest()-at, int64(n)); at >= s.head() && lost > 0 {
		n, at = copy(b, b[lost:n]), at+lost
	}
	return n, at, err
}
