package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/plugins"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/resolver/wasm"
	"github.com/open-policy-agent/opa/v1/server"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// prepared is one activated policy, ready to be asked.
type prepared struct {
	query    rego.PreparedEvalQuery
	revision string
	bundles  map[string]server.BundleInfo // by name, for the decision log
	warnings []Problem
	cache    *decisionCache // nil: its decisions are not kept
	uncached string         // why, if that is its own doing
	notes    bool           // see Config.NoteCalls
}

// candidate is a bundle that may become part of the policy.
type candidate struct {
	bundle *bundle.Bundle
	feed   *feed  // nil: it comes from Config.Paths
	packed []byte // as downloaded, to be kept on disk; nil: is not, or is there already
	mark   mark   // of a remote one
}

// Reload reads the policies in Config.Paths now and activates them, all or
// nothing. On an error the policy that was active goes on deciding. Remote
// bundles are polled on their own.
func (e *Engine) Reload(ctx context.Context) error {
	return e.ReloadWith(ctx, func() (func(), error) { return func() {}, nil })
}

// ReloadWith is Reload together with something else. It calls prepare first, and
// returns its error and changes nothing if it fails; no policy comes into force
// while it works. It calls what prepare returned in the moment in which the
// policies come into force: nothing is being decided while that runs. It calls it
// once if it returns nil, also where the policies are what they were, and not at all
// otherwise. It must be quick. Neither may call the Engine.
func (e *Engine) ReloadWith(ctx context.Context, prepare func() (alongside func(), err error)) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	if e.closed.Load() {
		return ErrNotLoaded
	}
	alongside, err := prepare()
	if err != nil {
		return err
	}
	e.alongside = sync.OnceFunc(alongside)
	defer func() { e.alongside = nil }()
	err = e.loadLocal(ctx)
	if err == nil && len(e.missing()) == 0 {
		e.alongside() // where nothing was published
	}
	e.settle(local, err)
	if missing := e.missing(); err == nil && len(missing) > 0 {
		return &missingError{missing}
	}
	return err
}

func (e *Engine) loadLocal(ctx context.Context) error {
	sources, sum, err := readSources(e.paths, e.anyOwner)
	if err != nil {
		return err
	}
	if e.current.Load() != nil && sum == e.loaded {
		return nil
	}
	assembled, err := assemble(sources)
	if err != nil {
		return err
	}
	set := make(map[string]candidate, len(assembled))
	for name, b := range assembled {
		set[name] = candidate{bundle: b}
	}
	e.loaded = sum
	if err := e.offer(ctx, set); err != nil {
		e.loaded = [sha256.Size]byte{}
		return err
	}
	return nil
}

// offer makes candidates part of the policy, or changes nothing and returns
// why not. Until there is a policy, candidates wait for each other: a part of
// a policy must not decide, since it may be the part with the denials that is
// missing. Nothing is wrong then, and the error is nil.
func (e *Engine) offer(ctx context.Context, set map[string]candidate) error {
	if e.current.Load() == nil {
		maps.Copy(e.waiting, set)
		if len(e.missing()) > 0 {
			return nil
		}
		set = e.waiting
	}
	if err := e.commit(ctx, set); err != nil {
		return err
	}
	for _, c := range set {
		if c.feed != nil {
			c.feed.activated(c.mark.Revision)
		}
	}
	if len(e.waiting) > 0 {
		// Together they are in order: what was wrong with some before is past.
		clear(e.errors)
		e.waiting = make(map[string]candidate)
	}
	return nil
}

// missing names what has yet to come before there is a policy.
func (e *Engine) missing() []string {
	if e.current.Load() != nil {
		return nil
	}
	var names []string
	for _, f := range e.feeds {
		if _, ok := e.waiting[f.name]; !ok {
			names = append(names, f.name)
		}
	}
	anyLocal := slices.ContainsFunc(slices.Collect(maps.Values(e.waiting)), func(c candidate) bool { return c.feed == nil })
	if len(e.paths) > 0 && !anyLocal {
		names = append(names, local)
	}
	return names
}

type missingError struct{ names []string }

func (e *missingError) Error() string {
	return "waiting for " + strings.Join(e.names, ", ")
}

