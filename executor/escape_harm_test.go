package executor

import (
	"fmt"
	"os"
	"reflect"
	"time"
	"unsafe"

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
	g.buryStrangers()
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

// buryStrangers waits for children that the gateway has not made: a command has.
func (g *escapeGateway) buryStrangers() {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err != nil || info.Signo == 0 {
			return
		}
		pid := int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), 16))) // si_pid
		if g.scene.Profile != ProfileHost {
			g.harmed("it was given the child %d", pid)
		}
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			g.harmed("the child %d cannot be waited for: %v", pid, err)
			return
		}
	}
}
