package executor

import "strings"

// markKey names the environment variable by which the processes of a job are found again.
const markKey = "SIDEGATE_JOB_ID"

// environment is what the command gets: the executor's own variables, and of Job.Env what does not collide with them.
func (j *Job) environment(w *workdir) []string {
	own := []string{markKey + "=" + j.ID, "PWD=" + w.path}
	if w.private != nil && (j.Workdir == "" || j.variable("HOME") == "") {
		own = append(own, "HOME="+w.private.path)
	}
	if w.private != nil {
		own = append(own, "TMPDIR="+w.private.path)
	}
	env := own
	for _, entry := range j.Env {
		if !definesOneOf(entry, own) {
			env = append(env, entry)
		}
	}
	return env
}

func definesOneOf(entry string, others []string) bool {
	key, _, _ := strings.Cut(entry, "=")
	for _, other := range others {
		if k, _, _ := strings.Cut(other, "="); k == key {
			return true
		}
	}
	return false
}
