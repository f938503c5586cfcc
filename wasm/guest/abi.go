package guest

import (
	"errors"

	"github.com/tetratelabs/wazero/api"

	"github.com/sidegate/sidegate/wasm/field"
)

// The kinds of inputs and outputs.
const (
	kindMessage = iota
	kindConfig
	kindMetadata
	kindStdout
	kindStderr
)

// The errnos of the contract.
const (
	errnoOK int32 = iota
	errnoKind
	errnoPath
	errnoNotFound
	errnoJSON
	errnoBusy
	errnoSpace
	errnoRefused
	errnoNetwork
	errnoDisabled
)

const fetchImport = "http_fetch"

var abiFunctions = map[string]hostFunction{
	"input_len":    {types("i:i"), inputLen},
	"input_read":   {types("iiii:i"), inputRead},
	"output_write": {types("iii:i"), outputWrite},
	"field_get":    {types("iiii:i"), fieldGet},
	"field_set":    {types("iiii:i"), fieldSet},
	"config_get":   {types("iiii:i"), configGet},
	"log":          {types("iii:"), logLine},
	"fail":         {types("iii:"), fail},
	fetchImport:    {types("iiii:i"), httpFetch},
}

// answer leaves the result of an import that gives a length, or a negative errno.
func answer(stack []uint64, n int32) { stack[0] = uint64(uint32(n)) }

// input is what can be read as a kind in this phase.
func (in *instance) input(kind uint64) ([]byte, bool) {
	switch uint32(kind) {
	case kindConfig:
		return in.pool.config, true
	case kindMessage, kindMetadata, kindStdout, kindStderr:
		if in.exchange == nil {
			return nil, false
		}
	}
	switch x := in.exchange; uint32(kind) {
	case kindMessage:
		return x.Message, true
	case kindMetadata:
		return x.Metadata, true
	case kindStdout:
		return x.Stdout, in.phase == Response
	case kindStderr:
		return x.Stderr, in.phase == Response
	}
	return nil, false
}

func inputLen(in *instance, _ api.Memory, stack []uint64) {
	b, ok := in.input(stack[0])
	if !ok {
		answer(stack, -errnoKind)
		return
	}
	answer(stack, int32(len(b)))
}

func inputRead(in *instance, m api.Memory, stack []uint64) {
	to := in.bytes(m, stack[1], stack[3])
	b, ok := in.input(stack[0])
	if !ok {
		answer(stack, -errnoKind)
		return
	}
	from := min(uint64(uint32(stack[2])), uint64(len(b)))
	answer(stack, int32(copy(to, b[from:])))
}

// output is where a kind is written in this phase.
func (in *instance) output(kind uint32) *buffers {
	if in.exchange == nil {
		return nil
	}
	switch x := in.exchange; {
	case kind == kindMessage:
		return &x.message
	case kind == kindStdout && in.phase != Callback:
		return &x.stdout
	case kind == kindStderr && in.phase != Callback:
		return &x.stderr
	}
	return nil
}

func outputWrite(in *instance, m api.Memory, stack []uint64) {
	b := in.bytes(m, stack[1], stack[2])
	kind := uint32(stack[0])
	to := in.output(kind)
	if to == nil {
		answer(stack, errnoKind)
		return
	}
	if in.writes[kind] == nil {
		in.writes[kind] = to.other()
		if kind == kindMessage {
			in.document = nil
		}
	}
	if int64(len(*in.writes[kind]))+int64(len(b)) > in.plugin.config.Limits.Output {
		in.halt(KindOutputLimit, errOutput)
	}
	*in.writes[kind] = append(*in.writes[kind], b...)
	answer(stack, errnoOK)
}

// message is the document that fields are read from and replaced in.
func (in *instance) message() []byte {
	if in.document != nil {
		return in.document
	}
	return in.exchange.Message
}

