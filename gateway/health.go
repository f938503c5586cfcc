package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/sidegate/sidegate/internal/journal"
)

// readyTime bounds what a readiness probe may cost.
const readyTime = 2 * time.Second

// Check is one line of a readiness report.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // for people
	Reason string `json:"reason,omitempty"` // one of those below, where it is not OK, or not as good as it could be
	// Advisory marks a check that says something and does not decide on readiness: the gateway does its work.
	Advisory bool `json:"advisory,omitempty"`
}

// Why a check is not OK.
const (
	ReasonNoPolicy        = "policy_not_loaded"
	ReasonJournal         = "journal_not_writable"
	ReasonDiskLow         = "disk_low"
	ReasonCanary          = "canary_failed" // what tries the sandbox at the start
	ReasonDraining        = "draining"
	ReasonPolicyRefused   = "policy_refused" // the newest; the one before decides
	ReasonBundleStale     = "policy_bundle_stale"
	ReasonReloadFailed    = "reload_failed"
	ReasonPluginFailing   = "plugin_failing"
	ReasonAuditBroken     = "audit_broken"
	ReasonCheckpointsStay = "checkpoints_not_sent"
	ReasonCertificate     = "certificate_expires"
)

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
	if g.profiles {
		serveProfiles(router)
	}
	if g.metrics.Page != nil {
		router.Handle("/metrics", g.metrics.Page).Methods(http.MethodGet, http.MethodHead)
	}
	return g.boundConnection(forThisHost(router))
}

func (g *Gateway) serveReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	report := readiness{Ready: true, Checks: g.Ready(ctx), Profile: g.bounds.Profile, Sandbox: SandboxOf(g.runner.Report())}
	for _, c := range report.Checks {
		report.Ready = report.Ready && (c.OK || c.Advisory)
	}
	w.Header().Set("Cache-Control", "no-store")
	media := "application/json"
	if asText(r) {
		media = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", media)
	if !report.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if asText(r) {
		_, _ = io.WriteString(w, report.text())
		return
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
	if status.LastError != nil {
		policyCheck.Reason = ReasonPolicyRefused
	}
	if !status.Ready {
		policyCheck.OK, policyCheck.Reason, policyCheck.Detail = false, ReasonNoPolicy, "no policy is loaded"
	}
	if status.LastError != nil {
		policyCheck.Detail += "; the newest is not in force: " + status.LastError.Error()
	}
	journalCheck := Check{Name: "journal", OK: true}
	if err := g.journal.Writable(ctx); err != nil {
		journalCheck.OK, journalCheck.Reason, journalCheck.Detail = false, ReasonJournal, err.Error()
		if errors.Is(err, journal.ErrNoSpace) {
			journalCheck.Reason = ReasonDiskLow
		}
	}
	service := Check{Name: "service", OK: !g.leaving.Load() && !g.closing.Load()}
	if !service.OK {
		service.Reason, service.Detail = ReasonDraining, "shutting down"
	}
	jobs := g.queue.Stats()
	queue := Check{Name: "queue", OK: true, Detail: fmt.Sprintf("%d running, %d waiting", jobs.Running, jobs.Waiting)}
	return append([]Check{policyCheck, journalCheck, g.sandboxCheck(), queue, service}, append(g.notes(), g.watched()...)...)
}

// sandboxCheck fails only where the default profile is not available: decisions that name another one may be enforced all the
// same, but what most calls get is a refusal.
func (g *Gateway) sandboxCheck() Check {
	sandbox := SandboxOf(g.runner.Report())
	c := Check{Name: "sandbox", OK: true, Detail: "the profile " + g.bounds.Profile + " is enforced"}
	if err := sandbox.Unavailable(g.bounds.Profile); err != nil {
		c.OK, c.Reason, c.Detail = false, ReasonCanary, err.Error()
	} else if lacks := sandbox.lacks(g.bounds.Profile); len(lacks) > 0 {
		c.Detail += ", without " + strings.Join(lacks, ", ")
	}
	return c
}

// notes are what an operator should know although the gateway works: an edit that was refused, plugins that keep failing.
func (g *Gateway) notes() []Check {
	var notes []Check
	if problem := g.reloadProblem.Load(); problem != nil {
		notes = append(notes, Check{Name: "reload", Reason: ReasonReloadFailed, Detail: *problem, Advisory: true})
	}
	for _, b := range g.policy.Status().Bundles {
		if b.LastError != nil {
			notes = append(notes, Check{Name: "bundle " + b.Name, Reason: ReasonBundleStale, Detail: "it is not the newest: " + b.LastError.Error(), Advisory: true})
		} else if b.FromDisk {
			notes = append(notes, Check{Name: "bundle " + b.Name, Reason: ReasonBundleStale, Detail: "it is one that was kept, because its server has not answered since the start", Advisory: true})
		}
	}
	if g.plugins == nil {
		return notes
	}
	for _, p := range g.plugins.Status() {
		c := Check{Name: "plugin " + p.Name, OK: p.Healthy, Advisory: true}
		if !p.Healthy {
			c.Reason, c.Detail = ReasonPluginFailing, "it keeps failing: "+p.LastFailure
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
