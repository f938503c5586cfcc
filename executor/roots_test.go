package executor

import (
	"slices"
	"testing"

	"github.com/sidegate/sidegate/executor/internal/landlock"
)

// A root stands for the files below it, and not for devices and the kernel, unless it is one of them.
func TestUnmeant(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		root        string
		read, write []string
	}{
		{"/", []string{"/dev"}, []string{"/dev", "/proc", "/sys"}},
		{"/dev", nil, nil},
		{"/dev/shm", nil, nil},
		{"/sys/class", nil, nil},
		{"/srv", nil, nil},
		{"/device", nil, nil},
	} {
		for rights, want := range map[landlock.Rights][]string{landlock.Read: tc.read, landlock.Write: tc.write, landlock.Execute: tc.write} {
			if got := unmeant(tc.root, rights); !slices.Equal(got, want) {
				t.Errorf("%s, %s: got %v, want %v", tc.root, rights, got, want)
			}
		}
	}
}
