package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// entrypoint is the rule that answers: data.sidegate.decision.
var entrypoint = ast.MustParseRef("data.sidegate.decision")

// withheld are the builtins that policies do not get. A decision must depend
// on its input and its data only, so nothing that reaches the network, the
// process or chance is among those that remain. What remains of net.* computes
// on addresses and sends nothing; time stays because policies have office hours.
var withheld = []string{
	"http.send",
	"net.lookup_ip_addr",
	"opa.runtime",
	"rand.intn",
	"rego.parse_module",
	"uuid.rfc4122",
}

// Capabilities returns what policies may use of OPA: everything but the
// builtins that reach outside, http.send, net.lookup_ip_addr, opa.runtime,
// rand.intn, rego.parse_module and uuid.rfc4122, except for those named in
// allow. References to JSON schemas on other hosts are never followed. An
// unknown name in allow is an error.
func Capabilities(allow ...string) (*ast.Capabilities, error) {
	for _, name := range allow {
		if !slices.Contains(withheld, name) {
			return nil, fmt.Errorf("builtin %q is not one that is withheld from policies", name)
		}
	}
	capabilities := ast.CapabilitiesForThisVersion()
	capabilities.Builtins = slices.DeleteFunc(slices.Clone(capabilities.Builtins), func(b *ast.Builtin) bool {
		return slices.Contains(withheld, b.Name) && !slices.Contains(allow, b.Name)
	})
	// Empty means no host, nil would mean any.
	capabilities.AllowNet = []string{}
	return capabilities, nil
}

// ErrNoEntrypoint means that policies compile but cannot decide.
var ErrNoEntrypoint = errors.New("no rule data.sidegate.decision: " +
	"the policy paths must hold the package sidegate with the rule decision")

// activator compiles bundles under capabilities and refuses what could never
// answer, before anything is committed. OPA has no setting for the capabilities
// of bundles; an activator is its place for them.
type activator struct {
	capabilities *ast.Capabilities
}

var _ bundle.Activator = activator{}

func (a activator) Activate(opts *bundle.ActivateOpts) error {
	opts.Compiler.WithCapabilities(a.capabilities)
	if err := new(bundle.DefaultActivator).Activate(opts); err != nil {
		return err
	}
	if len(opts.Compiler.GetRulesExact(entrypoint)) == 0 {
		return ErrNoEntrypoint
	}
	return nil
}

// checkTypes compiles modules by the schema of the policy input, so that a
// misspelt input.shell.commadns is an error and not a rule that is never true.
// The rules below data.system.log are left out: their input is a log event.
//
// What is wrong in OPA's strict mode only, variables and imports that are not
// used, is returned as warnings: a bundle that was built without it is in order.
func (a activator) checkTypes(modules map[string]*ast.Module) (warnings ast.Errors, err error) {
	input := any(InputSchema())
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, input) // for rules without an annotation
	schemas.Put(ast.MustParseRef("schema.input"), input)
	deciding := make(map[string]*ast.Module, len(modules))
	for name, m := range modules {
		if !m.Package.Path.HasPrefix(systemRef) {
			deciding[name] = m
		}
	}
	compile := func(strict bool) ast.Errors {
		compiler := ast.NewCompiler().
			WithDefaultRegoVersion(ast.RegoV1).
			WithCapabilities(a.capabilities).
			WithSchemas(schemas).
			WithUseTypeCheckAnnotations(true).
			WithStrict(strict)
		compiler.Compile(deciding)
		return compiler.Errors
	}
	found := compile(true)
	if len(found) == 0 {
		return nil, nil
	}
	if errs := compile(false); len(errs) > 0 {
		return nil, errs
	}
	return found, nil
}

var systemRef = ast.MustParseRef("data.system")
