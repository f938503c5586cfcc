package guest

import (
	"bytes"
	"log/slog"

	"github.com/tetratelabs/wazero/api"
)

// lineBytes is what each line counts beside its own bytes, so that empty lines are not free.
const lineBytes = 16

// logLine is the import log.
func logLine(in *instance, m api.Memory, stack []uint64) {
	level := slog.LevelInfo
	switch uint32(stack[0]) {
	case 0:
		level = slog.LevelDebug
	case 2:
		level = slog.LevelWarn
	case 3:
		level = slog.LevelError
	}
	text := in.bytes(m, stack[1], stack[2])
	in.account(int64(len(text)) + lineBytes)
	in.emit(level, text)
}

// account adds to what the call has logged, and stops the guest at the limit.
func (in *instance) account(n int64) {
	in.logged += n
	if in.logged > in.plugin.config.Limits.Log {
		in.halt(KindLogLimit, errLog)
	}
}

// emit passes a line on.
func (in *instance) emit(level Level, text []byte) {
	if in.quiet || in.plugin.config.Log == nil {
		return
	}
	in.spent += lineCost
	in.plugin.config.Log(level, printable(text))
}

// stdio takes what is written to descriptor 1 or 2, and passes whole lines on.
func (in *instance) stdio(fd uint32, text []byte) {
	in.account(int64(len(text)))
	held := &in.partial[fd-1]
	for {
		line, rest, found := bytes.Cut(text, []byte{'\n'})
		// One byte more than is shown is kept, so that the line is seen to have been cut.
		*held = append(*held, line[:min(len(line), maxText+1-min(len(*held), maxText+1))]...)
		if !found {
			return
		}
		in.account(lineBytes)
		in.emit(stdioLevel(fd), *held)
		*held, text = (*held)[:0], rest
	}
}

func stdioLevel(fd uint32) Level {
	if fd == 2 {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// flush passes on lines without an end, when the guest has returned or been stopped.
func (in *instance) flush() {
	for i, text := range in.partial {
		if len(text) > 0 {
			in.emit(stdioLevel(uint32(i+1)), text)
			in.partial[i] = text[:0]
		}
	}
}

// fail is the import of that name.
func fail(in *instance, m api.Memory, stack []uint64) {
	text := in.bytes(m, stack[1], stack[2])
	in.code, in.reason = int(int32(stack[0])), printable(text)
}

// failCode is the HTTP status for the code that a guest gave: one of those that the contract knows.
func failCode(code int) int {
	switch code {
	case 401, 403, 429, 503:
		return code
	}
	return 403
}
