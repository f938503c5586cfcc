package executor

import "slices"

// Profile names a set of sandbox features.
type Profile string

// The profiles, weakest first.
const (
	ProfileHost     Profile = "host"
	ProfileConfined Profile = "confined"
	ProfileIsolated Profile = "isolated"
)

// Features of a profile, as they appear in Enforced and Missing.
const (
	featureCleanEnv     = "clean_env"
	featureProcessGroup = "process_group"
	featureTimeout      = "timeout"
	featureOutputCap    = "output_cap"
	featureCloseOnExec  = "close_on_exec"
	featureWorkdirFD    = "workdir_fd"
	featureUser         = "user" // the command runs as another user than the gateway
)

// features lists what each profile consists of. Each contains the one before.
var features = func() map[Profile][]string {
	host := []string{featureCleanEnv, featureProcessGroup, featureTimeout, featureOutputCap, featureCloseOnExec, featureWorkdirFD}
	confined := slices.Concat(host, []string{"no_new_privs", "rlimits", "capabilities", "landlock_fs", "seccomp", "network", "cgroup"})
	isolated := slices.Concat(confined, []string{"pid_namespace", "mount_namespace", "ipc_namespace", "network_namespace"})
	return map[Profile][]string{ProfileHost: host, ProfileConfined: confined, ProfileIsolated: isolated}
}()

// enforceable says whether this build enforces a feature. The sandbox, when it comes, answers from what it found at start.
func enforceable(feature string) bool {
	return slices.Contains(features[ProfileHost], feature)
}

// Support says what of one profile holds on this host.
type Support struct {
	Profile Profile
	// Available is true if jobs that demand the profile are run without BestEffort. A profile can be available and still miss features.
	Available         bool
	Enforced, Missing []string
}

// Profiles returns the support for every profile on this host, weakest first. The slices belong to the caller.
func Profiles() []Support {
	all := make([]Support, 0, len(features))
	for _, p := range []Profile{ProfileHost, ProfileConfined, ProfileIsolated} {
		all = append(all, support(p))
	}
	return all
}

func support(p Profile) Support {
	s := Support{Profile: p, Available: p == ProfileHost || p == ProfileConfined, Enforced: []string{}, Missing: []string{}}
	for _, f := range features[p] {
		if enforceable(f) {
			s.Enforced = append(s.Enforced, f)
		} else {
			s.Missing = append(s.Missing, f)
		}
	}
	return s
}

// admit decides whether the job may run here, and what its Result will say was enforced and missing.
func admit(j *Job) (Support, error) {
	s := support(j.Profile)
	s.Missing = append(s.Missing, unenforced(j)...)
	if !s.Available && !j.BestEffort {
		return s, &UnavailableError{Profile: s.Profile, Missing: s.Missing}
	}
	return s, nil
}

// unenforced names the obligations that the job carries and this build does not enforce.
func unenforced(j *Job) []string {
	var files Filesystem
	if j.Filesystem != nil {
		files = *j.Filesystem
	}
	var names []string
	for _, o := range []struct {
		name     string
		demanded bool
	}{
		{"limits.memory", j.Limits.Memory > 0},
		{"limits.pids", j.Limits.PIDs > 0},
		{"limits.cpu_seconds", j.Limits.CPUSeconds > 0},
		{"limits.open_files", j.Limits.OpenFiles > 0},
		{"limits.file_size", j.Limits.FileSize > 0},
		{"filesystem", j.Filesystem != nil},
		{"filesystem.read", len(files.Read) > 0},
		{"filesystem.write", len(files.Write) > 0},
		{"network." + string(j.Network), j.Network == NetworkNone || j.Network == NetworkNetlink},
	} {
		if o.demanded {
			names = append(names, o.name)
		}
	}
	return names
}
