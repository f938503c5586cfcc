package main

import (
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The picture's measures, in its own units.
const (
	width, height = 860, 560
	plotHeight    = 150 // of a panel, from its zero to the top of its axis
)

// style has the colours for light and for dark pages. The background is the picture's own, because a page's may be another than the system's.
const style = `
  text { font: 12px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f; }
  .heading { font-size: 14px; font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .page { fill: #ffffff; }
  .axis { stroke: #8c959f; }
  .grid { stroke: #d8dee4; }
  .range { stroke: #24292f; }
  .s0 { fill: #0969da; } .s1 { fill: #bf8700; } .s2 { fill: #8c959f; }
  .commands { fill-opacity: 0.35; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .page { fill: #0d1117; }
    .grid { stroke: #30363d; }
    .range { stroke: #e6edf3; }
    .s0 { fill: #4493f8; } .s1 { fill: #d29922; } .s2 { fill: #7d8590; }
  }
`

// A panel is a chart of its own. Its axis begins at zero.
type panel struct {
	x, y, width float64
	heading     string
	unit        string // of the axis
	groups      []group
}

// A group is what stands together, one bar for each server.
type group struct {
	label string
	bars  []bar
}

// A bar is a figure: for which server, the figure, what lies on top of it in a lighter shade, and the range over the rounds of it all.
type bar struct {
	server      int
	value, more float64
	low, high   float64
}

// picture draws the results.
func (r results) picture() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d" role="img" aria-labelledby="title desc">`+"\n", width, height)
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n<style>%s</style>\n", escaped("Sidegate beside "+r.others()), escaped(r.inWords()), style)
	fmt.Fprintf(&b, `<rect class="page" width="%d" height="%d" rx="6"/>`+"\n", width, height)
	r.legend(&b)
	for _, p := range r.panels() {
		p.draw(&b)
	}
	text(&b, 24, height-30, "small", "start", fmt.Sprintf("Medians of %d turns, with the least and the most; callers on the same %d CPUs. %s.", r.Rounds, r.CPUs, r.Date))
	text(&b, 24, height-14, "small", "start", "Sidegate verifies, decides, confines, and writes to disk twice for each call. webhook checks an HMAC. The bare handler does nothing else.")
	b.WriteString("</svg>\n")
	return b.String()
}

func (r results) others() string {
	var names []string
	for _, s := range r.Servers[1:] {
		names = append(names, s.Name)
	}
	return strings.Join(names, " and ")
}

// panels are the charts of the results.
func (r results) panels() []panel {
	var rates, latencies, cpu, replies, memory []group
	for j, l := range r.Servers[0].Loads {
		label := fmt.Sprintf("%d at once", l.Concurrency)
		rates = append(rates, group{label, r.bars(func(s measured) bar { return plain(s.Loads[j].Rate) })})
		cpu = append(cpu, group{label, r.bars(func(s measured) bar {
			own, more := median(s.Loads[j].Own), median(s.Loads[j].Children)
			return bar{value: own, more: more, low: own + more, high: own + more}
		})})
	}
	latencies = []group{{"p50", r.bars(func(s measured) bar { return plain(s.Loads[0].P50) })}, {"p99", r.bars(func(s measured) bar { return plain(s.Loads[0].P99) })}}
	replies = []group{{"time", r.bars(func(s measured) bar { return plain(s.Reply) })}}
	memory = []group{{"more than before", r.bars(func(s measured) bar { g := math.Max(s.ReplyGrownMiB, 0); return bar{value: g, low: g, high: g} })}}
	return []panel{
		{70, 90, 420, "Calls per second", "calls/s", rates},
		{570, 90, 260, "Latency, one call at a time", "ms", latencies},
		{70, 325, 420, "CPU time for a call: own (figure), and the command's (light)", "ms", cpu},
		{580, 325, 80, "10 MiB reply", "ms", replies},
		{740, 325, 90, "Memory for it", "MiB", memory},
	}
}

func (r results) bars(of func(measured) bar) []bar {
	all := make([]bar, len(r.Servers))
	for i, s := range r.Servers {
		all[i] = of(s)
		all[i].server = i
	}
	return all
}

func plain(of []float64) bar {
	return bar{value: median(of), low: slices.Min(of), high: slices.Max(of)}
}