// fields says whether fields can be used now, and charges for reading the whole message.
func (in *instance) fields() int32 {
	switch {
	case in.exchange == nil:
		return errnoKind
	case in.writes[kindMessage] != nil:
		return errnoBusy
	}
	in.charge(int64(len(in.message())) * fieldCost)
	return errnoOK
}

func fieldGet(in *instance, m api.Memory, stack []uint64) {
	path := in.bytes(m, stack[0], stack[1])
	to := in.bytes(m, stack[2], stack[3])
	if errno := in.fields(); errno != errnoOK {
		answer(stack, -errno)
		return
	}
	in.answerField(stack, in.message(), path, to)
}

func configGet(in *instance, m api.Memory, stack []uint64) {
	path := in.bytes(m, stack[0], stack[1])
	to := in.bytes(m, stack[2], stack[3])
	in.charge(int64(len(in.pool.config)) * fieldCost)
	in.answerField(stack, in.pool.config, path, to)
}

// answerField copies one field of a document to the guest, if it fits, and answers with its length.
func (in *instance) answerField(stack []uint64, document, path, to []byte) {
	text, err := field.Get(document, in.path(path))
	if err != nil {
		answer(stack, -fieldErrno(err))
		return
	}
	if len(text) <= len(to) {
		in.charge(int64(len(text) >> copyShift))
		copy(to, text)
	}
	answer(stack, int32(len(text)))
}

func fieldSet(in *instance, m api.Memory, stack []uint64) {
	path := in.bytes(m, stack[0], stack[1])
	value := in.bytes(m, stack[2], stack[3])
	if errno := in.fields(); errno != errnoOK {
		answer(stack, errno)
		return
	}
	if int64(len(value)) > in.plugin.config.Limits.Output {
		in.halt(KindOutputLimit, errOutput)
	}
	in.charge(int64(len(value)) * fieldCost)
	to := in.exchange.message.other()
	changed, err := field.AppendSet(*to, in.message(), in.path(path), value)
	if err != nil {
		in.exchange.message.undo()
		answer(stack, fieldErrno(err))
		return
	}
	if int64(len(changed)) > in.plugin.config.Limits.Output {
		in.halt(KindOutputLimit, errOutput)
	}
	*to, in.document = changed, changed
	answer(stack, errnoOK)
}

func fieldErrno(err error) int32 {
	switch {
	case errors.Is(err, field.ErrPath):
		return errnoPath
	case errors.Is(err, field.ErrNotFound):
		return errnoNotFound
	}
	return errnoJSON
}

const (
	maxPath  = 4 << 10 // of a field, in bytes: field refuses what is longer than any document's depth
	maxPaths = 64      // names kept by one instance
)

// path is a field's name as a string. Names that the plugin has used before are not allocated again;
// they come from its code, and what they reveal of an earlier call stays on the host.
func (in *instance) path(b []byte) string {
	if len(b) > maxPath {
		return "\xff" // no JSON pointer
	}
	if s, ok := in.paths[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(in.paths) < maxPaths && len(s) <= 128 {
		in.paths[s] = s
	}
	return s
}

// deliver hands over what the guest has written with its verdict, and reports whether
// what it returned is one.
func (in *instance) deliver() (Verdict, bool) {
	x, verdict := in.exchange, Verdict(uint32(in.result[0]))
	if verdict > Answer || verdict != Continue && in.phase != Request {
		return Deny, false
	}
	if verdict == Deny {
		x.Reason, x.Code = in.reason, failCode(in.code)
		return Deny, true
	}
	if in.writes[kindMessage] != nil || in.document != nil {
		x.NewMessage, x.MessageReplaced = x.message.keep(), true
	}
	if in.phase == Response || verdict == Answer {
		if in.writes[kindStdout] != nil {
			x.NewStdout, x.StdoutReplaced = x.stdout.keep(), true
		}
		if in.writes[kindStderr] != nil {
			x.NewStderr, x.StderrReplaced = x.stderr.keep(), true
		}
	}
	return verdict, true
}