// commit activates bundles in one transaction: all of them, or none and an
// error. Everything that could go wrong is done before the transaction ends.
func (e *Engine) commit(ctx context.Context, set map[string]candidate) error {
	bundles := make(map[string]*bundle.Bundle, len(set))
	var roots []string
	for name, c := range set {
		bundles[name] = c.bundle
		roots = append(roots, *c.bundle.Manifest.Roots...)
	}
	params := storage.WriteParams
	params.Context = storage.NewContext()
	return storage.Txn(ctx, e.store, params, func(txn storage.Transaction) error {
		compiler := ast.NewCompiler().
			WithDefaultRegoVersion(ast.RegoV1).
			WithPathConflictsCheck(storage.NonEmpty(ctx, e.store, txn)).
			WithPathConflictsCheckRoots(roots).
			WithKeepModules(true).
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
		// A misspelt field is never there, so what a rule says of it with "not" always holds.
		warnings, err := e.activate.checkTypes(compiler.ParsedModules())
		if err != nil {
			return err
		}
		next, err := e.prepare(ctx, txn, compiler)
		if err != nil {
			return err
		}
		next.warnings = append(Problems(warnings), e.mistakes(ctx, txn, compiler)...)
		if err := e.smoke(ctx, txn, next); err != nil {
			return err
		}
		if err := e.keep(set); err != nil {
			return err
		}
		// The manager finds these when the transaction commits, and calls publish.
		plugins.SetCompilerOnContext(params.Context, compiler)
		plugins.SetWasmResolversOnContext(params.Context, []*wasm.Resolver{})
		e.next = next
		return nil
	})
}

// keep puts remote bundles on disk, and then raises the floors: in this order
// a crash in between never leaves a floor above what is kept. A bundle that
// cannot be kept is not activated, for after a restart an older one would be
// refused.
func (e *Engine) keep(set map[string]candidate) error {
	marks := make(map[string]mark)
	for name, c := range set {
		if c.feed == nil {
			continue
		}
		marks[name] = c.mark
		if c.packed == nil {
			continue
		}
		if err := replaceFile(c.feed.file, c.packed); err != nil {
			return fmt.Errorf("the bundle cannot be kept on disk: %w", err)
		}
	}
	if len(marks) == 0 {
		return nil
	}
	return e.floors.move(marks)
}

// publish makes the policy that has just been committed the one that decides.
// The manager calls it under the store's write lock.
func (e *Engine) publish(storage.Transaction) {
	e.current.Store(e.next)
	if e.alongside != nil {
		e.alongside()
	}
	if e.closed.Load() { // in between, and Close may have unloaded before
		e.current.Store(nil)
	}
}

func (e *Engine) prepare(ctx context.Context, txn storage.Transaction, compiler *ast.Compiler) (*prepared, error) {
	next := &prepared{bundles: make(map[string]server.BundleInfo), notes: e.noteCalls}
	names, err := bundle.ReadBundleNamesFromStore(ctx, e.store, txn)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	revisions := make([]string, 0, len(names))
	for _, name := range names {
		revision, err := bundle.ReadBundleRevisionFromStore(ctx, e.store, txn, name)
		if err != nil {
			return nil, err
		}
		revisions = append(revisions, revision)
		next.bundles[name] = server.BundleInfo{Revision: revision}
	}
	next.revision = strings.Join(revisions, "+")
	if next.uncached = undetermined(compiler); next.uncached == "" && e.cacheBytes > 0 {
		next.cache = newCache(e.cacheBytes, &e.cached)
	}
	next.query, err = rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(entrypoint)))),
		rego.Compiler(compiler),
		rego.Store(e.store),
		rego.Transaction(txn),
		rego.StrictBuiltinErrors(true),
		rego.PrintHook(e.opa.PrintHook()),
		rego.EnablePrintStatements(e.opa.EnablePrintStatements()),
		rego.InterQueryBuiltinValueCache(cache.NewInterQueryValueCache(ctx, e.opa.InterQueryBuiltinCacheConfig())),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, errors.Join(errors.New("the query for the decision cannot be prepared"), err)
	}
	return next, nil
}
