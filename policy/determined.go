package policy

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// determined are the builtins whose result follows from their operands alone:
// not from the clock, chance, the network, or files of the host, of which the
// time zones are some. It is a list of what was looked at, so that a builtin
// which a newer OPA brings is not taken for one of them.
var determined = setOf(`
	abs all and any array.concat array.flatten array.reverse array.slice assign
	base64.decode base64.encode base64.is_valid base64url.decode base64url.encode base64url.encode_no_pad
	bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor
	cast_array cast_boolean cast_null cast_object cast_set cast_string ceil concat contains count
	crypto.hmac.equal crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512 crypto.md5 crypto.sha1 crypto.sha256
	div endswith eq equal floor format_int glob.match glob.quote_meta graph.reachable graph.reachable_paths gt gte
	hex.decode hex.encode indexof indexof_n internal.member_2 internal.member_3 internal.template_string intersection
	io.jwt.decode io.jwt.verify_eddsa io.jwt.verify_es256 io.jwt.verify_es384 io.jwt.verify_es512
	io.jwt.verify_hs256 io.jwt.verify_hs384 io.jwt.verify_hs512 io.jwt.verify_ps256 io.jwt.verify_ps384 io.jwt.verify_ps512
	io.jwt.verify_rs256 io.jwt.verify_rs384 io.jwt.verify_rs512
	is_array is_boolean is_null is_number is_object is_set is_string
	json.filter json.is_valid json.marshal json.marshal_with_options json.patch json.remove json.unmarshal
	lower lt lte max min minus mul neq
	net.cidr_contains net.cidr_contains_matches net.cidr_expand net.cidr_intersects net.cidr_is_valid net.cidr_merge net.cidr_overlap
	numbers.range numbers.range_step
	object.filter object.get object.keys object.remove object.subset object.union object.union_n or plus product
	re_match regex.find_all_string_submatch_n regex.find_n regex.globs_match regex.is_valid regex.match regex.replace regex.split
	regex.template_match rem replace round semver.compare semver.is_valid set_diff sort split sprintf startswith
	strings.any_prefix_match strings.any_suffix_match strings.count strings.render_template strings.replace_n strings.reverse
	strings.split_n substring sum time.parse_duration_ns time.parse_rfc3339_ns to_number
	trim trim_left trim_prefix trim_right trim_space trim_suffix type_name union units.parse units.parse_bytes upper
	uri.is_valid uri.parse urlquery.decode urlquery.decode_object urlquery.encode urlquery.encode_object uuid.parse
	walk yaml.is_valid yaml.marshal yaml.unmarshal`)

// changing are the parts of the input that differ from request to request,
// whatever is asked for. They are not in a cacheKey.
var changing = []ast.Ref{
	ast.MustParseRef("input.request.id"),
	ast.MustParseRef("input.request.time"),
}

func setOf(words string) map[string]bool {
	set := make(map[string]bool)
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// undetermined says why the decisions of a compiled policy may depend on more
// than on what is in a cacheKey; "" if they do not. All rules are looked at
// that the decision may come to, and what is not understood is a reason.
func undetermined(compiler *ast.Compiler) string {
	if compiler.Graph == nil {
		return "what its rules depend on is not known"
	}
	builtins := compiler.Capabilities().Builtins
	known := make(map[string]bool, len(builtins))
	for _, b := range builtins {
		known[b.Name] = true
	}
	s := search{builtins: known}
	for _, rule := range compiler.GetRulesDynamicWithOpts(entrypoint, ast.RulesOptions{IncludeHiddenModules: true}) {
		for ; rule != nil; rule = rule.Else {
			s.come(rule)
		}
	}
	for len(s.ahead) > 0 && s.found == "" {
		rule := s.ahead[len(s.ahead)-1]
		s.ahead = s.ahead[:len(s.ahead)-1]
		s.visit(rule)
		for next := range compiler.Graph.Dependencies(rule) {
			if next, ok := next.(*ast.Rule); ok {
				s.come(next)
			} else {
				s.because(rule.Loc(), "it depends on something that is no rule")
			}
		}
	}
	return s.found
}

// search goes through rules until it has found something undetermined.
type search struct {
	builtins map[string]bool
	ahead    []*ast.Rule
	seen     map[*ast.Rule]bool
	found    string
	at       *ast.Location // of the expression
}

func (s *search) come(rule *ast.Rule) {
	if s.seen == nil {
		s.seen = make(map[*ast.Rule]bool)
	}
	if !s.seen[rule] {
		s.seen[rule] = true
		s.ahead = append(s.ahead, rule)
	}
}

func (s *search) because(at *ast.Location, why string) {
	if s.found != "" {
		return
	}
	if at != nil && at.File != "" {
		why = fmt.Sprintf("%s:%d: %s", at.File, at.Row, why)
	}
	s.found = why
}

func (s *search) visit(rule *ast.Rule) {
	s.at = rule.Loc()
	s.walk(rule)
}

func (s *search) walk(x any) {
	ast.NewGenericVisitor(func(x any) bool {
		switch x := x.(type) {
		case *ast.Head:
			s.walk(x.Reference) // which a visitor leaves out
		case *ast.Expr:
			if x.Location != nil {
				s.at = x.Location
			}
			s.call(x)
		case ast.Ref:
			s.ref(x)
			for _, part := range x[1:] {
				s.walk(part)
			}
			return true
		case ast.Var:
			if x.Equal(ast.InputRootDocument.Value) {
				s.because(s.at, "it reads the whole input")
			}
		}
		return s.found != ""
	}).Walk(x)
}

// call looks at what an expression calls: a function of the policy, whose rules
// are looked at too, or a builtin.
func (s *search) call(x *ast.Expr) {
	if !x.IsCall() {
		return
	}
	if op := x.Operator(); !op.HasPrefix(ast.DefaultRootRef) && !determined[op.String()] {
		s.because(s.at, "it calls "+op.String())
	}
}

// ref looks at a reference, also one to a builtin that replaces another.
func (s *search) ref(r ast.Ref) {
	if name := r.String(); s.builtins[name] && !determined[name] {
		s.because(s.at, "it calls "+name)
	}
	if !r.HasPrefix(ast.InputRootRef) {
		return
	}
	known := r.ConstantPrefix()
	for _, path := range changing {
		if known.HasPrefix(path) || path.HasPrefix(known) {
			s.because(s.at, fmt.Sprintf("it reads %v, in which there is %v", r, path))
		}
	}
}
