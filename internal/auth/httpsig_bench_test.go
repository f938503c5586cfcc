package auth

import (
	"strings"
	"testing"
)

func BenchmarkVerifyMessage(b *testing.B) {
	v := messageVerifier(b)
	for _, client := range []string{"deploy", "bot"} {
		o := plainOrder()
		if client == "bot" {
			o.params, o.sign = strings.Replace(o.params, "deploy", "bot", 1), byKey(messageKey)
		}
		m := o.message()
		b.Run(client, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := v.VerifyMessage(testNow, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
