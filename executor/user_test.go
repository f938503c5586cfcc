package executor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// other is the user that the tests switch to.
const other = "nobody"

func TestUserSwitch(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	u, err := user.Lookup(other)
	if err != nil {
		t.Skipf("this host has no user %s to become: %v", other, err)
	}
	r := newRunner(t, nil)
	job := script(t, `id -u; id -g; id -G; grep -c '^Cap\(Prm\|Eff\|Amb\):.*[1-9a-f]' /proc/self/status
		stat -c '%u %g %a' . ; echo x > file && cat file && [ "$(cat "$HOME/file")" = x ] && mkdir -p a/b && chmod 000 a/b a .
		cat /etc/shadow; setsid sleep 1000 & exit 3`)
	job.User = other
	res := run(t, r, job)
	want := fmt.Sprintf("%s\n%s\n%s\n0\n%s %s 700\nx\n", u.Uid, u.Gid, u.Gid, u.Uid, u.Gid)
	if string(res.Stdout) != want || res.ExitCode != 3 {
		t.Errorf("got %q, %q, code %d; want %q", res.Stdout, res.Stderr, res.ExitCode, want)
	}
	if !strings.Contains(string(res.Stderr), "/etc/shadow: Permission denied") {
		t.Errorf("stderr %q", res.Stderr)
	}
	if !slices.Contains(res.Enforced, featureUser) {
		t.Errorf("enforced %v", res.Enforced)
	}

	// The working directory is entered as that user.
	dir := openDir(t)
	job = command(t, "stat", "-c", "%i", ".")
	job.User, job.Workdir = other, dir
	if res, want := run(t, r, job), fmt.Sprintln(identify(t, dir).Ino); string(res.Stdout) != want {
		t.Errorf("started in %s, want %s", res.Stdout, want)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, r, job, StepStart); !errors.Is(err, os.ErrPermission) {
		t.Errorf("closed directory: %v", err)
	}

	job = command(t, "ls", "/proc/self/fd")
	job.User = other
	if res := run(t, r, job); string(res.Stdout) != "0\n1\n2\n3\n" {
		t.Errorf("descriptors %q", res.Stdout)
	}
}

func TestUnknownUser(t *testing.T) {
	t.Parallel()
	job := command(t, "true")
	job.User = "no-such-user-here"
	var unknown user.UnknownUserError
	if err := refused(t, newRunner(t, nil), job, StepUser); !errors.As(err, &unknown) {
		t.Error(err)
	}
}

func TestUserWithoutTheRight(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	r.maySwitch = false
	name := other
	if os.Geteuid() != 0 {
		name = "root"
	}
	job := command(t, "true")
	job.User = name
	if err := refused(t, r, job, StepUser); !errors.Is(err, ErrMayNotSwitch) {
		t.Error(err)
	}
	self, err := user.Current()
	if err != nil {
		t.Skipf("the user who runs this has no name on this host: %v", err)
	}
	job.User = self.Username
	if res := run(t, r, job); slices.Contains(res.Enforced, featureUser) {
		t.Error("claims a switch to its own user")
	}
}

// As installed as a service, the gateway is not root but is granted three capabilities, as ambient ones: commands must not inherit those, and the
// trees and directories of another user must be dealt with all the same.
func TestGatewayWithCapabilities(t *testing.T) {
	t.Parallel()
	needsRoot(t)
	const uid = 64123
	if _, err := user.LookupId(fmt.Sprint(uid)); err == nil {
		t.Skipf("user %d exists", uid)
	}
	dir := openDir(t)
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = []string{helperKey + "=capable-gateway", "PATH=/usr/bin:/bin", "WORK=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uid, Gid: uid},
		AmbientCaps: []uintptr{unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_KILL},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "work")); err != nil || len(entries) != 0 {
		t.Errorf("left in the work root: %v, %v", entries, err)
	}
}

// capableGateway is run in a process of its own.
func capableGateway() error {
	r, err := New(Config{WorkRoot: filepath.Join(os.Getenv("WORK"), "work"), PipeGrace: 100 * time.Millisecond})
	if err != nil {
		return err
	}
	ctx := context.Background()
	var errs []error
	for i, asUser := range []string{"", other} {
		path, err := filepath.EvalSymlinks("/bin/sh")
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			return err
		}
		job := Job{
			ID: fmt.Sprintf("capable-%d-%d", os.Getpid(), i), Program: Program{Path: path, Dev: uint64(st.Dev), Ino: st.Ino},
			Env: []string{"PATH=/usr/bin:/bin"}, Profile: ProfileHost, Timeout: 10 * time.Second, MaxOutput: 4096, User: asUser,
			Argv: []string{"sh", "-c", `grep '^Cap\(Prm\|Eff\|Amb\):.*[1-9a-f]' /proc/self/status
				mkdir -p a/b && echo x > "$HOME/a/b/file" && chmod 000 a/b a . || echo cannot write
				setsid sh -c 'trap "" TERM; sleep 1000' & (setsid sleep 1000 >/dev/null 2>&1 &)
				id -un; [ "$PWD" = "$HOME" ]`},
		}
		res, err := r.Run(ctx, job)
		if err != nil {
			return err
		}
		name := asUser
		if name == "" {
			name = fmt.Sprint(os.Getuid())
		}
		stdout, err1 := res.Stdout.Bytes()
		stderr, err2 := res.Stderr.Bytes()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if !strings.Contains(string(stdout), name) && asUser != "" || strings.Contains(string(stdout), "Cap") ||
			strings.Contains(string(stdout), "cannot") || res.Survivors || res.ExitCode != 0 {
			errs = append(errs, fmt.Errorf("as %q: %s, code %d, survivors %v: %q %q", asUser, res.Status, res.ExitCode, res.Survivors, stdout, stderr))
		}
		// Recovery after a crash must find such processes too.
		if n, err := r.Sweep(ctx, []string{job.ID}); n != 0 || err != nil {
			errs = append(errs, fmt.Errorf("as %q: %d survivors, %v", asUser, n, err))
		}
	}
	return errors.Join(append(errs, sweepOther(ctx, r))...)
}

// sweepOther starts a marked process of the other user by itself, as if a gateway had crashed, and sweeps it.
func sweepOther(ctx context.Context, r *Runner) error {
	id, err := r.identityOf(other)
	if err != nil {
		return err
	}
	cmd := exec.Command("sleep", "1000")
	cmd.Env = []string{markKey + "=crashed"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: id.credential(), AmbientCaps: nil}
	// Ambient capabilities would be inherited, and with them the process could not be looked into by its own user.
	if err := actAs(uint32(os.Geteuid()), uint32(os.Getegid()), func() error {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
			return err
		}
		return cmd.Start()
	}); err != nil {
		return err
	}
	n, err := r.Sweep(ctx, []string{"crashed"})
	if n != 1 || err != nil {
		_ = cmd.Process.Kill()
		err = fmt.Errorf("swept %d, %w", n, err)
	}
	_ = cmd.Wait()
	return err
}
