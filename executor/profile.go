package executor

import (
	"slices"
)

// Profile names a set of sandbox features.
type Profile string

// The profiles, weakest first. Each has what the one before has.
const (
	ProfileHost     Profile = "host"
	ProfileConfined Profile = "confined"
	ProfileIsolated Profile = "isolated"
)

// Features of profiles, as they appear in Enforced and Missing.
const (
	featureCleanEnv     = "clean_env"
	featureProcessGroup = "process_group"
	featureTimeout      = "timeout"
	featureOutputCap    = "output_cap"
	featureCloseOnExec  = "close_on_exec"
	featureWorkdirFD    = "workdir_fd"

	featureNoNewPrivs   = "no_new_privs"
	featureRlimits      = "rlimits"
	featureCapabilities = "capabilities" // none are left
	featureLandlock     = "landlock_fs"
	featureSeccomp      = "seccomp"
	featureNetwork      = "network" // socket families as the job lists them

	featureTCP      = "landlock_tcp"
	featureSignal   = "landlock_signal"
	featureAbstract = "landlock_abstract_unix"
	featureCgroup   = "cgroup"

	featurePIDNamespace     = "pid_namespace"
	featureMountNamespace   = "mount_namespace"
	featureIPCNamespace     = "ipc_namespace"
	featureNetworkNamespace = "network_namespace"

	featureUser = "user" // the command runs as another user than the gateway
)

// make-up is what a profile consists of: its floor, without which it is not available, and hardening, which is used where the kernel has it.
type makeup struct{ floor, hardening []string }

// makeups lists the features of each profile, those of weaker profiles included, in the order in which they are shown.
var makeups = func() map[Profile]makeup {
	host := makeup{floor: []string{featureCleanEnv, featureProcessGroup, featureTimeout, featureOutputCap, featureCloseOnExec, featureWorkdirFD}}
	confined := makeup{
		floor:     slices.Concat(host.floor, []string{featureNoNewPrivs, featureRlimits, featureCapabilities, featureLandlock, featureSeccomp, featureNetwork}),
		hardening: []string{featureTCP, featureSignal, featureAbstract, featureCgroup},
	}
	isolated := makeup{
		floor:     slices.Concat(confined.floor, []string{featurePIDNamespace, featureMountNamespace, featureIPCNamespace, featureNetworkNamespace}),
		hardening: confined.hardening,
	}
	return map[Profile]makeup{ProfileHost: host, ProfileConfined: confined, ProfileIsolated: isolated}
}()

// profiles are all of them, weakest first.
var profiles = []Profile{ProfileHost, ProfileConfined, ProfileIsolated}

// Support says what of one profile holds on this host.
type Support struct {
	Profile Profile
	// Available is true if jobs that demand the profile run without BestEffort. An available profile can miss hardening, but nothing of its floor.
	Available         bool
	Enforced, Missing []string
	// Reasons says of each feature in Missing why, for people.
	Reasons map[string]string
}

// support tells from what is lacking what holds of a profile.
func support(p Profile, lacks map[string]string) Support {
	m := makeups[p]
	s := Support{Profile: p, Available: true, Enforced: []string{}, Missing: []string{}, Reasons: map[string]string{}}
	for _, f := range slices.Concat(m.floor, m.hardening) {
		reason, lacking := lacks[f]
		if !lacking {
			s.Enforced = append(s.Enforced, f)
			continue
		}
		s.Missing = append(s.Missing, f)
		s.Reasons[f] = reason
		s.Available = s.Available && !slices.Contains(m.floor, f)
	}
	return s
}

// Profiles returns the support for every profile on this host, weakest first. What it returns belongs to the caller.
func (r *Runner) Profiles() []Support {
	all := make([]Support, 0, len(profiles))
	for _, p := range profiles {
		all = append(all, r.support(p))
	}
	return all
}

func (r *Runner) support(p Profile) Support { return support(p, r.sandbox.lacks[p]) }

// admit decides whether the job may run here, and what its Result will say was enforced and missing.
func (r *Runner) admit(j *Job) (Support, error) {
	s := r.support(j.Profile)
	if !s.Available && !j.BestEffort {
		return s, &UnavailableError{Profile: s.Profile, Missing: s.Missing, Reasons: s.Reasons}
	}
	s.Missing = append(s.Missing, r.sandbox.unenforced(j, s)...)
	return s, nil
}

// has tells whether the feature holds.
func (s *Support) has(feature string) bool { return slices.Contains(s.Enforced, feature) }

// unenforced names the obligations that the job carries and that do not hold for it.
func (b *sandbox) unenforced(j *Job, s Support) []string {
	files := j.Filesystem
	if files == nil {
		files = &Filesystem{}
	}
	listed := s.has(featureLandlock)
	var names []string
	for _, o := range []struct {
		name           string
		demanded, held bool
	}{
		{"limits.memory", j.Limits.Memory > 0, b.limits.Memory.Available},
		{"limits.pids", j.Limits.PIDs > 0, b.limits.PIDs.Available},
		{"filesystem.read", len(files.Read) > 0, listed},
		{"filesystem.write", len(files.Write) > 0, listed},
		{"filesystem.execute", files.Execute != nil, listed},
		{"filesystem", j.Filesystem != nil, listed},
		{"network." + string(j.Network), j.Network == NetworkNone || j.Network == NetworkNetlink, s.has(featureNetwork)},
	} {
		if o.demanded && !o.held {
			names = append(names, o.name)
		}
	}
	return names
}
