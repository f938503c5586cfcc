package gateway

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// errWorkdir is the one answer for every directory that cannot be used. It is given only where the policy allows the
// directory: elsewhere a caller is denied in the same words whether there is such a directory or not.
var errWorkdir = errors.New("is not a directory that commands can run in")

// realWorkdir returns the path free of symbolic links that a requested directory stands for; "" stays "". What is decided
// on is this path, and what runs opens it again without following links.
func realWorkdir(asked string) (string, error) {
	if asked == "" {
		return "", nil
	}
	if path.Clean(asked) == "/proc" || strings.HasPrefix(path.Clean(asked), "/proc/") {
		return "", errWorkdir // its links lead to what other processes have open
	}
	dir, err := filepath.EvalSymlinks(asked)
	if err != nil {
		return "", errWorkdir
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", errWorkdir
	}
	return dir, nil
}
