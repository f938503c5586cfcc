package gateway

// decodeOrder reads the body of POST /shell. It takes exactly what the wire contract names: an unknown field, a field
// given twice, null, a wrong type or anything after the object is a *FieldError.
func decodeOrder(body []byte) (Order, error) {
	d := newDecoder(body)
	order := Order{Wait: true}
	seen, err := d.fields("body", "", []member{
		{"command", into(&order.Command, d.text)},
		{"wait", into(&order.Wait, d.bool)},
		{"workdir", into(&order.Workdir, d.workdir)},
		{"envs", into(&order.Env, d.envs)},
		{"callbackURL", into(&order.Callback, d.callback)},
	})
	switch {
	case err != nil:
		return Order{}, err
	case !seen["command"]:
		return Order{}, &FieldError{"command", "is required"}
	}
	return order, d.end()
}

// decodeJob reads the body of the native API: a command string or an argument vector, and what belongs to it.
func decodeJob(body []byte) (Order, error) {
	d := newDecoder(body)
	order := Order{Wait: true}
	seen, err := d.fields("body", "", []member{
		{"command", into(&order.Command, d.text)},
		{"argv", into(&order.Argv, d.argv)},
		{"workdir", into(&order.Workdir, d.workdir)},
		{"env", into(&order.Env, d.envObject)},
		{"stdin", into(&order.Stdin, d.textPointer)},
		{"timeout", into(&order.Timeout, d.duration)},
		{"labels", into(&order.Labels, d.labels)},
		{"callback", func(field string) error {
			seen, err := d.fields(field, field+".", []member{{"url", into(&order.Callback, d.callback)}})
			if err == nil && !seen["url"] {
				err = &FieldError{field + ".url", "is required"}
			}
			return err
		}},
	})
	switch {
	case err != nil:
		return Order{}, err
	case seen["command"] == seen["argv"]:
		return Order{}, &FieldError{"command", "exactly one of command and argv is required"}
	}
	return order, d.end()
}

// member is one field that an object may have, and how its value is read.
type member struct {
	name string
	read func(field string) error
}

// orNull is into for a value that may be null, which leaves what is there.
func orNull[T any](d decoder, dst *T, read func(field string) (T, error)) func(field string) error {
	return func(field string) error {
		if d.dec.PeekKind() == 'n' {
			_, err := d.dec.ReadToken()
			return malformed(field, err)
		}
		return into(dst, read)(field)
	}
}

// into reads a value to where it belongs.
func into[T any](dst *T, read func(field string) (T, error)) func(field string) error {
	return func(field string) (err error) {
		*dst, err = read(field)
		return err
	}
}
