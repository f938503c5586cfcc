package metricstest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Use is a figure in an expression, with the labels that the expression asks of it or groups it by.
type Use struct {
	Figure string
	Labels []string
}

// Uses reads an expression of Prometheus' query language, as far as dashboards and alerts of this repository use that: operators, functions of one figure or
// number, aggregations with by, selectors with labels and ranges. What it does not know is an error, so that nothing is passed over. The parser of
// Prometheus itself would bring some dozen modules, and newer versions of those that the gateway is made of.
func Uses(expression string) ([]Use, error) {
	p := &expressionParser{rest: expression}
	p.next()
	uses := p.operation()
	if p.err == nil && p.token != "" {
		p.fail("unexpected %q", p.token)
	}
	if p.err != nil {
		return nil, fmt.Errorf("%s: %w", expression, p.err)
	}
	return uses, nil
}

type expressionParser struct {
	rest, token string
	err         error
}

var (
	lexeme    = regexp.MustCompile(`^\s*([A-Za-z_:][A-Za-z0-9_:]*|[0-9]+(?:\.[0-9]+)?[smhd]?|"[^"\\]*"|=~|!~|!=|==|<=|>=|[-+*/<>=(){}\[\],])`)
	operators = []string{"+", "-", "*", "/", "==", "!=", "<", ">", "<=", ">=", "and", "or", "unless"}
	functions = map[string]string{"rate": "range", "increase": "range", "time": "", "histogram_quantile": "number vector"}
	groupings = []string{"sum", "min", "max", "avg", "count"}
)

func (p *expressionParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format+" before %q", append(args, p.rest)...)
	}
	p.token = ""
}

func (p *expressionParser) next() {
	if strings.TrimSpace(p.rest) == "" {
		p.rest, p.token = "", ""
		return
	}
	m := lexeme.FindStringSubmatch(p.rest)
	if m == nil {
		p.fail("this is not understood")
		return
	}
	p.rest, p.token = p.rest[len(m[0]):], m[1]
}

// take goes on behind a token, which has to be there.
func (p *expressionParser) take(token string) {
	if p.err == nil && p.token != token {
		p.fail("%q is missing", token)
		return
	}
	p.next()
}

func (p *expressionParser) operation() []Use {
	uses := p.operand()
	for p.err == nil && slices.Contains(operators, p.token) {
		p.next()
		uses = append(uses, p.operand()...)
	}
	return uses
}

func (p *expressionParser) operand() []Use {
	token := p.token
	switch {
	case p.err != nil:
		return nil
	case token == "(":
		p.next()
		uses := p.operation()
		p.take(")")
		return uses
	case token != "" && token[0] >= '0' && token[0] <= '9':
		p.next()
		return nil
	case slices.Contains(groupings, token):
		return p.grouped()
	}
	if _, ok := functions[token]; ok {
		return p.called(token)
	}
	return p.selector(false)
}

// grouped reads sum by (a, b) (…): what is grouped by has to be a label of the figures inside.
func (p *expressionParser) grouped() []Use {
	p.next()
	var by []string
	if p.token == "by" {
		p.next()
		p.take("(")
		for p.err == nil && p.token != ")" {
			by = append(by, p.token)
			if p.next(); p.token == "," {
				p.next()
			}
		}
		p.take(")")
	}
	p.take("(")
	uses := p.operation()
	p.take(")")
	for i := range uses {
		uses[i].Labels = append(uses[i].Labels, by...)
	}
	return uses
}

func (p *expressionParser) called(function string) (uses []Use) {
	p.next()
	p.take("(")
	switch functions[function] {
	case "range":
		uses = p.selector(true)
	case "number vector":
		p.next()
		p.take(",")
		uses = p.operation()
	}
	p.take(")")
	return uses
}

var (
	figureName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	duration   = regexp.MustCompile(`^[0-9]+[smhd]$`)
)

func (p *expressionParser) selector(ranged bool) []Use {
	if !figureName.MatchString(p.token) {
		p.fail("%q is no figure", p.token)
		return nil
	}
	use := Use{Figure: p.token}
	if p.next(); p.token == "{" {
		p.next()
		for p.err == nil && p.token != "}" {
			use.Labels = append(use.Labels, p.token)
			p.next()
			if !slices.Contains([]string{"=", "=~", "!=", "!~"}, p.token) {
				p.fail("%q compares no label", p.token)
			}
			if p.next(); !strings.HasPrefix(p.token, `"`) {
				p.fail("%q is no text", p.token)
			}
			if p.next(); p.token == "," {
				p.next()
			}
		}
		p.take("}")
	}
	if ranged {
		p.take("[")
		if p.err == nil && !duration.MatchString(p.token) {
			p.fail("%q is no time", p.token)
		}
		p.next()
		p.take("]")
	}
	return []Use{use}
}
