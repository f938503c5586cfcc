package landlock

import (
	"os"
	"testing"
)

// sixty returns rules as a profile has them: half for files of /etc, half for programs.
func sixty(b *testing.B) []Rule {
	var rules []Rule
	for _, dir := range []string{"/etc", "/usr/bin"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			b.Skip(err)
		}
		n := 0
		for _, e := range entries {
			if e.Type().IsRegular() && n < 30 {
				rules = append(rules, Rule{Path: dir + "/" + e.Name(), Rights: Read, Optional: true})
				n++
			}
		}
	}
	return rules
}

// BenchmarkRuleset is what a job waits for where the same was made before, where one was made ahead, and what is done in the background then.
func BenchmarkRuleset(b *testing.B) {
	supported(b)
	template := open(b, sixty(b)...)
	b.Run("kept", func(b *testing.B) {
		dir := Rule{Path: b.TempDir(), Rights: Read}
		for b.Loop() {
			f, _, err := template.Ruleset(Options{}, dir)
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	b.Run("ahead", func(b *testing.B) {
		b.ReportMetric(float64(len(template.entries)), "rules")
		for b.Loop() {
			f, _, err := template.Ruleset(Options{Extend: true})
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			f.Close()
			template.filling.Wait()
			b.StartTimer()
		}
	})
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			template.mu.Lock()
			fd, err := template.make(Options{})
			template.mu.Unlock()
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			os.NewFile(uintptr(fd), "").Close()
			b.StartTimer()
		}
	})
}

// BenchmarkOpen is what the template saves a job.
func BenchmarkOpen(b *testing.B) {
	supported(b)
	rules := sixty(b)
	for b.Loop() {
		template, _, err := Open(rules)
		if err != nil {
			b.Fatal(err)
		}
		template.Close()
	}
}
