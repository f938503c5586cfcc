package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/resolver/wasm"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// prepared is one activated policy, ready to be asked.
type prepared struct {
	query    rego.PreparedEvalQuery
	revision string
}

// Reload reads the policies now and activates them, all or nothing. On an
// error the policy that was active goes on deciding.
func (e *Engine) Reload(ctx context.Context) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	if e.closed {
		return ErrNotLoaded
	}
	active, err := e.load(ctx)
	if err != nil {
		e.refused(err)
		return err
	}
	e.accepted(active)
	return nil
}

func (e *Engine) load(ctx context.Context) (*prepared, error) {
	sources, sum, err := readSources(e.paths)
	if err != nil {
		return nil, err
	}
	if active := e.current.Load(); active != nil && sum == e.loaded {
		return active, nil
	}
	bundles, err := assemble(sources)
	if err != nil {
		return nil, err
	}
	if err := e.commit(ctx, bundles); err != nil {
		return nil, err
	}
	active := e.current.Load()
	if active == nil {
		return nil, errors.New("the policy was compiled, but its query could not be prepared")
	}
	e.loaded = sum
	return active, nil
}

// commit activates bundles in one transaction: all of them, or none and an error.
func (e *Engine) commit(ctx context.Context, bundles map[string]*bundle.Bundle) error {
	params := storage.WriteParams
	params.Context = storage.NewContext()
	return storage.Txn(ctx, e.store, params, func(txn storage.Transaction) error {
		compiler := ast.NewCompiler().
			WithDefaultRegoVersion(ast.RegoV1).
			WithPathConflictsCheck(storage.NonEmpty(ctx, e.store, txn)).
			WithEnablePrintStatements(e.printing())
		err := e.activate.Activate(&bundle.ActivateOpts{
			Ctx:           ctx,
			Store:         e.store,
			Txn:           txn,
			TxnCtx:        params.Context,
			Compiler:      compiler,
			Metrics:       metrics.NoOp(),
			Bundles:       bundles,
			ParserOptions: parserOptions(),
		})
		if err != nil {
			return err
		}
		// The manager finds these when the transaction commits, and calls publish.
		plugins.SetCompilerOnContext(params.Context, compiler)
		plugins.SetWasmResolversOnContext(params.Context, []*wasm.Resolver{})
		return nil
	})
}

// publish makes the policy that has just been committed the one that decides.
// The manager calls it under the store's write lock. A policy that cannot be
// prepared leaves nothing to decide by, since the data is already the new one.
func (e *Engine) publish(txn storage.Transaction) {
	next, err := e.prepare(context.Background(), txn)
	if err != nil {
		e.log.Error("a committed policy cannot be evaluated: every request is denied", "error", err)
	}
	e.current.Store(next)
}

func (e *Engine) prepare(ctx context.Context, txn storage.Transaction) (*prepared, error) {
	revision, err := e.committedRevision(ctx, txn)
	if err != nil {
		return nil, err
	}
	query, err := rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(entrypoint)))),
		rego.Compiler(e.opa.GetCompiler()),
		rego.Store(e.store),
		rego.Transaction(txn),
		rego.StrictBuiltinErrors(true),
		rego.PrintHook(e.opa.PrintHook()),
		rego.EnablePrintStatements(e.opa.EnablePrintStatements()),
		rego.InterQueryBuiltinValueCache(cache.NewInterQueryValueCache(ctx, e.opa.InterQueryBuiltinCacheConfig())),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	return &prepared{query: query, revision: revision}, nil
}

// committedRevision joins the revisions of all active bundles with "+".
func (e *Engine) committedRevision(ctx context.Context, txn storage.Transaction) (string, error) {
	names, err := bundle.ReadBundleNamesFromStore(ctx, e.store, txn)
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	revisions := make([]string, 0, len(names))
	for _, name := range names {
		revision, err := bundle.ReadBundleRevisionFromStore(ctx, e.store, txn, name)
		if err != nil {
			return "", err
		}
		revisions = append(revisions, revision)
	}
	return strings.Join(revisions, "+"), nil
}

func (e *Engine) accepted(active *prepared) {
	before := e.Status()
	after := e.setStatus(func(s *Status) {
		if !s.Ready || s.Revision != active.revision {
			s.ActivatedAt = time.Now()
		}
		s.Ready, s.Revision, s.LastError, s.LastErrorAt = true, active.revision, nil, time.Time{}
	})
	switch {
	case !before.Ready || before.Revision != after.Revision:
		e.log.Info("policy activated", "revision", after.Revision)
	case before.LastError != nil:
		e.log.Info("policy files are in order again", "revision", after.Revision)
	default:
		return
	}
	e.changed(after)
}

func (e *Engine) refused(err error) {
	after := e.setStatus(func(s *Status) {
		s.Ready = e.current.Load() != nil
		s.LastError, s.LastErrorAt = err, time.Now()
	})
	consequence := "the last good policy goes on deciding"
	if !after.Ready {
		consequence = "no policy is loaded: every request is denied"
	}
	for _, problem := range Problems(err) {
		e.log.Error("policy refused: "+consequence, "error", problem.String(), "revision", after.Revision)
	}
	e.changed(after)
}

func (e *Engine) changed(status Status) {
	if e.onChange != nil {
		e.onChange(status)
	}
}
