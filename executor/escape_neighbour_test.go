package executor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// The private directory of another job that runs at the same time as the same user, so that only the sandbox is between them.

func neighbourTries(where string) []try {
	tries := []try{
		{name: "list the directory of the private directories", do: func(s *scene) error { return list(s.Work) }, excuse: ofOther},
		{name: "list another job's private directory", do: inNeighbour(list, "")},
		{name: "read a file in another job's private directory", do: inNeighbour(func(path string) error { return readSome(path) }, "letter")},
		{name: "write to a file in another job's private directory", do: inNeighbour(func(path string) error { return openAndClose(path, os.O_WRONLY) }, "letter")},
		{name: "make a file in another job's private directory", do: inNeighbour(makeAndRemove, "new")},
		{name: "leave a program in another job's private directory", do: inNeighbour(func(path string) error { return makeRemove(os.Symlink("/bin/sh", path), path) }, "ls")},
		{name: "move a file into another job's private directory", do: func(s *scene) error {
			return withOwnFile(s, func(s *scene, own string) error {
				return inNeighbour(func(path string) error { return renameAndBack(own, path) }, "moved")(s)
			})
		}},
		{name: "remove a file in another job's private directory", do: inNeighbour(removeAndBack, "letter")},
		{name: "make a private directory for a later job", do: func(s *scene) error {
			path := filepath.Join(s.Work, "job-planted")
			return makeRemove(os.Mkdir(path, 0o777), path)
		}, excuse: ofOther},
	}
	for i := range tries {
		if where != "" && strings.HasPrefix(tries[i].name, "list ") {
			tries[i].left = listed
		}
		tries[i].name += where
	}
	return tries
}

func inNeighbour(do func(string) error, name string) func(*scene) error {
	return func(s *scene) error {
		if s.Neighbour == "" {
			return errors.New("there is no other job")
		}
		return do(filepath.Join(s.Neighbour, name))
	}
}
