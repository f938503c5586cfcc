package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// membership is a line of /proc/self/cgroup (cgroups(7)): the group this process is in, in one hierarchy.
type membership struct {
	controllers []string // of a v1 hierarchy; none for v2
	path        string   // as seen from the root of this process's cgroup namespace
}

var errMembership = errors.New("/proc/self/cgroup is malformed")

func parseMemberships(data []byte) (v2 *membership, v1 []membership, err error) {
	for line := range bytes.Lines(data) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			return nil, nil, errMembership
		}
		if fields[0] == "0" && fields[1] == "" {
			v2 = &membership{path: fields[2]}
			continue
		}
		v1 = append(v1, membership{controllers: strings.Split(fields[1], ","), path: fields[2]})
	}
	return v2, v1, nil
}

// mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)) that shows control groups.
type mount struct {
	root    string // the group that is seen at point, from the root of this process's cgroup namespace
	point   string
	version int
	options []string // of the file system: for v1 they name its controllers
}

var errMounts = errors.New("/proc/self/mountinfo is malformed")

// parseMounts returns the mounts of control groups, the last one first: it lies on top of those before it.
func parseMounts(data []byte) ([]mount, error) {
	var found []mount
	for line := range bytes.Lines(data) {
		head, tail, ok := strings.Cut(string(line), " - ")
		before, after := strings.Fields(head), strings.Fields(tail)
		if !ok || len(before) < 6 || len(after) < 3 {
			return nil, errMounts
		}
		m := mount{root: unescape(before[3]), point: unescape(before[4]), options: strings.Split(after[2], ",")}
		switch after[0] {
		case "cgroup2":
			m.version = 2
		case "cgroup":
			m.version = 1
		default:
			continue
		}
		found = append(found, m)
	}
	slices.Reverse(found)
	return found, nil
}

// unescape undoes what the kernel does to space, tab, newline and backslash.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// dirOf returns the directory in which a group is seen, or why it is not.
func (m mount) dirOf(group string) (string, error) {
	above := func(p string) bool { return p == "/.." || strings.HasPrefix(p, "/../") }
	if above(group) {
		return "", fmt.Errorf("this process is in the group %s, outside the root of its cgroup namespace", group)
	}
	if above(m.root) {
		return "", fmt.Errorf("%s was mounted outside this process's cgroup namespace and shows %s; mount it again inside", m.point, m.root)
	}
	if path.Clean(group) != group {
		return "", errMembership
	}
	rest, below := group, true
	if m.root != "/" {
		rest, below = strings.CutPrefix(group, m.root)
		below = below && (rest == "" || rest[0] == '/')
	}
	if !below {
		return "", fmt.Errorf("%s shows only %s and this process is in %s", m.point, m.root, group)
	}
	return path.Join(m.point, rest), nil
}

// survey is what /proc says of this process and of what is mounted.
type survey struct {
	v2     *membership
	v1     []membership
	mounts []mount
}

func (h *host) survey() (survey, error) {
	text, err := h.readMemberships()
	if err != nil {
		return survey{}, err
	}
	var s survey
	if s.v2, s.v1, err = parseMemberships(text); err != nil {
		return survey{}, err
	}
	if text, err = h.readMounts(); err != nil {
		return survey{}, err
	}
	s.mounts, err = parseMounts(text)
	return s, err
}

// of returns the group of this process in a hierarchy and where that hierarchy is mounted. v1 hierarchies are known by their controllers.
func (s survey) of(version int, controller string) (group string, mounts []mount, err error) {
	own, name := s.v2, "cgroup v2"
	if version == 1 {
		own, name = nil, "the v1 controller "+controller
		for i, m := range s.v1 {
			if slices.Contains(m.controllers, controller) {
				own = &s.v1[i]
			}
		}
	}
	if own == nil {
		return "", nil, fmt.Errorf("%s is not in use on this kernel", name)
	}
	for _, m := range s.mounts {
		if m.version == version && (version == 2 || slices.Contains(m.options, controller)) {
			mounts = append(mounts, m)
		}
	}
	if len(mounts) == 0 {
		return "", nil, fmt.Errorf("%s is not mounted", name)
	}
	return own.path, mounts, nil
}
