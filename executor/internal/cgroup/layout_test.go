package cgroup

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const v2Mount = "35 31 0:32 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

// openFake opens a Tree in the hierarchy, takes a group, gives it back, closes the Tree and checks that all is as before.
func openFake(t *testing.T, f *fake, change func(*Config)) Support {
	t.Helper()
	before := slices.DeleteFunc(f.snapshot(), func(s string) bool { return strings.Contains(s, leafSuffix) }) // which is removed
	c := Config{Idle: 1, host: f.host("0::"+fakeService+"\n", v2Mount)}
	if change != nil {
		change(&c)
	}
	tree, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	support := tree.Support()
	if support.Kill.Available {
		l := Limits{}
		if support.Memory.Available {
			l.Memory = 1 << 30
		}
		if support.PIDs.Available {
			l.PIDs = 100
		}
		g, err := tree.Make(l)
		if err != nil {
			t.Fatal(err)
		}
		if g.Dir() == nil || len(g.Tasks()) != 0 {
			t.Errorf("Dir = %v, Tasks = %v", g.Dir(), g.Tasks())
		}
		f.note("close")
		giveBack(t, g)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	if after := f.snapshot(); !slices.Equal(before, after) {
		t.Errorf("Close has left\n%s\nof\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	return support
}

// TestV2Order is what is done to a service's group that systemd has delegated, in which the gateway is alone.
func TestV2Order(t *testing.T) {
	t.Parallel()
	f := newFake(t, "cpu memory pids")
	support := openFake(t, f, nil)
	for name, feature := range map[string]Feature{
		"kill": support.Kill, "into": support.Into, "memory": support.Memory, "swap": support.Swap, "pids": support.PIDs,
	} {
		if !feature.Available || !strings.HasPrefix(feature.How, "v2") {
			t.Errorf("%s: %+v", name, feature)
		}
	}
	var got []string
	for _, line := range f.log {
		// The group's name has a part by chance.
		words := strings.Fields(strings.ReplaceAll(line, "system.slice/sidegate.service", "S"))
		if len(words) > 1 {
			parts := strings.Split(words[1], "/")
			if len(parts) > 2 && parts[1] == "sidegate" && strings.Contains(parts[2], "-") {
				parts[2] = "GROUP" + parts[2][strings.Index(parts[2], "-"):]
			}
			words[1] = strings.Join(parts, "/")
		}
		got = append(got, strings.Join(words, " "))
	}
	want := strings.Split(strings.TrimSpace(`
mkdir S/sidegate
write S/cgroup.subtree_control +memory
mkdir S/sidegate.gateway
write S/sidegate.gateway/cgroup.procs 0
write S/cgroup.subtree_control +memory
write S/sidegate/cgroup.subtree_control +memory
write S/cgroup.subtree_control +pids
write S/sidegate/cgroup.subtree_control +pids
mkdir S/sidegate/GROUP-1
write S/sidegate/GROUP-1/memory.oom.group 1
write S/sidegate/GROUP-1/memory.max 1099511627776
write S/sidegate/GROUP-1/memory.swap.max 0
write S/sidegate/GROUP-1/pids.max 1000
rmdir S/sidegate/GROUP-1
mkdir S/sidegate/GROUP-2
write S/sidegate/GROUP-2/memory.oom.group 1
write S/sidegate/GROUP-2/memory.max 1073741824
write S/sidegate/GROUP-2/memory.swap.max 0
write S/sidegate/GROUP-2/memory.peak 0
write S/sidegate/GROUP-2/pids.max 100
close
rmdir S/sidegate/GROUP-2
rmdir S/sidegate
write S/cgroup.subtree_control -pids
write S/cgroup.subtree_control -memory
write S/cgroup.procs 0
rmdir S/sidegate.gateway
`), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("done:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestV2Layouts(t *testing.T) {
	t.Parallel()
	type reasons struct{ kill, memory, pids string } // "" means available
	for _, c := range []struct {
		name        string
		controllers string
		prepare     func(f *fake)
		change      func(f *fake, c *Config)
		want        reasons
	}{
		{
			name: "another process in the group", controllers: "memory pids",
			prepare: func(f *fake) {
				f.write("system.slice/sidegate.service/cgroup.procs", f.read("system.slice/sidegate.service/cgroup.procs")+"1\n")
			},
			want: reasons{memory: "has processes besides the gateway", pids: "has processes besides the gateway"},
		},
		{
			name: "one controller", controllers: "cpu pids",
			want: reasons{memory: `sidegate.service is not given the controller memory, only "cpu pids"`},
		},
		{
			name: "no controllers", controllers: "",
			want: reasons{memory: "is not given the controller memory", pids: "is not given the controller pids"},
		},
		{
			name: "already switched on", controllers: "memory pids",
			prepare: func(f *fake) {
				f.make("system.slice/sidegate.service/leaf")
				f.write("system.slice/sidegate.service/leaf/cgroup.procs", f.read("system.slice/sidegate.service/cgroup.procs"))
				f.write("system.slice/sidegate.service/cgroup.procs", "")
				f.write("system.slice/sidegate.service/cgroup.subtree_control", "memory pids")
			},
			change: func(f *fake, c *Config) {
				c.host = f.host("0::"+fakeService+"/leaf\n", v2Mount)
				c.host.delegated = func(dir file) bool { return f.path(dir, "") == fakeService[1:] }
			},
		},
		{
			name: "a leaf of a group that is not delegated", controllers: "memory pids",
			prepare: func(f *fake) {
				f.make("system.slice/sidegate.service/leaf")
				f.write("system.slice/sidegate.service/leaf/cgroup.procs", f.read("system.slice/sidegate.service/cgroup.procs"))
				f.write("system.slice/sidegate.service/cgroup.procs", "")
			},
			change: func(f *fake, c *Config) { c.host = f.host("0::"+fakeService+"/leaf\n", v2Mount) },
			want:   reasons{memory: "leaf is not given the controller memory", pids: "leaf is not given the controller pids"},
		},
		{
			name: "a root in the configuration", controllers: "memory pids",
			prepare: func(f *fake) { f.make("other") },
			change:  func(_ *fake, c *Config) { c.Root = "/other" },
		},
		{
			name: "a root that is not there", controllers: "memory pids",
			change: func(_ *fake, c *Config) { c.Root = "/other" },
			want:   reasons{"no such file", "no such file", "no such file"},
		},
		{
			name: "permission denied", controllers: "memory pids",
			prepare: func(f *fake) { f.fails["mkdir system.slice/sidegate.service/sidegate"] = unix.EACCES },
			want:    reasons{"belongs to somebody else", "belongs to somebody else", "belongs to somebody else"},
		},
		{
			name: "too many groups", controllers: "memory pids",
			prepare: func(f *fake) { f.fails["mkdir system.slice/sidegate.service/sidegate"] = unix.EAGAIN },
			want:    reasons{"cgroup.max.descendants", "cgroup.max.descendants", "cgroup.max.descendants"},
		},
		{
			name: "threaded", controllers: "memory pids",
			prepare: func(f *fake) {
				f.fails["write system.slice/sidegate.service/cgroup.subtree_control +memory"] = unix.EOPNOTSUPP
			},
			want: reasons{memory: "is threaded", pids: ""},
		},
		{
			name: "the gateway may not move", controllers: "memory pids",
			prepare: func(f *fake) {
				f.fails["write system.slice/sidegate.service/sidegate.gateway/cgroup.procs 0"] = unix.EACCES
			},
			want: reasons{memory: "sidegate.gateway belongs to somebody else", pids: "sidegate.gateway belongs to somebody else"},
		},
		{
			name: "a leaf that a crashed gateway has left", controllers: "memory pids",
			prepare: func(f *fake) { f.make("system.slice/sidegate.service/sidegate.gateway") },
		},
		{
			name: "limits that cannot be set", controllers: "memory pids",
			prepare: func(f *fake) { f.lacks = []string{"pids.max"} },
			want:    reasons{"pids.max", "pids.max", "pids.max"},
		},
		{
			name: "a limit that is refused", controllers: "memory pids",
			change: func(f *fake, c *Config) {
				write := c.host.write
				c.host.write = func(fd file, value string) error {
					if strings.HasSuffix(f.path(fd, ""), "/pids.max") {
						return unix.EPERM
					}
					return write(fd, value)
				}
			},
			want: reasons{pids: "not permitted"},
		},
		{
			name: "not this group", controllers: "memory pids",
			prepare: func(f *fake) { f.write("system.slice/sidegate.service/cgroup.procs", "") },
			want:    reasons{"does not list this process", "does not list this process", "does not list this process"},
		},
		{
			name: "something mounted over it", controllers: "memory pids",
			change: func(_ *fake, c *Config) { c.host.isCgroup = func(file, int) bool { return false } },
			want:   reasons{"something else is mounted over", "something else is mounted over", "something else is mounted over"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, c.controllers)
			if c.prepare != nil {
				c.prepare(f)
			}
			support := openFake(t, f, func(config *Config) {
				if c.change != nil {
					c.change(f, config)
				}
			})
			for name, check := range map[string]struct {
				feature Feature
				reason  string
			}{"kill": {support.Kill, c.want.kill}, "memory": {support.Memory, c.want.memory}, "pids": {support.PIDs, c.want.pids}} {
				if check.feature.Available != (check.reason == "") || !strings.Contains(check.feature.How, check.reason) {
					t.Errorf("%s: %+v, want %q", name, check.feature, check.reason)
				}
			}
		})
	}
}

// TestOldKernels has files missing that came with later kernels.
func TestOldKernels(t *testing.T) {
	t.Parallel()
	f := newFake(t, "memory pids")
	f.lacks = []string{"memory.peak", "memory.swap.max", "cgroup.kill", "pids.events"}
	support := openFake(t, f, nil)
	if !support.Memory.Available || support.Swap.Available || !strings.Contains(support.Swap.How, "does not count swap") {
		t.Errorf("memory: %+v, swap: %+v", support.Memory, support.Swap)
	}
	if !support.Kill.Available || !strings.Contains(support.Kill.How, "frozen") {
		t.Errorf("kill: %+v", support.Kill)
	}
	tree, err := Open(Config{host: f.host("0::"+fakeService+"\n", v2Mount)})
	if err != nil {
		t.Fatal(err)
	}
	g := makeGroup(t, tree, Limits{Memory: 1 << 20})
	if _, known := g.Peak(); known {
		t.Error("the peak is known without memory.peak")
	}
	if refused, err := g.PIDsRefused(); refused || err != nil {
		t.Errorf("PIDsRefused without pids.events = %v, %v", refused, err)
	}
	giveBack(t, g)
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}
