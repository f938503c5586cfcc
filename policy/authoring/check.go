package authoring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/sidegate/sidegate/policy"
)

// CheckOptions configure Check. The zero value is usable.
type CheckOptions struct {
	// Schemas is a directory of JSON schemas for annotations, as `opa check
	// --schema` takes it. Empty: schema.input is the schema of the policy
	// input, and rules without an annotation are checked against it too.
	Schemas string

	AllowBuiltins []string // see policy.Config
}

// Check compiles the policies strictly, with their tests, under the gateway's
// capabilities, and checks types by the schemas. Then, if all paths are
// directories and bundles, it loads them as the gateway would; a missing
// decision rule is no problem, since the paths may be a part of the policies.
//
// The error is for options that cannot be used; what is wrong with the
// policies, unreadable files included, is in the problems.
func Check(ctx context.Context, paths []string, o CheckOptions) ([]policy.Problem, error) {
	schemas, err := schemaSet(o.Schemas)
	if err != nil {
		return nil, fmt.Errorf("schemas: %w", err)
	}
	if _, err := policy.Capabilities(o.AllowBuiltins...); err != nil {
		return nil, err
	}
	all, err := load(paths, o.AllowBuiltins, nil)
	if err != nil {
		return policy.Problems(err), nil
	}
	if err := compileStrictly(ctx, all, schemas); err != nil {
		return policy.Problems(err), nil
	}
	for _, path := range paths {
		if !isSource(path) {
			return nil, nil
		}
	}
	err = policy.Verify(ctx, policy.Config{
		Paths:         paths,
		AllowBuiltins: o.AllowBuiltins,
		Logger:        slog.New(slog.DiscardHandler),
	})
	if errors.Is(err, policy.ErrNoEntrypoint) {
		return nil, nil
	}
	return policy.Problems(err), nil
}

func compileStrictly(ctx context.Context, all loaded, schemas *ast.SchemaSet) error {
	return storage.Txn(ctx, all.store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		compiler := ast.NewCompiler().
			WithDefaultRegoVersion(ast.RegoV1).
			WithCapabilities(all.capabilities).
			WithPathConflictsCheck(storage.NonEmpty(ctx, all.store, txn)).
			WithSchemas(schemas).
			WithUseTypeCheckAnnotations(true).
			WithEnablePrintStatements(true).
			WithStrict(true).
			SetErrorLimit(0)
		if compiler.Compile(all.modules); compiler.Failed() {
			return compiler.Errors
		}
		return nil
	})
}

func schemaSet(dir string) (*ast.SchemaSet, error) {
	if dir != "" {
		return loader.Schemas(dir)
	}
	input := any(policy.InputSchema())
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, input) // for rules without an annotation
	set.Put(ast.MustParseRef("schema.input"), input)
	return set, nil
}

// comparePlaces orders problems by file and line.
func comparePlaces(a, b policy.Problem) int {
	return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
