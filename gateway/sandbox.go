package gateway

import (
	"fmt"
	"strings"

	"github.com/sidegate/sidegate/executor"
)

// Sandbox says for machines what a host can hold commands with. /readyz has it, and so has `sidegate doctor --json`.
type Sandbox struct {
	Child    string           `json:"child"`    // how children are made
	Landlock int              `json:"landlock"` // version of the kernel's interface, 0 for none
	Cgroup   SandboxCgroup    `json:"cgroup"`
	Profiles []SandboxProfile `json:"profiles"` // weakest first
}

// SandboxCgroup says of each use of control groups how it is done, or why not.
type SandboxCgroup struct {
	Kill   string `json:"kill"`
	Memory string `json:"memory"`
	PIDs   string `json:"pids"`
}

// SandboxProfile says what of one profile holds.
type SandboxProfile struct {
	Profile   string            `json:"profile"`
	Available bool              `json:"available"` // nothing of its floor is missing
	Enforced  []string          `json:"enforced"`
	Missing   []string          `json:"missing"`
	Reasons   map[string]string `json:"reasons"` // of what is missing
}

// SandboxOf takes over what an executor has found out.
func SandboxOf(r executor.Report) Sandbox {
	s := Sandbox{Child: string(r.Way), Landlock: r.Landlock, Cgroup: SandboxCgroup{Kill: r.Groups.Kill, Memory: r.Groups.Memory, PIDs: r.Groups.PIDs}}
	for _, p := range r.Profiles {
		s.Profiles = append(s.Profiles, SandboxProfile{string(p.Profile), p.Available, p.Enforced, p.Missing, p.Reasons})
	}
	return s
}

// Unavailable says why a default profile cannot be enforced, and what that means; nil where it can.
func (s Sandbox) Unavailable(profile string) error {
	for _, p := range s.Profiles {
		if p.Profile == profile && !p.Available {
			return fmt.Errorf("this host cannot enforce the profile %s, so every call that does not ask for another is refused: it lacks %s",
				profile, strings.Join(p.Missing, ", "))
		}
	}
	return nil
}

// lacks names what is missing of a profile.
func (s Sandbox) lacks(profile string) []string {
	for _, p := range s.Profiles {
		if p.Profile == profile {
			return p.Missing
		}
	}
	return nil
}
