package executor

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// condition is what commands could change of the gateway, and of what it looks after.
type condition struct {
	Files       map[string]string // mode, number of links, inode and content
	Memory      string
	Environment []string
	Limits      [16]unix.Rlimit // as many resources as there are
	Nice        int
	Processors  unix.CPUSet
	Tracer      string
	Dumpable    int
	Outside     []string // names
}

// look takes the condition.
func (g *escapeGateway) look() (c condition, err error) {
	c.Files, c.Memory, c.Environment = map[string]string{}, string(gatewayMemory), os.Environ()
	s := &g.scene
	for _, path := range []string{s.Top, s.State, s.Secret, s.Journal, s.Config, s.Installed, s.Outside, s.in("outside/file"), s.in("outside/directory"), s.in("readable/file")} {
		if c.Files[path], err = describe(path); err != nil {
			return c, err
		}
	}
	for resource := range c.Limits {
		if err := unix.Getrlimit(resource, &c.Limits[resource]); err != nil {
			return c, err
		}
	}
	if c.Nice, err = unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil {
		return c, err
	}
	if err := unix.SchedGetaffinity(os.Getpid(), &c.Processors); err != nil {
		return c, err
	}
	if c.Dumpable, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return c, err
	}
	if c.Tracer, err = statusOf(os.Getpid(), "TracerPid"); err != nil {
		return c, err
	}
	for _, dir := range []string{s.Top, s.Outside, s.State, s.in("etc"), s.in("runtime/etc"), s.Readable, s.Writable} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return c, err
		}
		for _, e := range entries {
			c.Outside = append(c.Outside, dir+"/"+e.Name())
		}
	}
	return c, nil
}

func describe(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	text := fmt.Sprintf("mode %o, user %d, inode %d", st.Mode, st.Uid, st.Ino)
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		text += fmt.Sprintf(", %d links, %q", st.Nlink, content)
	}
	return text, nil
}

// examine notes what harm was done.
func (g *escapeGateway) examine() {
	g.fence()
	if g.scene.Profile != ProfileHost && g.has(featureSignal) {
		for sig, n := range g.arrived {
			g.harmed("it got %d signals %v", n, sig)
		}
	}
	clear(g.arrived)
	g.findStrangers(g.scene.Profile == ProfileHost)
	now, err := g.look()
	if err != nil {
		g.harmed("it cannot be looked at: %v", err)
		return
	}
	was, is := reflect.ValueOf(g.whole), reflect.ValueOf(now)
	for i := range was.NumField() {
		if w, n := was.Field(i).Interface(), is.Field(i).Interface(); !reflect.DeepEqual(w, n) {
			g.harmed("%s was\n%v\nand is\n%v", was.Type().Field(i).Name, w, n)
		}
	}
}

// examineRest notes what is left when no job runs.
func (g *escapeGateway) examineRest() {
	g.examine()
	left, err := os.ReadDir(g.scene.Work)
	if err != nil || len(left) > 0 {
		g.harmed("%v is left in the work root (%v)", left, err)
	}
}

// fenceSignal is delivered after every other that is waiting, having the highest number.
const fenceSignal = unix.Signal(60)

// fence returns when every signal that was sent before has been counted.
func (g *escapeGateway) fence() {
	if err := unix.Kill(os.Getpid(), fenceSignal); err != nil {
		g.harmed("it cannot signal itself: %v", err)
		return
	}
	for sig := range g.signals {
		if sig == fenceSignal {
			return
		}
		g.arrived[sig]++
	}
}

// hasArrived tells whether a try's signal has come. Without a sandbox it is waited for.
func (g *escapeGateway) hasArrived(t *try) bool {
	g.fence()
	if g.scene.Profile == ProfileHost && (t.excuse == nil || t.excuse(&g.scene) == "") {
		limit := time.NewTimer(10 * time.Second)
		defer limit.Stop()
		for g.arrived[t.arrived] == 0 {
			select {
			case sig := <-g.signals:
				g.arrived[sig]++
			case <-limit.C:
				return false
			}
		}
	}
	return g.arrived[t.arrived] > 0
}

// strangers looks for children that have ended and that the gateway has not made: a command has. Where nothing prevents that, it is no harm, as long
// as they are waited for.
func (g *escapeGateway) findStrangers(allowed bool) {
	pids, err := zombies()
	if err != nil {
		g.harmed("its children cannot be listed: %v", err)
	}
	for _, pid := range pids {
		if !allowed && !g.strangers[pid] {
			g.harmed("it was given the child %d", pid)
		}
		g.strangers[pid] = true
	}
}

// awaitBurial returns when the Runner has waited for all strangers.
func (g *escapeGateway) awaitBurial() {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		pids, err := zombies()
		switch {
		case err == nil && len(pids) == 0:
			return
		case err != nil || time.Now().After(deadline):
			g.harmed("nobody waits for its children %v (%v)", pids, err)
			return
		}
	}
}

// zombies lists the children of this process that have ended and were not waited for.
func zombies() (pids []int, err error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		text, _ := os.ReadFile(list) // of a thread that may have ended
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			if state, err := statusOf(pid, "State"); err == nil && strings.HasPrefix(state, "Z") {
				pids = append(pids, pid)
			}
		}
	}
	return pids, err
}
