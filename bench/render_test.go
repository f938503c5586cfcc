package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestUpToDate: the table and the picture are what results.json says.
func TestUpToDate(t *testing.T) {
	r, err := readResults(".")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	want, err := insertTable(string(page), r)
	if err != nil {
		t.Fatal(err)
	}
	if want != string(page) {
		t.Errorf("%s is not made from %s: run go run ./bench -render bench", tableFile, resultsFile)
	}
	picture, err := os.ReadFile(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(picture) != r.picture() {
		t.Errorf("%s is not made from %s: run go run ./bench -render bench", pictureFile, resultsFile)
	}
}

// sample is results that are easy to see.
func sample() results {
	server := func(name string, factor float64) measured {
		m := measured{Name: name, About: "this & that", PeakMiB: 50, Reply: []float64{20 * factor, 30 * factor, 25 * factor}, ReplyGrownMiB: 10 * factor}
		for i, c := range concurrencies {
			rate := 1000 * float64(i+1) / factor
			m.Loads = append(m.Loads, load{c, []float64{rate, rate * 1.1, rate * 0.9}, []float64{factor, factor, factor * 1.2}, []float64{3 * factor, 3 * factor, 4 * factor},
				[]float64{0.3 * factor, 0.3 * factor, 0.3 * factor}, []float64{0.8, 0.8, 0.9}})
		}
		return m
	}
	return results{Date: "2026-01-02", CPUs: 2, Rounds: 3, Turn: "1s", Servers: []measured{server("sidegate", 2), server("webhook", 1), server("bare <handler>", 0.5)}}
}

// TestPicture reads the picture as a browser does.
func TestPicture(t *testing.T) {
	r := sample()
	picture := r.picture()
	var texts []string
	bars := map[string][]float64{} // heights by class
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, strings.TrimSpace(string(token)))
		case xml.StartElement:
			if token.Name.Local == "script" || token.Name.Local == "image" || token.Name.Local == "foreignObject" {
				t.Errorf("it has a %s", token.Name.Local)
			}
			attributes := map[string]string{}
			for _, a := range token.Attr {
				attributes[a.Name.Local] = a.Value
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" {
					t.Errorf("it has the attribute %s", a.Name.Local)
				}
			}
			if class := attributes["class"]; token.Name.Local == "rect" && strings.HasPrefix(class, "s") && attributes["rx"] == "" {
				h, err := strconv.ParseFloat(attributes["height"], 64)
				if err != nil || h < 0 || h > plotHeight {
					t.Errorf("a bar is %q high", attributes["height"])
				}
				bars[class] = append(bars[class], h)
			}
		}
	}
	for _, want := range []string{"Sidegate beside webhook and bare <handler>", r.inWords(), "calls/s", "ms", "MiB", "8 at once"} {
		if !slices.Contains(texts, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, s := range r.Servers {
		for _, l := range s.Loads {
			if !slices.Contains(texts, short(median(l.Rate))) || !slices.Contains(texts, short(median(l.Own))) {
				t.Errorf("it does not show the figures of %s at %d", s.Name, l.Concurrency)
			}
		}
	}
	// Axes begin at zero: bars are to each other as their figures.
	if a, b := bars["s0"][0], bars["s2"][0]; fmt.Sprintf("%.2f", b/a) != "4.00" {
		t.Errorf("500 calls are %g high, and 2000 %g", a, b)
	}
	if a, b := bars["s0"][1], bars["s0"][2]; fmt.Sprintf("%.2f", b/a) != "1.50" {
		t.Errorf("1000 calls are %g high, and 1500 %g", a, b)
	}
	if picture != r.picture() {
		t.Error("it is another each time")
	}
}

func TestTable(t *testing.T) {
	page, err := insertTable("before\n"+tableBegin+"old\n"+tableEnd+"after\n", sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n", "after\n",
		"| 8 | sidegate | 1000 (900–1100) | 2.00 (2.00–2.40) | 6.00 (6.00–8.00) | 0.60 (0.60–0.60) | 0.80 (0.80–0.90) |",
		"| to webhook | 8 | 0.50 | 2.00 | 2.00 | 2.00 |",
		"| sidegate | 50.0 (40.0–60.0) | +20.0 | 50 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "old\n") {
		t.Error("the old table is still there")
	}
	if _, err := insertTable("no lines", sample()); err == nil {
		t.Error("a page without a place is taken")
	}
}

func TestRounded(t *testing.T) {
	for x, want := range map[float64]float64{0: 0, 1234.56: 1235, 0.123456: 0.1235, 9.9996: 10, 123456: 123500} {
		if got := rounded(x); fmt.Sprintf("%.6g", got) != fmt.Sprintf("%.6g", want) {
			t.Errorf("%g becomes %g, want %g", x, got, want)
		}
	}
}

// TestScale: axes begin at zero, have a few lines, and their top is above every figure.
func TestScale(t *testing.T) {
	for _, most := range []float64{0.003, 0.31, 1, 4.9, 17, 99, 1234, 80000} {
		top, step := panel{groups: []group{{"", []bar{{value: most, high: most}}}}}.scale()
		if lines := top / step; top < most || top > 2*most || lines < 2 || lines > 7 {
			t.Errorf("%g: up to %g in steps of %g", most, top, step)
		}
	}
}
