package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sidegate/sidegate/internal/metrics/metricstest"
)

const (
	dashboardFile = "../../deploy/grafana/sidegate.json"
	alertsFile    = "../../deploy/prometheus/alerts.yaml"
)

// known are the names that a figure of the registry has in expressions, with its labels.
func known(t *testing.T) map[string][]string {
	t.Helper()
	m := newTest(t, full())
	happened(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{"up": {"job"}}
	for _, f := range families {
		labels := []string{}
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		if f.GetMetric()[0].GetHistogram() == nil {
			names[f.GetName()] = labels
			continue
		}
		names[f.GetName()+"_bucket"] = append(slices.Clone(labels), "le")
		names[f.GetName()+"_count"], names[f.GetName()+"_sum"] = labels, labels
	}
	return names
}

// given are labels that Prometheus adds to every figure.
var given = []string{"instance", "job"}

// checkExpression holds an expression against the registry.
func checkExpression(t *testing.T, where, expression string, names map[string][]string) []metricstest.Use {
	t.Helper()
	expression = strings.ReplaceAll(expression, "$__rate_interval", "1m")
	uses, err := metricstest.Uses(expression)
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	if err == nil && len(uses) == 0 {
		t.Errorf("%s: %s is about nothing", where, expression)
	}
	for _, use := range uses {
		labels, ok := names[use.Figure]
		if !ok {
			t.Errorf("%s: there is no figure %s", where, use.Figure)
			continue
		}
		for _, l := range use.Labels {
			if !slices.Contains(labels, l) && !slices.Contains(given, l) {
				t.Errorf("%s: %s has no label %s", where, use.Figure, l)
			}
		}
		if counts, ranged := strings.HasSuffix(use.Figure, "_total") || strings.HasSuffix(use.Figure, "_bucket") || strings.HasSuffix(use.Figure, "_count"),
			strings.Contains(expression, "rate("+use.Figure) || strings.Contains(expression, "increase("+use.Figure); counts && !ranged {
			t.Errorf("%s: %s only grows; ask for its rate", where, use.Figure)
		}
	}
	return uses
}

// panel is what is read of one; a row may have some of its own.
type panel struct {
	ID      int
	Title   string
	Type    string
	GridPos struct{ X, Y, W, H int }
	Targets []struct{ Expr, LegendFormat, RefID string }
	Panels  []panel
}

var inLegend = regexp.MustCompile(`\{\{\s*\$?(?:labels\.)?(\w+)\s*\}\}`)

// TestDashboard: each expression of the dashboard is one, and about figures and labels that there are; so is each legend.
func TestDashboard(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		UID, Title string
		Panels     []panel
		Templating struct {
			List []struct{ Name, Definition string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	names := known(t)
	rows, ids, shown := []string{}, map[int]bool{}, map[string]bool{}
	for i, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %q has the ID %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		for _, other := range d.Panels[:i] {
			if a, b := p.GridPos, other.GridPos; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%q covers %q", p.Title, other.Title)
			}
		}
		if p.Type == "row" {
			rows = append(rows, p.Title)
			continue
		}
		if len(p.Targets) == 0 {
			t.Errorf("%q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("%q does not ask for the chosen instances", p.Title)
			}
			expression := strings.ReplaceAll(target.Expr, "$instance", ".*")
			uses := checkExpression(t, p.Title, expression, names)
			for _, use := range uses {
				shown[use.Figure] = true
			}
			for _, l := range inLegend.FindAllStringSubmatch(target.LegendFormat, -1) {
				if by := regexp.MustCompile(`by \(([^)]*)\)`).FindStringSubmatch(expression); by == nil || !slices.Contains(strings.Split(by[1], ", "), l[1]) {
					t.Errorf("%q: the legend has %s, which is not grouped by", p.Title, l[1])
				}
			}
		}
	}
	if want := []string{"Traffic", "Decisions", "Jobs", "Callbacks", "Journal and disk", "Audit", "Plugins", "Runtime"}; !slices.Equal(rows, want) {
		t.Errorf("the rows are %q", rows)
	}
	if len(shown) < 50 {
		t.Errorf("only %d figures are shown", len(shown))
	}
	variables := fmt.Sprint(d.Templating.List)
	if variables != "[{datasource } {instance label_values(sidegate_build_info, instance)}]" {
		t.Errorf("the variables are %s", variables)
	}
}

// TestAlerts: each rule is about figures and labels that there are, and says what to do.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	names := known(t)
	seen := map[string]bool{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if !strings.HasPrefix(rule.Alert, "Sidegate") || seen[rule.Alert] || rule.Annotations["summary"] == "" || rule.Annotations["action"] == "" || len(rule.Annotations) != 2 {
				t.Errorf("got %+v", rule)
			}
			seen[rule.Alert] = true
			if s := rule.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s has the severity %q", rule.Alert, s)
			}
			if rule.For != "" && !regexp.MustCompile(`^[1-9][0-9]*[smhd]$`).MatchString(rule.For) {
				t.Errorf("%s is for %q", rule.Alert, rule.For)
			}
			uses := checkExpression(t, rule.Alert, rule.Expr, names)
			for _, l := range inLegend.FindAllStringSubmatch(rule.Annotations["summary"], -1) {
				if !slices.ContainsFunc(uses, func(u metricstest.Use) bool { return slices.Contains(append(names[u.Figure], given...), l[1]) }) {
					t.Errorf("%s: the summary has %s, which is no label", rule.Alert, l[1])
				}
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("there are %d alerts", len(seen))
	}
}

// TestUses: what is not understood is refused.
func TestUses(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{
		`sum by (a, le) (rate(x_bucket{b=~"c"}[5m]))`:                "[{x_bucket [b a le]}]",
		`x{a="b", c!="d"} - time() < 14 * 86400`:                     "[{x [a c]}]",
		`histogram_quantile(0.99, sum by (le) (rate(x_bucket[1h])))`: "[{x_bucket [le]}]",
		`a > 0.8 * b and b > 0`:                                      "[{a []} {b []} {b []}]",
		`(a + b) / c`:                                                "[{a []} {b []} {c []}]",
		`rate(x)`:                                                    "",
		`rate(x[5])`:                                                 "",
		`sum(x`:                                                      "",
		`x{a}`:                                                       "",
		`x{a="b"`:                                                    "",
		`x y`:                                                        "",
		`predict_linear(x)`:                                          "",
		`x offset 5m`:                                                "",
		`x == `:                                                      "",
		`X`:                                                          "",
		`sum without (a)(x)`:                                         "",
		`x # y`:                                                      "",
		``:                                                           "",
	} {
		uses, err := metricstest.Uses(expression)
		if want == "" && err == nil || want != "" && fmt.Sprint(uses) != want {
			t.Errorf("%s: got %v, %v", expression, uses, err)
		}
	}
}
