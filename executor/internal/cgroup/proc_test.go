package cgroup

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const hybridMounts = `22 1 0:21 / / rw,relatime - ext4 /dev/root rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
36 31 0:36 /docker/1f /sys/fs/cgroup/cpu,pids ro,relatime shared:1 master:2 - cgroup cgroup rw,cpu,pids
41 31 0:38 / /sys/fs/cgroup/with\040space rw - cgroup2 cgroup2 rw,nsdelegate
`

func TestParse(t *testing.T) {
	t.Parallel()
	mounts, err := parseMounts([]byte(hybridMounts))
	want := []mount{
		{root: "/", point: "/sys/fs/cgroup/with space", version: 2, options: []string{"rw", "nsdelegate"}},
		{root: "/docker/1f", point: "/sys/fs/cgroup/cpu,pids", version: 1, options: []string{"rw", "cpu", "pids"}},
		{root: "/", point: "/sys/fs/cgroup/memory", version: 1, options: []string{"rw", "memory"}},
	}
	if err != nil || !reflect.DeepEqual(mounts, want) {
		t.Errorf("mounts = %+v, %v", mounts, err)
	}
	v2, v1, err := parseMemberships([]byte("9:name=systemd:/a\n8:cpu,pids:/docker/1f/x\n4:memory:/b:c\n0::/d\n"))
	if err != nil || v2 == nil || v2.path != "/d" || len(v1) != 3 || v1[2].path != "/b:c" || len(v1[1].controllers) != 2 {
		t.Errorf("memberships = %+v, %+v, %v", v2, v1, err)
	}
	for _, text := range []string{"x", "0:/", "0::relative\n", "4:memory\n"} {
		if _, _, err := parseMemberships([]byte(text)); !errors.Is(err, errMembership) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"x", "1 2 3 4 5 6 cgroup cgroup rw", "1 2 3 4 5 - cgroup cgroup rw", "1 2 3 4 5 6 - cgroup cgroup"} {
		if _, err := parseMounts([]byte(text)); !errors.Is(err, errMounts) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDirOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ root, group, dir, reason string }{
		{"/", "/", "/m", ""},
		{"/", "/a/b", "/m/a/b", ""},
		{"/", "/..a", "/m/..a", ""},
		{"/a", "/a", "/m", ""},
		{"/a", "/a/b", "/m/b", ""},
		{"/a", "/ab", "", "shows only /a"},
		{"/a", "/", "", "shows only /a"},
		{"/", "/..", "", "outside the root of its cgroup namespace"},
		{"/", "/../x", "", "outside the root of its cgroup namespace"},
		{"/", "/a/../../b", "", "malformed"},
		{"/..", "/", "", "was mounted outside"},
		{"/../..", "/a", "", "was mounted outside"},
	} {
		dir, err := mount{root: c.root, point: "/m"}.dirOf(c.group)
		if dir != c.dir || (err == nil) != (c.reason == "") || err != nil && !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s in %s is %q, %v", c.group, c.root, dir, err)
		}
	}
}

func TestSurveyOf(t *testing.T) {
	t.Parallel()
	mounts, err := parseMounts([]byte(hybridMounts))
	if err != nil {
		t.Fatal(err)
	}
	full := survey{v2: &membership{path: "/"}, v1: []membership{{[]string{"memory"}, "/a"}, {[]string{"cpu", "pids"}, "/b"}}, mounts: mounts}
	for _, c := range []struct {
		survey     survey
		version    int
		controller string
		group      string
		reason     string
	}{
		{full, 2, "", "/", ""},
		{full, 1, "memory", "/a", ""},
		{full, 1, "pids", "/b", ""},
		{full, 1, "cpuset", "", "the v1 controller cpuset is not in use"},
		{survey{mounts: mounts}, 2, "", "", "cgroup v2 is not in use"},
		{survey{v2: full.v2, v1: full.v1}, 2, "", "", "cgroup v2 is not mounted"},
		{survey{v2: full.v2, v1: full.v1}, 1, "memory", "", "the v1 controller memory is not mounted"},
	} {
		group, found, err := c.survey.of(c.version, c.controller)
		if group != c.group || (err == nil) != (len(found) == 1) || err != nil && !strings.Contains(err.Error(), c.reason) {
			t.Errorf("v%d %s: %q, %v, %v", c.version, c.controller, group, found, err)
		}
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte(hybridMounts))
	f.Add([]byte("9:name=systemd:/a\n8:cpu,pids:/b\n0::/d\n"))
	f.Add([]byte("0::/a/../../b\n"))
	f.Add([]byte("oom_kill 3\nlow 0\nmax 12\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		mounts, err := parseMounts(text)
		if err == nil {
			for _, m := range mounts {
				if m.version != 1 && m.version != 2 || m.root == "" || m.point == "" {
					t.Errorf("mount %+v", m)
				}
			}
		}
		v2, v1, err := parseMemberships(text)
		if err == nil {
			if v2 != nil {
				v1 = append(v1, *v2)
			}
			for _, m := range v1 {
				dir, err := mount{root: "/", point: "/m"}.dirOf(m.path)
				if err == nil && dir != "/m" && !strings.HasPrefix(dir, "/m/") {
					t.Errorf("%q leads out of the mount, to %q", m.path, dir)
				}
			}
		}
		if n, err := parseField(text, "max"); err == nil && n < 0 {
			t.Errorf("max = %d", n)
		}
	})
}
