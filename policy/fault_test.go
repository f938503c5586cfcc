package policy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

const fine = `{"allow": true, "grants": [], "reasons": [], "obligations": {}}`

// Every way in which a policy can fail to answer denies, says so to the caller
// in general terms, and to the operator in particular ones.
func TestFailureDenies(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rego          string
		public, fault string
	}{
		"builtin error": {
			// Without strict builtin errors the failing rule would only be
			// undefined, and nothing would speak against the request.
			"package sidegate\n\ndecision := " + strings.Replace(fine, `true`, `count(reasons) == 0`, 1) +
				"\n\nreasons contains \"bad number\" if to_number(input.request.command) < 0\n",
			"evaluation error", "p.rego:5: eval_builtin_error: to_number",
		},
		"missing input field": {
			answers(`{"allow": input.request.env.NOTHING, "grants": [], "reasons": [], "obligations": {}}`),
			"it gave no decision", "undefined",
		},
		"undefined": {
			"package sidegate\n\ndecision := " + fine + " if input.version == 99\n",
			"it gave no decision", "undefined",
		},
		"conflicting answers": {
			"package sidegate\n\ndecision := " + fine + "\n\ndecision := {\"allow\": false} if input.version == 1\n",
			"evaluation error", "eval_conflict_error",
		},
		"a partial set of two": {
			"package sidegate\n\ndecision contains " + fine + "\n\ndecision contains {\"allow\": false}\n",
			"its decision is malformed", "decision must be an object",
		},
		"a boolean": {answers("true"), "its decision is malformed", "decision must be an object"},
		"null":      {answers("null"), "its decision is malformed", "decision must be an object"},
		"no allow": {
			answers(`{"grants": [], "reasons": [], "obligations": {}}`),
			"its decision is malformed", "decision.allow is missing",
		},
		"allow is a string": {
			answers(strings.Replace(fine, "true", `"true"`, 1)),
			"its decision is malformed", "decision.allow must be true or false",
		},
		"unknown field": {
			answers(strings.Replace(fine, "{", `{"allowed": true, `, 1)),
			"its decision is malformed", `decision."allowed" is unknown`,
		},
		"unknown obligation": {
			answers(strings.Replace(fine, "{}", `{"sandbox": "confined"}`, 1)),
			"its decision is malformed", `decision.obligations."sandbox" is unknown`,
		},
		"malformed obligation": {
			answers(strings.Replace(fine, "{}", `{"timeout": 30}`, 1)),
			"its decision is malformed", "decision.obligations.timeout must be a non-empty string",
		},
		"allowed with reasons against it": {
			answers(strings.Replace(fine, `"reasons": []`, `"reasons": ["no"]`, 1)),
			"its decision is malformed", "allows and gives 1 reasons against it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _, _ := openFiles(t, map[string]string{"p.rego": test.rego})
			if !e.Status().Ready {
				t.Fatal(e.Status().LastError)
			}
			d := decide(t, e, oneCommand())
			if d.Allow || d.Reasons[0] != "the policy failed to answer: "+test.public || !strings.Contains(d.Fault, test.fault) {
				t.Errorf("decision %+v", d)
			}
			if inRule := strings.Contains(d.Fault, "eval_"); inRule != strings.Contains(d.FaultAt, "p.rego:") || strings.Contains(d.FaultAt, "/var/log") {
				t.Errorf("the fault %q is at %q", d.Fault, d.FaultAt)
			}
			if d.Revision != e.Status().Revision {
				t.Errorf("revision %q", d.Revision)
			}
			if strings.Contains(d.Reasons[0], "/var/log") {
				t.Error("the reason quotes the input")
			}
		})
	}
}

// The entrypoint has one value by Rego's own rules. Were a query to give two
// results all the same, neither would decide.
func TestTwoResultsDeny(t *testing.T) {
	t.Parallel()
	store := inmem.New()
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Abort(t.Context(), txn)
	for query, want := range map[string]string{
		"[" + fine + `, {"allow": false}][_]`: "it gave several decisions: 2 results",
		fine + "; " + fine:                    "it gave several decisions: 1 results",
	} {
		q, err := rego.New(rego.Query(query), rego.Store(store), rego.Transaction(txn)).PrepareForEval(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := prepared{query: q}
		if d, err := p.ask(t.Context(), txn, ast.NewObject()); err == nil || err.Error() != want || d.Allow {
			t.Errorf("%s: decision %+v, error %v", query, d, err)
		}
	}
}

// A panic of the engine inside of one decision denies that one.
func TestPanicDenies(t *testing.T) {
	t.Parallel()
	var p prepared // without a query to ask
	d, err := p.ask(t.Context(), nil, ast.NewObject())
	if err == nil || !strings.Contains(err.Error(), "evaluation error: panic: ") || d.Allow {
		t.Errorf("decision %+v, error %v", d, err)
	}
}

// expensive takes far longer than any deadline, and allows when it is through.
const expensive = `package sidegate

decision := {"allow": count(pairs) > 0, "grants": [], "reasons": [], "obligations": {}}

pairs contains x * y * z if {
	some x in numbers.range(1, 5000)
	some y in numbers.range(1, 5000)
	some z in numbers.range(1, 5000)
}
`

func TestDeadlineDenies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": expensive})
	e, _ := open(t, Config{Paths: []string{dir}, Deadline: 20 * time.Millisecond})
	d := decide(t, e, oneCommand())
	if d.Allow || d.Reasons[0] != "the policy failed to answer: it took too long" || d.Fault == "" || !d.TimedOut {
		t.Errorf("decision %+v", d)
	}
}

func TestEndOfRequestDenies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"p.rego": expensive})
	e, _ := open(t, Config{Paths: []string{dir}, Deadline: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	d, err := e.Decide(ctx, oneCommand())
	if err != nil || d.Allow || d.Fault == "" {
		t.Errorf("decision %+v, error %v", d, err)
	}
	// A policy that could answer before OPA hears of the end must not.
	quick, _, _ := openFiles(t, map[string]string{"p.rego": allows("a")})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		d, err = quick.Decide(over, oneCommand())
		if err != nil || d.Allow || d.Reasons[0] != "the policy failed to answer: the request ended first" {
			t.Fatalf("decision %+v, error %v", d, err)
		}
	}
}

func TestDenialWithoutReasonsGetsOne(t *testing.T) {
	t.Parallel()
	e, _, _ := openFiles(t, map[string]string{"p.rego": answers(strings.Replace(fine, "true", "false", 1))})
	d := decide(t, e, oneCommand())
	if d.Allow || d.Fault != "" || d.Reasons[0] != "the policy does not allow it" {
		t.Errorf("decision %+v", d)
	}
}
