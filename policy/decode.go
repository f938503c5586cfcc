package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// decode turns what data.sidegate.decision evaluated to into a Decision.
// Anything that is not exactly the shape of schemas/decision.json is an error,
// and then the Decision returned is the zero one, which denies. An answer that
// allows and gives reasons against it contradicts itself and is an error too.
//
// Errors name keys and what was expected, and never quote values.
func decode(answer any) (Decision, error) {
	d, err := readDecision(answer)
	if err != nil {
		return Decision{}, err
	}
	if d.Allow && len(d.Reasons) > 0 {
		return Decision{}, fmt.Errorf("the decision allows and gives %d reasons against it", len(d.Reasons))
	}
	if !d.Allow && len(d.Reasons) == 0 {
		d.Reasons = []string{"the policy does not allow it"}
	}
	return d, nil
}

// ParseObligations reads obligations that come from elsewhere than a policy, in
// the form in which a policy writes them. The error names the key.
func ParseObligations(fields map[string]any) (o Obligations, err error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return Obligations{}, err
	}
	var plain map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&plain); err != nil {
		return Obligations{}, err
	}
	o = readObligations(readObject(plain, "obligations", &err))
	if err != nil {
		return Obligations{}, err
	}
	return o, nil
}

func readDecision(answer any) (d Decision, err error) {
	o := readObject(answer, "decision", &err)
	d.Allow = o.bool("allow", required)
	d.Grants = o.strings("grants", required)
	d.Reasons = o.strings("reasons", required)
	d.Obligations = readObligations(o.object("obligations", required))
	o.end()
	return d, err
}

func readObligations(o *object) Obligations {
	defer o.end()
	return Obligations{
		Mode:         o.oneOf("mode", "direct", "shell"),
		Profile:      o.oneOf("profile", "host", "confined", "isolated"),
		BestEffort:   o.bool("best_effort", optional),
		Timeout:      o.duration("timeout"),
		MaxOutput:    o.size("max_output"),
		RunAs:        o.name("run_as"),
		Limits:       readLimits(o.object("limits", optional)),
		Filesystem:   readFilesystem(o.object("filesystem", optional)),
		Network:      o.oneOf("network", "none", "netlink", "full"),
		Env:          readEnv(o.object("env", optional)),
		OnDisconnect: o.oneOf("on_disconnect", "continue", "kill"),
	}
}

func readLimits(o *object) Limits {
	defer o.end()
	return Limits{
		Memory:     o.size("memory"),
		PIDs:       o.count("pids"),
		CPUSeconds: o.count("cpu_seconds"),
		OpenFiles:  o.count("open_files"),
		FileSize:   o.size("file_size"),
	}
}

func readFilesystem(o *object) *Filesystem {
	defer o.end()
	if o.absent() {
		return nil
	}
	return &Filesystem{Read: o.paths("read"), Write: o.paths("write"), ReadIfPresent: o.paths("read_if_present"), Execute: o.programs("execute")}
}

func readEnv(o *object) Env {
	defer o.end()
	env := Env{Set: o.stringMap("set"), Pass: o.strings("pass", optional)}
	for key, value := range env.Set {
		if !validEnvKey(key) {
			o.fail("set", "must have keys that are names of environment variables")
		}
		if !noNUL(value) {
			o.fail("set", "must have values without NUL")
		}
	}
	if slices.ContainsFunc(env.Pass, func(key string) bool { return !validEnvKey(key) }) {
		o.fail("pass", "must hold names of environment variables")
	}
	return env
}
