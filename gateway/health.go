package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// readyTime bounds what a readiness probe may cost.
const readyTime = 2 * time.Second

// Check is one line of a readiness report.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
	// note marks a check that says something and does not decide on readiness.
	note bool
}

// readiness is what /readyz answers; docs/api.md describes it.
type readiness struct {
	Ready   bool    `json:"ready"`
	Checks  []Check `json:"checks"`
	Profile string  `json:"default_profile"` // of jobs whose decision names none
	Sandbox Sandbox `json:"sandbox"`
}

// AdminHandler returns the routes of the admin listener: /healthz says that the process answers, /readyz whether it can
// do its work, with a reason for each part that cannot, and what holds commands, /v1/chains in which order plugins run, and
// /metrics figures.
func (g *Gateway) AdminHandler() http.Handler {
	router := mux.NewRouter()
	router.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	}).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/v1/chains", g.serveChains).Methods(http.MethodGet, http.MethodHead)
	router.HandleFunc("/readyz", g.serveReady).Methods(http.MethodGet, http.MethodHead)
	if g.metrics.Page != nil {
		router.Handle("/metrics", g.metrics.Page).Methods(http.MethodGet, http.MethodHead)
	}
	return g.boundConnection(router)
}

func (g *Gateway) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	report := readiness{Ready: true, Checks: g.Ready(ctx), Profile: g.bounds.Profile, Sandbox: SandboxOf(g.runner.Report())}
	for _, c := range report.Checks {
		report.Ready = report.Ready && (c.OK || c.note)
	}
	w.Header().Set("Content-Type", "application/json")
	if !report.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(report)
}

// Ready checks each part that a request needs.
func (g *Gateway) Ready(ctx context.Context) []Check {
	policyCheck := Check{Name: "policy", OK: true}
	status := g.policy.Status()
	policyCheck.Detail = "revision " + status.Revision
	if !status.Ready {
		policyCheck.OK, policyCheck.Detail = false, "no policy is loaded"
	}
	if status.LastError != nil {
		policyCheck.Detail += "; the newest is not in force: " + status.LastError.Error()
	}
	journalCheck := Check{Name: "journal", OK: true}
	if err := g.journal.Writable(ctx); err != nil {
		journalCheck.OK, journalCheck.Detail = false, err.Error()
	}
	service := Check{Name: "service", OK: !g.closing.Load()}
	if !service.OK {
		service.Detail = "shutting down"
	}
	jobs := g.queue.Stats()
	queue := Check{Name: "queue", OK: true, Detail: fmt.Sprintf("%d running, %d waiting", jobs.Running, jobs.Waiting)}
	return append([]Check{policyCheck, journalCheck, g.sandboxCheck(), queue, service}, g.notes()...)
}

// sandboxCheck fails only where the default profile is not available: decisions that name another one may be enforced all the
// same, but what most calls get is a refusal.
func (g *Gateway) sandboxCheck() Check {
	sandbox := SandboxOf(g.runner.Report())
	c := Check{Name: "sandbox", OK: true, Detail: "the profile " + g.bounds.Profile + " is enforced"}
	if err := sandbox.Unavailable(g.bounds.Profile); err != nil {
		c.OK, c.Detail = false, err.Error()
	} else if lacks := sandbox.lacks(g.bounds.Profile); len(lacks) > 0 {
		c.Detail += ", without " + strings.Join(lacks, ", ")
	}
	return c
}

// notes are what an operator should know although the gateway works: an edit that was refused, plugins that keep failing.
func (g *Gateway) notes() []Check {
	var notes []Check
	if problem := g.reloadProblem.Load(); problem != nil {
		notes = append(notes, Check{Name: "reload", Detail: *problem, note: true})
	}
	if g.plugins == nil {
		return notes
	}
	for _, p := range g.plugins.Status() {
		c := Check{Name: "plugin " + p.Name, OK: p.Healthy, note: true}
		if !p.Healthy {
			c.Detail = "it keeps failing: " + p.LastFailure
		}
		notes = append(notes, c)
	}
	return notes
}

// SetReloadProblem says what is wrong with the newest edit of the configuration, or nil; readiness reports show it.
func (g *Gateway) SetReloadProblem(err error) {
	if err == nil {
		g.reloadProblem.Store(nil)
		return
	}
	text := err.Error()
	g.reloadProblem.Store(&text)
}
