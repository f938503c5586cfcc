package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// overflowUID is what the kernel calls every user who has no number in the gateway's
// user namespace (user_namespaces(7)). It may be anybody.
const overflowUID = 65534

// uid is the number of a user.
func uid(dst *uint32) value {
	return scalar("an integer", dst, func(_ *decoder, n *yaml.Node) (uint32, error) {
		if n.Style != 0 || !plainInteger.MatchString(n.Value) {
			return 0, fmt.Errorf("must be the number of a user, as `id -u` prints it, not %s", quote(n.Value))
		}
		id, err := strconv.ParseUint(n.Value, 10, 32)
		switch {
		case err != nil || id == math.MaxUint32:
			return 0, fmt.Errorf("must be from 0 to %d, not %s", uint32(math.MaxUint32-1), quote(n.Value))
		case id == overflowUID:
			return 0, fmt.Errorf("must not be %d: it stands for every user who has no number here", overflowUID)
		}
		return uint32(id), nil
	})
}

// socketModes are the permissions that a socket may have. To connect is to write, so
// the other bits would say nothing.
var socketModes = map[string]fs.FileMode{"0600": 0o600, "0660": 0o660, "0666": 0o666}

// socketMode is written in four octal digits as chmod takes them. They mean the same
// with and without quotes.
func socketMode(dst *fs.FileMode) value {
	return scalar("a mode", dst, func(_ *decoder, n *yaml.Node) (fs.FileMode, error) {
		mode, ok := socketModes[n.Value]
		if !ok {
			return 0, errors.New(`must be "0600" for the gateway's user alone, "0660" for its group too, or "0666" for everybody on this host`)
		}
		return mode, nil
	})
}
