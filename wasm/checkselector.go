package wasm

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
)

// checkSelector reports what is wrong with a selector that stands at key.
func checkSelector(found *problems, at string, s Selector) {
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		place := at + ".matchLabels"
		if !isKey(key) {
			found.add(place, "%s", unknownKey(key))
			continue
		}
		checkValue(found, place, key, s.MatchLabels[key])
	}
	for i, e := range s.MatchExpressions {
		checkExpression(found, fmt.Sprintf("%s.matchExpressions[%d]", at, i), e)
	}
}

func checkExpression(found *problems, at string, e Expression) {
	if !isKey(e.Key) {
		found.add(at+".key", "%s", unknownKey(e.Key))
	}
	switch e.Operator {
	case In, NotIn:
		if len(e.Values) == 0 {
			found.add(at+".values", "%s needs at least one value", e.Operator)
		}
		for _, value := range e.Values {
			checkValue(found, at+".values", e.Key, value)
		}
	case Exists, DoesNotExist:
		if len(e.Values) != 0 {
			found.add(at+".values", "%s takes no values", e.Operator)
		}
	default:
		found.add(at+".operator", "must be one of %s, %s, %s, %s, not %s", In, NotIn, Exists, DoesNotExist, quote(e.Operator))
	}
}

// checkValue refuses values that a callback never has, because they would silently match nothing.
func checkValue(found *problems, at, key, value string) {
	switch key {
	case "callback.origin":
		if !isOrigin(value) {
			found.add(at, "an origin is written scheme://host:port, in lower case and always with a port, as http://172.17.0.1:8088, not %s", quote(value))
		}
	case "callback.host":
		_, notAddress := netip.ParseAddr(value)
		if value == "" || strings.ContainsAny(value, "/@[]* ") || value != strings.ToLower(value) || strings.Contains(value, ":") && notAddress != nil {
			found.add(at, "a host is a name or an address in lower case, without port and brackets, not %s", quote(value))
		}
	case "client.name", "host.name", "command":
		if value == "" {
			found.add(at, "an empty value never matches; use Exists or DoesNotExist")
		}
	}
}

func isOrigin(value string) bool {
	scheme, authority, _ := strings.Cut(value, "://")
	host, port, err := net.SplitHostPort(authority)
	if err != nil || scheme != "http" && scheme != "https" || host == "" {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number != 0 && port[0] != '0' && !strings.ContainsAny(value, "*@ ") && value == strings.ToLower(value)
}

func isKey(key string) bool {
	read, _ := readerOf(key)
	return read != nil
}

// unknownKey says that there is no such key, and which one comes nearest.
func unknownKey(key string) string {
	return fmt.Sprintf("there is no key %s; did you mean %s? A key is client.name, client.labels.K, host.name, host.labels.K, command, "+
		"callback.origin or callback.host", quote(key), quote(nearestKey(key)))
}

// nearestKey returns the valid key that takes the fewest edits to come to. What is far from all is most
// likely meant as a label of the client.
func nearestKey(key string) string {
	key = key[:min(len(key), 64)] // the distance costs the product of the lengths
	const far = 4                 // edits
	label := key
	if parts := strings.SplitN(key, ".", 3); len(parts) > 1 {
		label = parts[len(parts)-1]
	}
	label = cmp.Or(label, "K")
	best := "client.labels." + label
	least := min(far, levenshtein.ComputeDistance(key, best))
	candidates := slices.Sorted(maps.Keys(plainKeys))
	for _, candidate := range append(candidates, "host.labels."+label) {
		if d := levenshtein.ComputeDistance(key, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// quote shows a value of the configuration, shortened.
func quote(s string) string {
	const most = 64
	if runes := []rune(s); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "…"
	}
	return strconv.Quote(s)
}