func (r results) legend(b *strings.Builder) {
	x := 24.0
	for i, s := range r.Servers {
		fmt.Fprintf(b, `<rect class="s%d" x="%g" y="20" width="12" height="12" rx="2"/>`+"\n", i, x)
		text(b, x+18, 31, "heading", "start", s.Name)
		x += 40 + 9*float64(len(s.Name))
	}
}

// draw draws a panel: its bars stand on zero and are as high as their figures.
func (p panel) draw(b *strings.Builder) {
	top, step := p.scale()
	bottom := p.y + plotHeight
	at := func(value float64) float64 { return bottom - plotHeight*value/top }
	text(b, p.x-46, p.y-24, "heading", "start", p.heading)
	text(b, p.x-8, p.y-6, "small", "end", p.unit)
	for i := 0; float64(i)*step <= top*1.0001; i++ {
		value := float64(i) * step
		class := "grid"
		if i == 0 {
			class = "axis"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%g" y1="%.2f" x2="%g" y2="%.2f"/>`+"\n", class, p.x, at(value), p.x+p.width, at(value))
		text(b, p.x-8, at(value)+4, "small", "end", number(value))
	}
	each := p.width / float64(len(p.groups))
	for i, g := range p.groups {
		wide := math.Min(34, (each-16)/float64(len(g.bars)))
		x := p.x + each*(float64(i)+0.5) - wide*float64(len(g.bars))/2
		for j, bar := range g.bars {
			bar.draw(b, x+wide*float64(j), wide, at)
		}
		text(b, p.x+each*(float64(i)+0.5), bottom+18, "", "middle", g.label)
	}
}

func (v bar) draw(b *strings.Builder, x, wide float64, at func(float64) float64) {
	fmt.Fprintf(b, `<rect class="s%d" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`+"\n", v.server, x+2, at(v.value), wide-4, at(0)-at(v.value))
	if v.more > 0 {
		fmt.Fprintf(b, `<rect class="s%d commands" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`+"\n", v.server, x+2, at(v.value+v.more), wide-4, at(0)-at(v.more))
	}
	if v.high > v.low {
		fmt.Fprintf(b, `<line class="range" x1="%[1]g" y1="%[2]g" x2="%[1]g" y2="%[3]g"/>`+"\n", round2(x+wide/2), round2(at(v.low)), round2(at(v.high)))
	}
	text(b, x+wide/2, at(math.Max(v.high, v.value+v.more))-4, "small", "middle", short(v.value))
}

func round2(x float64) float64 { return math.Round(100*x) / 100 }

// scale is the top of the axis and the distance of its lines: 1, 2 or 5 times a power of ten.
func (p panel) scale() (top, step float64) {
	most := 0.0
	for _, g := range p.groups {
		for _, bar := range g.bars {
			most = max(most, bar.high, bar.value+bar.more)
		}
	}
	if most == 0 {
		return 1, 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most/3)))
	step = power
	for _, factor := range []float64{2, 5, 10} {
		if most/step <= 5 {
			break
		}
		step = factor * power
	}
	return step * math.Ceil(1.05*most/step), step
}

// number is a figure of an axis.
func number(x float64) string { return fmt.Sprint(math.Round(x*1e6) / 1e6) }

func text(b *strings.Builder, x, y float64, class, anchor, content string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(b, `<text%s x="%g" y="%g" text-anchor="%s">%s</text>`+"\n", class, round2(x), round2(y), anchor, escaped(content))
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes everything
	return b.String()
}

// inWords is the picture for who does not see it.
func (r results) inWords() string {
	var b strings.Builder
	for i, s := range r.Servers {
		if i > 0 {
			b.WriteString(" ")
		}
		for j, l := range s.Loads {
			if j == 0 {
				fmt.Fprintf(&b, "%s: ", s.Name)
			}
			fmt.Fprintf(&b, "%s calls per second with %d callers, with %s ms of its own CPU time and %s ms of the command's for each; ", short(median(l.Rate)), l.Concurrency, short(median(l.Own)), short(median(l.Children)))
		}
		fmt.Fprintf(&b, "alone a call takes %s ms at the median and %s ms at the 99th percentile; a reply of 10 MiB takes %s ms and %s MiB of memory.", short(median(s.Loads[0].P50)), short(median(s.Loads[0].P99)), short(median(s.Reply)), short(math.Max(s.ReplyGrownMiB, 0)))
	}
	return b.String()
}
