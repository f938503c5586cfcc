package executor

import (
	"strings"
	"testing"
)

func TestStdin(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, size := range []int{0, 1, 70, 65_536, 65_537, 3_000_000} {
		text := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
		job := script(t, `cat`)
		job.Stdin, job.MaxOutput = []byte(text), 4<<20
		if res := run(t, r, job); string(res.Stdout) != text {
			t.Errorf("of %d bytes of input the command read %d", size, len(res.Stdout))
		}
	}
}

// What a command does not read holds up nobody, whoever keeps the pipe.
func TestStdinIsNotRead(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	for _, text := range []string{
		"exit 3",
		"exec <&-; echo closed; exit 3",
		"head -c 5; exit 3",
		"sleep 60 & exit 3",
		"(read -r line; sleep 60) & exit 3",
	} {
		job := script(t, text)
		job.Stdin = make([]byte, 1<<20)
		if res := run(t, r, job); res.ExitCode != 3 {
			t.Errorf("%s: got %q, %q, code %d", text, res.Stdout, res.Stderr, res.ExitCode)
		}
	}
}

// Scripts open /dev/stdin, /dev/stdout and /dev/stderr by these names, whatever the user.
func TestStreamsByName(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	r := newRunner(t, nil)
	for _, profile := range profiles {
		if err := r.Check(Job{Profile: profile}); err != nil {
			t.Log(err)
			continue
		}
		for _, user := range []string{"", "nobody"} {
			job := script(t, `cat /dev/stdin >/dev/stdout && echo done >/dev/stderr`)
			job.Stdin, job.User, job.Profile = []byte("text\n"), user, profile
			if res := run(t, r, job); string(res.Stdout) != "text\n" || string(res.Stderr) != "done\n" {
				t.Errorf("%s, user %q: got %q, %q", profile, user, res.Stdout, res.Stderr)
			}
		}
	}
}
