package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// requestMessage is a request as wasm/ABI.md has it.
func requestMessage(o Order) ([]byte, error) {
	m := struct {
		Command  *string           `json:"command"`
		Argv     []string          `json:"argv"`
		Workdir  string            `json:"workdir"`
		Env      variables         `json:"env"`
		Labels   map[string]string `json:"labels"`
		Callback *string           `json:"callback"`
	}{Argv: o.Argv, Workdir: o.Workdir, Env: o.Env, Labels: o.Labels}
	if o.Argv == nil {
		m.Command = &o.Command
	}
	if m.Labels == nil {
		m.Labels = map[string]string{}
	}
	if o.Callback != nil {
		url := o.Callback.String()
		m.Callback = &url
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(m)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// variables are written as an object, in their order.
type variables []Variable

// MarshalJSON implements json.Marshaler.
func (v variables) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := jsontext.NewEncoder(&b)
	errs := []error{enc.WriteToken(jsontext.BeginObject)}
	for _, variable := range v {
		errs = append(errs, enc.WriteToken(jsontext.String(variable.Key)), enc.WriteToken(jsontext.String(variable.Value)))
	}
	errs = append(errs, enc.WriteToken(jsontext.EndObject))
	return bytes.TrimSpace(b.Bytes()), errors.Join(errs...)
}

// remade is the order that plugins made of a request's. What they cannot see of it is as it was.
func (r Request) remade(message []byte) (Order, error) {
	order, err := decodeRequestMessage(message)
	if err != nil {
		return Order{}, err
	}
	// No program can be given a NUL character. From a caller the analysis refuses it; a plugin has made a mistake.
	if field := order.nul(); field != "" && field != r.nul() {
		return Order{}, &FieldError{field, "must not contain a NUL character"}
	}
	order.Wait, order.Stdin, order.Timeout = r.Wait, r.Stdin, r.Timeout
	return order, nil
}

// nul names the part of the command that holds a NUL character, or "".
func (o Order) nul() string {
	switch {
	case strings.ContainsRune(o.Command, 0):
		return "command"
	case slices.ContainsFunc(o.Argv, func(arg string) bool { return strings.ContainsRune(arg, 0) }):
		return "argv"
	}
	return ""
}

// decodeRequestMessage reads what plugins made of a request, by the rules that hold for callers.
func decodeRequestMessage(message []byte) (Order, error) {
	d := newDecoder(message)
	var order Order
	var command *string
	seen, err := d.fields("message", "", []member{
		{"command", orNull(d, &command, d.textPointer)},
		{"argv", orNull(d, &order.Argv, d.argv)},
		{"workdir", into(&order.Workdir, d.workdir)},
		{"env", into(&order.Env, d.envObject)},
		{"labels", into(&order.Labels, d.labels)},
		{"callback", orNull(d, &order.Callback, d.callback)},
	})
	switch {
	case err != nil:
		return Order{}, err
	case len(seen) != 6:
		return Order{}, &FieldError{"message", "must have all of its members"}
	case (command == nil) == (order.Argv == nil):
		return Order{}, &FieldError{"command", "exactly one of command and argv must not be null"}
	case command != nil:
		order.Command = *command
	}
	return order, d.end()
}
