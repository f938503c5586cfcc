//go:build wasip1

// Package sidegate is what a Sidegate plugin in Go needs: one file, and nothing
// but the standard library. Build a plugin with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm
//
// A plugin is a package main with an empty main. It exports a function for each
// phase that it takes part in, and one for its configuration if it has any:
//
//	//go:wasmexport sidegate_init
//	func configure() sidegate.Verdict { … return sidegate.Continue }
//
//	//go:wasmexport on_request
//	func onRequest() sidegate.Verdict { … return sidegate.Continue }
//
// The others are on_response and on_callback. What the functions here do is
// described in the guest contract, sidegate_v1. The message can be read and
// changed by the field, with [Get], [GetString], [Set], [SetString] and
// [Remove], which needs no JSON parser and makes a smaller and faster plugin;
// or as a whole, with [Input], encoding/json and [Output]. The configuration
// is read by the field, too, with [GetConfig] and [GetConfigString].
package sidegate

import (
	"io"
	"runtime"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// A Verdict is what an exported function returns.
type Verdict int32

const (
	// Continue takes what was written, or the message as it was if nothing
	// was. From sidegate_init it accepts the configuration.
	Continue Verdict = 0
	// Answer replies with what was written to Stdout and Stderr, and nothing
	// runs. It is for requests only.
	Answer Verdict = 2
)

// Deny refuses a request. Code is 401, 403, 429 or 503; the caller sees the
// reason.
func Deny(code int, reason string) Verdict {
	hostFail(int32(code), reason)
	return 1
}

// Refuse refuses a configuration in sidegate_init. The plugin is not loaded,
// and the operator sees the reason.
func Refuse(reason string) Verdict { return Deny(403, reason) }

// Fail says that the plugin could not do its work, in any phase. What follows
// is for the operator's configuration to say.
func Fail(reason string) Verdict {
	hostFail(503, reason)
	return -1
}

// A Kind is one of the inputs and outputs of a call.
type Kind int32

// Message, Config and Metadata are JSON. Stdout and Stderr are bytes: input and
// output in the response phase, output only in the request phase, for [Answer].
const (
	Message Kind = iota
	Config
	Metadata
	Stdout
	Stderr
)

// An Errno is why the host did not do what it was asked.
type Errno int32

const (
	ErrKind     Errno = 1 // there is no such kind here, or it cannot be written
	ErrPath     Errno = 2 // the path is not a JSON pointer
	ErrNotFound Errno = 3 // there is no such field
	ErrJSON     Errno = 4 // the text is not one JSON value, or a field is not a string
	ErrBusy     Errno = 5 // the message is being written with Output
	ErrSpace    Errno = 6 // the answer is longer than allowed
	ErrRefused  Errno = 7 // the destination is not listed for this plugin
	ErrNetwork  Errno = 8 // no answer could be had
	ErrDisabled Errno = 9 // nothing is fetched during a dry run
)

func (e Errno) Error() string {
	words := [...]string{
		ErrKind: "no such input or output", ErrPath: "not a JSON pointer", ErrNotFound: "no such field", ErrJSON: "not one JSON value",
		ErrBusy: "the message is being written", ErrSpace: "longer than allowed", ErrRefused: "refused destination",
		ErrNetwork: "no answer", ErrDisabled: "nothing is fetched during a dry run",
	}
	if e > 0 && int(e) < len(words) {
		return "sidegate: " + words[e]
	}
	return "sidegate: error " + strconv.Itoa(int(e))
}

func check(errno int32) error {
	if errno != 0 {
		return Errno(errno)
	}
	return nil
}

// Input returns a whole input.
func Input(kind Kind) ([]byte, error) {
	n := hostInputLen(int32(kind))
	if n < 0 {
		return nil, Errno(-n)
	}
	buf := make([]byte, n)
	_, err := io.ReadFull(NewReader(kind), buf)
	return buf, err
}

// Output appends to an output. The first call for a kind begins it empty.
func Output(kind Kind, p []byte) error {
	return check(hostOutputWrite(int32(kind), unsafe.SliceData(p), int32(len(p))))
}

// A Reader reads an input in pieces.
type Reader struct {
	kind Kind
	off  int32
}

// NewReader returns a reader at the beginning of an input.
func NewReader(kind Kind) *Reader { return &Reader{kind: kind} }

// Read returns io.EOF at the end, and an [Errno] if there is no such input. It
// lets the garbage collector run: nothing else interrupts a guest.
func (r *Reader) Read(p []byte) (int, error) {
	runtime.Gosched()
	n := hostInputRead(int32(r.kind), unsafe.SliceData(p), r.off, int32(len(p)))
	switch {
	case n < 0:
		return 0, Errno(-n)
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	r.off += n
	return int(n), nil
}

// A Writer appends to an output.
type Writer struct{ kind Kind }

// NewWriter returns a writer that appends to an output.
func NewWriter(kind Kind) Writer { return Writer{kind} }

// Write is [Output].
func (w Writer) Write(p []byte) (int, error) {
	if err := Output(w.kind, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Get returns the JSON text of one field of the message, exactly as it stands
// there. The path is a JSON pointer such as /env/LANG or /argv/0.
func Get(path string) ([]byte, error) { return get(hostFieldGet, path) }

// get asks the host for a field, again if it is longer than expected.
func get(host func(path string, dst *byte, n int32) int32, path string) ([]byte, error) {
	buf := make([]byte, 256)
	n := host(path, unsafe.SliceData(buf), int32(len(buf)))
	if int(n) > len(buf) {
		buf = make([]byte, n)
		n = host(path, unsafe.SliceData(buf), int32(len(buf)))
	}
	if n < 0 {
		return nil, Errno(-n)
	}
	return buf[:n], nil
}

// GetString returns a field that is a string, and [ErrJSON] if it is not.
func GetString(path string) (string, error) {
	text, err := Get(path)
	if err != nil {
		return "", err
	}
	return unquote(text)
}

// GetConfig is [Get] on the configuration. Without one, that is null: the path
// "" names it, and nothing else is found.
func GetConfig(path string) ([]byte, error) { return get(hostConfigGet, path) }

// GetConfigString is [GetString] on the configuration.
func GetConfigString(path string) (string, error) {
	text, err := GetConfig(path)
	if err != nil {
		return "", err
	}
	return unquote(text)
}

// Set replaces one field of the message by a JSON text, or adds it to an object
// that exists. A path that ends in /- adds to the end of an array.
func Set(path string, value []byte) error {
	if len(value) == 0 {
		return ErrJSON
	}
	return check(hostFieldSet(path, unsafe.SliceData(value), int32(len(value))))
}

// SetString replaces one field of the message by a string. Bytes that are not
// UTF-8 become U+FFFD.
func SetString(path, value string) error { return Set(path, quote(value)) }

// Remove removes one field of the message.
func Remove(path string) error { return check(hostFieldSet(path, nil, 0)) }

// A Level is how much a line in the gateway's log matters.
type Level int32

// The levels of the log.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Log writes a line to the gateway's log.
func Log(level Level, text string) { hostLog(int32(level), text) }

// A FetchRequest is one HTTP request, to be encoded with encoding/json.
type FetchRequest struct {
	Method  string            `json:"method,omitempty"` // GET if empty
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
}

// A FetchResponse is the answer. The names of headers are in lower case. A body
// that is not UTF-8 is in BodyBase64, and encoding/json decodes it.
type FetchResponse struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
	BodyBase64 []byte            `json:"body_base64"`
}

// Fetch makes one HTTP exchange and returns the [FetchResponse] as JSON of at
// most max bytes. Only a plugin that uses it needs the capability, and only
// the destinations that the operator listed can be reached.
func Fetch(request []byte, max int) ([]byte, error) {
	buf := make([]byte, max)
	n := hostFetch(unsafe.SliceData(request), int32(len(request)), unsafe.SliceData(buf), int32(max))
	if n < 0 {
		return nil, Errno(-n)
	}
	return buf[:n], nil
}

// quote returns s as a JSON string.
func quote(s string) []byte {
	const hex = "0123456789abcdef"
	out := append(make([]byte, 0, len(s)+2), '"')
	for _, r := range s { // what is not UTF-8 comes out as U+FFFD
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}

// unquote returns what a JSON string says.
func unquote(text []byte) (string, error) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", ErrJSON
	}
	text = text[1 : len(text)-1]
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			out = append(out, text[i])
			continue
		}
		if i++; i == len(text) {
			return "", ErrJSON
		}
		switch c := text[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(text[i+1:])
			if !ok {
				return "", ErrJSON
			}
			i += 4
			if utf16.IsSurrogate(r) && i+2 < len(text) {
				low, _ := hex4(text[i+3:])
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
}

func hex4(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[:4]), 16, 16)
	return rune(n), err == nil
}

//go:wasmexport sidegate_abi_v1
func abi() {}

//go:wasmimport sidegate input_len
func hostInputLen(kind int32) int32

//go:wasmimport sidegate input_read
//go:noescape
func hostInputRead(kind int32, dst *byte, off, n int32) int32

//go:wasmimport sidegate output_write
//go:noescape
func hostOutputWrite(kind int32, src *byte, n int32) int32

//go:wasmimport sidegate field_get
//go:noescape
func hostFieldGet(path string, dst *byte, n int32) int32

//go:wasmimport sidegate field_set
//go:noescape
func hostFieldSet(path string, src *byte, n int32) int32

//go:wasmimport sidegate config_get
//go:noescape
func hostConfigGet(path string, dst *byte, n int32) int32

//go:wasmimport sidegate log
//go:noescape
func hostLog(level int32, text string)

//go:wasmimport sidegate fail
//go:noescape
func hostFail(code int32, text string)

//go:wasmimport sidegate http_fetch
//go:noescape
func hostFetch(request *byte, n int32, dst *byte, size int32) int32
