package policy

import "testing"

// The policies that the repository ships load as they are, and decide.
func TestShippedPolicies(t *testing.T) {
	t.Parallel()
	e, _ := open(t, Config{Paths: []string{"../policies"}})
	if s := e.Status(); !s.Ready {
		t.Fatal(s.LastError)
	}
	if d := decide(t, e, oneCommand()); !d.Allow || len(d.Grants) == 0 {
		t.Errorf("ls -l /var/log: %+v", d)
	}
	in := oneCommand()
	in.Request.Command = "rm -rf /"
	in.Shell.Commands = []Command{testCommand(0, "rm", "-rf", "/")}
	if d := decide(t, e, in); d.Allow || d.Fault != "" {
		t.Errorf("rm -rf /: %+v", d)
	}
	in = oneCommand()
	in.Client.Roles = nil
	if d := decide(t, e, in); d.Allow || d.Fault != "" {
		t.Errorf("without a role: %+v", d)
	}
	if d := decide(t, e, Input{}); d.Allow {
		t.Errorf("an empty input: %+v", d)
	}
}

func BenchmarkDecideShippedPolicies(b *testing.B) { benchmarkDecide(b, "../policies", oneCommand()) }
