package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
)

// An event is a server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html). What it holds is valid until the next one.
type event struct {
	name string
	data []byte
}

// maxEvent bounds an event, in bytes: a gateway's are much shorter.
const maxEvent = 4 << 20

var errLongEvent = finalError{errors.New("the gateway sent an event that is too long")}

// eventsIn reads a stream of events to its end. heard is called with each line of it, also one that is no event. An event that is cut off is none.
func eventsIn(r io.Reader, heard func()) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
		e := event{}
		for lines.Scan() {
			heard()
			line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
			if len(line) == 0 {
				if e.name != "" && !yield(event{e.name, bytes.TrimSuffix(e.data, []byte("\n"))}, nil) {
					return
				}
				e = event{data: e.data[:0]}
				continue
			}
			field, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimPrefix(value, []byte(" "))
			switch string(field) {
			case "event":
				e.name = string(value)
			case "data":
				if len(e.data)+len(value) > maxEvent {
					yield(event{}, errLongEvent)
					return
				}
				e.data = append(append(e.data, value...), '\n')
			}
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = errLongEvent
		}
		if err != nil {
			yield(event{}, err)
		}
	}
}
