package gateway

// decodeOrder reads the body of POST /shell. It takes exactly what the wire contract names: an unknown field, a field
// given twice, null, a wrong type or anything after the object is a *FieldError.
func decodeOrder(body []byte) (Order, error) {
	d := newDecoder(body)
	order := Order{Wait: true}
	seen := map[string]bool{}
	err := d.object("body", func(name string) (err error) {
		seen[name] = true
		switch name {
		case "command":
			order.Command, err = d.text(name)
		case "wait":
			order.Wait, err = d.bool(name)
		case "workdir":
			order.Workdir, err = d.workdir(name)
		case "envs":
			order.Env, err = d.envs(name)
		case "callbackURL":
			order.Callback, err = d.callback(name)
		default:
			return &FieldError{name, "is not a field of this request; the fields are command, wait, workdir, envs and callbackURL"}
		}
		return err
	})
	if err != nil {
		return Order{}, err
	}
	if !seen["command"] {
		return Order{}, &FieldError{"command", "is required"}
	}
	return order, d.end()
}

// decodeJob reads the body of the native API: a command string or an argument vector, and what belongs to it.
func decodeJob(body []byte) (Order, error) {
	d := newDecoder(body)
	order := Order{Wait: true}
	seen := map[string]bool{}
	err := d.object("body", func(name string) (err error) {
		seen[name] = true
		switch name {
		case "command":
			order.Command, err = d.text(name)
		case "argv":
			order.Argv, err = d.argv(name)
		case "workdir":
			order.Workdir, err = d.workdir(name)
		case "env":
			order.Env, err = d.envObject(name)
		case "stdin":
			order.Stdin, err = d.stdin(name)
		case "timeout":
			order.Timeout, err = d.duration(name)
		case "labels":
			order.Labels, err = d.labels(name)
		case "callback":
			err = d.object(name, func(key string) (err error) {
				if key != "url" {
					return &FieldError{name + "." + key, "is not a field of a callback; its field is url"}
				}
				order.Callback, err = d.callback(name + ".url")
				return err
			})
		default:
			return &FieldError{name, "is not a field of this request; the fields are command, argv, workdir, env, stdin, timeout, labels and callback"}
		}
		return err
	})
	switch {
	case err != nil:
		return Order{}, err
	case seen["command"] == seen["argv"]:
		return Order{}, &FieldError{"command", "exactly one of command and argv is required"}
	}
	return order, d.end()
}
