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
	if err := cmd.Start(); err != nil {
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
		for _, pattern := range []string{"job-*/ready", "job-*/" + privateHome + "/ready"} {
			if found, _ := filepath.Glob(filepath.Join(g.scene.Work, pattern)); len(found) > 0 {
				g.scene.Neighbour = filepath.Dir(found[0])
				g.scene.Beside, err = processOfJob(job.ID)
				return func() error {
					_, err := g.fifo.WriteString("\n")
					return errors.Join(err, <-left)
				}, err
			}
		}
	}
}

// processOfJob finds the process of a job.
func processOfJob(id string) (process, error) {
	pids, err := listProcesses()
	if err != nil {
		return process{}, err
	}
	for _, pid := range pids {
		env, err := os.ReadFile(procDir(pid) + "/environ")
		if err == nil && strings.Contains("\x00"+string(env), "\x00"+markKey+"="+id+"\x00") {
			return known(pid)
		}
	}
	return process{}, fmt.Errorf("no process of job %s", id)
}
