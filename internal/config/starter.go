package config

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
)

// StarterOptions are the values of a starter configuration. A zero field stands for
// the value shown, except for AdminListen. Paths may be relative to the directory that
// the configuration will be in, which keeps that directory movable.
type StarterOptions struct {
	Listen        []string // 127.0.0.1:8099
	AdminListen   string   // written as it is: empty turns it off
	StateDir      string   // state
	PoliciesDir   string   // policies
	SecretFile    string   // func.secret
	ClientName    string   // func
	Roles         []string // readonly
	OperatorUIDs  []uint32 // users who are a second client, local, with the role operator; none. They need a Unix socket in Listen
	CallbackAllow []string // http://172.17.0.1:8088/*, DataFlux Func seen from Docker's bridge
	Profile       string   // confined
	BestEffort    bool     // false

	User string // whom commands run as, if the gateway may switch; empty for the gateway's own user
	// ObserveUntil makes the gateway run what the policy denies, marked, until then, as freely as the kernel's sandbox lets
	// it; zero enforces the policy.
	ObserveUntil time.Time
}

// Installed returns the options of a gateway that serves a whole host, as packages and
// the installer set it up: commands run as a user of their own, and root looks after
// it over a Unix socket.
func Installed() StarterOptions {
	return StarterOptions{
		Listen:       append(Default().Listen, "unix:/run/sidegate/sidegate.sock"),
		AdminListen:  Default().AdminListen,
		StateDir:     Default().StateDir,
		OperatorUIDs: []uint32{0},
		User:         "sidegate-run",
	}
}

//go:embed starter.yaml.tmpl
var starterText string

// starterTemplate writes every value as JSON, which is YAML that no value can break
// out of.
var starterTemplate = template.Must(template.New("starter").Funcs(template.FuncMap{
	"value":    starterValue,
	"profiles": starterProfiles,
}).Parse(starterText))

// Starter returns a short, commented configuration: one client, loopback addresses,
// and what operators change first. [Parse] accepts it once the secret's file exists,
// if the options are valid; it is Parse that checks them.
func Starter(o StarterOptions) []byte {
	setDefault(&o.StateDir, "state")
	setDefault(&o.PoliciesDir, "policies")
	setDefault(&o.SecretFile, "func.secret")
	setDefault(&o.ClientName, "func")
	setDefault(&o.Profile, Default().Executor.Profile)
	setDefaults(&o.Listen, Default().Listen)
	setDefaults(&o.Roles, []string{"readonly"})
	setDefaults(&o.CallbackAllow, Default().Callbacks.Allow)
	var b bytes.Buffer
	if err := starterTemplate.Execute(&b, o); err != nil {
		// Only an error in the embedded template gets here, and the tests run it.
		panic("config: starter template: " + err.Error())
	}
	return b.Bytes()
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

func setDefaults(s *[]string, value []string) {
	if len(*s) == 0 {
		*s = value
	}
}

// starterProfiles returns the usual ceiling, with the default profile in it.
func starterProfiles(profile string) []string {
	profiles := Default().Executor.Allow.Profiles
	if !slices.Contains(profiles, profile) {
		profiles = append([]string{profile}, profiles...)
	}
	return profiles
}

// starterValue writes v as JSON on one line, with a space after each comma of a
// list as people write YAML.
func starterValue(v any) (string, error) {
	if moment, ok := v.(time.Time); ok {
		v = moment.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	if list, ok := v.([]uint32); ok {
		return strings.ReplaceAll(fmt.Sprint(list), " ", ", "), nil // [0 1000] is [0, 1000]
	}
	if list, ok := v.([]string); ok {
		items := make([]string, len(list))
		for i, item := range list {
			s, err := starterValue(item)
			if err != nil {
				return "", err
			}
			items[i] = s
		}
		return "[" + strings.Join(items, ", ") + "]", nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return strings.TrimSpace(b.String()), err
}
