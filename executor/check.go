package executor

// Check tells whether Run would refuse the job because its profile cannot be enforced here: the error then wraps ErrUnavailable. It looks at nothing
// else of the job, so that a job can be refused before it is promised to anybody.
func (r *Runner) Check(job Job) error {
	_, err := r.admit(&job)
	return err
}
