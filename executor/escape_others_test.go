package executor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Who else is there: a process of the command's user in no sandbox, and another job.

// startBystander starts a process as the user whom the commands run as, in no sandbox, and dumpable as most processes are.
func (g *escapeGateway) startBystander() (*exec.Cmd, error) {
	id, err := g.runner.identityOf(g.user())
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sleep", "100")
	cmd.Env = []string{gatewaySecretKey + "=" + gatewaySecret}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: id.credential()}
	// Ambient capabilities would be inherited, and with them the process could not be looked into by its own user.
	if err := actAs(uint32(os.Geteuid()), uint32(os.Getegid()), func() error {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
			return err
		}
		return cmd.Start()
	}); err != nil {
		return nil, err
	}
	g.scene.Bystander, err = known(cmd.Process.Pid)
	return cmd, err
}

// moveIn runs another job of the same user and profile until depart is called.
func (g *escapeGateway) moveIn() (depart func() error, err error) {
	job, err := g.program("/bin/sh", "sh", "-c", `echo hello >"$HOME/letter"; : >"$HOME/ready"; read -r line <"$FIFO"`)
	if err != nil {
		return nil, err
	}
	job.Workdir = ""
	job.Env = append(job.Env, "FIFO="+g.scene.Fifo)
	left := make(chan error, 1)
	go func() {
		res, err := g.run(job)
		if err == nil && res.ExitCode != 0 {
			err = fmt.Errorf("%s, code %d: %s", res.Status, res.ExitCode, res.err)
		}
		left <- err
	}()
	for {
		select {
		case err := <-left:
			if errors.Is(err, ErrUnavailable) {
				g.scene.Neighbour = ""
				return func() error { return nil }, nil
			}
			return nil, errors.Join(errors.New("it ended"), err)
		case <-time.After(time.Millisecond):
		}
		if g.scene.Neighbour, g.scene.Beside, err = g.findJob(job.ID); err != nil || g.scene.Neighbour != "" {
			return func() error {
				_, err := g.fifo.WriteString("\n")
				return errors.Join(err, <-left)
			}, err
		}
	}
}

// findJob returns the private directory of a job that says there that it is ready, and its process. Only the job's user may look for them.
func (g *escapeGateway) findJob(id string) (dir string, p process, err error) {
	as, err := g.runner.identityOf(g.user())
	if err != nil {
		return "", p, err
	}
	private, err := findPrivate(g.scene.Work)
	if err != nil {
		return "", p, err
	}
	err = actAs(as.uid, as.gid, func() error {
		for _, entry := range private {
			for _, d := range []string{entry, filepath.Join(entry, privateHome)} {
				if _, err := os.Lstat(filepath.Join(d, "ready")); err == nil {
					dir = d
					p, err = processOf(id)
					return err
				}
			}
		}
		return nil
	})
	return dir, p, err
}

func processOf(id string) (process, error) {
	pids, err := listProcesses()
	for _, pid := range pids {
		env, err := os.ReadFile(procDir(pid) + "/environ")
		if err == nil && strings.Contains("\x00"+string(env), "\x00"+markKey+"="+id+"\x00") {
			return known(pid)
		}
	}
	return process{}, errors.Join(fmt.Errorf("no process of job %s", id), err)
}
