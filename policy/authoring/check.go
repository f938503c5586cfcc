package authoring

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
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

	// Partial means that the paths are a part of the policies: another part,
	// such as a remote bundle, holds the rule data.sidegate.decision.
	Partial bool

	AllowBuiltins []string // see policy.Config
}

// Check compiles the policies strictly, with their tests, under the gateway's
// capabilities, and checks types by the schemas. Then it asks the library, if
// it is there, what is wrong with the data of roles and types; and if all paths are
// directories and bundles, it loads them as the gateway would, and says what the
// gateway would say: above all that there must be a rule data.sidegate.decision.
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
		return withLines(policy.Problems(err)), nil
	}
	if err := compileStrictly(ctx, all, schemas); err != nil {
		return policy.Problems(err), nil
	}
	problems := checkData(ctx, all, FindPlaces(paths))
	if slices.ContainsFunc(paths, func(path string) bool { return !isSource(path) }) {
		return problems, nil
	}
	err = policy.Verify(ctx, policy.Config{
		Paths:         paths,
		AllowBuiltins: o.AllowBuiltins,
		Logger:        slog.New(slog.DiscardHandler),
	})
	if o.Partial && errors.Is(err, policy.ErrNoEntrypoint) {
		err = nil
	}
	return append(problems, policy.Problems(err)...), nil
}

// withLines finds the lines of data that OPA could not read.
func withLines(problems []policy.Problem) []policy.Problem {
	for i, p := range problems {
		path, _, ok := strings.Cut(p.Message, ": error converting YAML to JSON: ")
		if !ok {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if found, ok := policy.YAMLProblem(path, content); ok {
			problems[i] = found
		}
	}
	return problems
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
