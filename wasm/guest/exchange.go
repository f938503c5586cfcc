package guest

// A Verdict is what a plugin decided about a message.
type Verdict int

// The verdicts, with the numbers of the contract. Only Continue is possible outside the request phase.
const (
	Continue Verdict = iota
	Deny
	Answer
)

func (v Verdict) String() string {
	switch v {
	case Continue:
		return "continue"
	case Deny:
		return "deny"
	case Answer:
		return "answer"
	}
	return "unknown"
}

// An Exchange is one message on its way through a plugin. The zero value is ready; one that is
// used again keeps its buffers. It belongs to one call at a time.
type Exchange struct {
	// In, and not changed by the call. Stdout and Stderr are read in the response phase only.
	Message, Metadata, Stdout, Stderr []byte
	// NoFetch makes http_fetch answer DISABLED, for dry runs.
	NoFetch bool

	// Out. A slice stays valid until a later call has replaced the same output, so that it may be what
	// the calls until then read. After a failure they are nil.
	NewMessage, NewStdout, NewStderr []byte // nil where not replaced
	MessageReplaced                  bool
	StdoutReplaced, StderrReplaced   bool
	Reason                           string // given with fail, for verdict Deny
	Code                             int    // 401, 403, 429 or 503, for verdict Deny
	FetchWanted                      bool   // http_fetch was called under NoFetch
	Fuel                             int64  // used, of failed calls too
	Memory                           int64  // bytes of the instance's memory at the end of the call

	message, stdout, stderr buffers
}

// buffers are where one output is written. One of the three holds what the last call that
// replaced the output returned, because its owner may have made that the input of this call; the
// other two serve in turn.
type buffers struct {
	of               [3][]byte
	held, next, last int // last is next before the last other
}

// other returns an empty buffer that is neither held nor the one it returned last.
func (b *buffers) other() *[]byte {
	n := (b.held + 1) % 3
	if n == b.next {
		n = (b.held + 2) % 3
	}
	b.last, b.next = b.next, n
	b.of[n] = b.of[n][:0]
	return &b.of[n]
}

// undo takes back an other that was not used, given the buffer that was in use before it.
func (b *buffers) undo() { b.next = b.last }

// keep returns what has been written and holds it. Its capacity ends with it, so that
// appending to it cannot reach what older calls left behind.
func (b *buffers) keep() []byte {
	b.held = b.next
	kept := b.of[b.held]
	return kept[:len(kept):len(kept)]
}

// begin clears what the last call left.
func (x *Exchange) begin() {
	x.NewMessage, x.NewStdout, x.NewStderr = nil, nil, nil
	x.MessageReplaced, x.StdoutReplaced, x.StderrReplaced = false, false, false
	x.Reason, x.Code, x.FetchWanted, x.Fuel, x.Memory = "", 0, false, 0, 0
	x.message.next, x.stdout.next, x.stderr.next = x.message.held, x.stdout.held, x.stderr.held
}
