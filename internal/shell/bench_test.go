package shell

import (
	"strings"
	"testing"
)

func BenchmarkAnalyze(b *testing.B) {
	for name, command := range map[string]string{
		"simple":   "grep -i error /var/log/syslog",
		"pipeline": "cut -d' ' -f1 /var/log/nginx/access.log | sort | uniq -c | sort -rn | head -n 20",
		"compound": `if systemctl is-active nginx; then echo up; else echo "down $(date)" >&2; fi`,
		"wrapped":  "env LC_ALL=C timeout 5 find /var/log -name '*.log' -exec grep -l error {} +",
		"invalid":  strings.Repeat("(", 60),
		"large":    strings.Repeat("echo 'a b' c; ", 60),
	} {
		b.Run(name, func(b *testing.B) {
			a := newAnalyzer(b)
			b.ReportAllocs()
			for b.Loop() {
				a.Analyze(command, "/srv/app")
			}
		})
	}
	// With the look-up of the programs, which asks the kernel each time.
	b.Run("resolved", func(b *testing.B) {
		a := newAnalyzer(b, testPath...)
		b.ReportAllocs()
		for b.Loop() {
			a.Analyze("ls -l /var/log", "/srv/app")
		}
	})
}
