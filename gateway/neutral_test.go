package gateway

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestIsNeutral(t *testing.T) {
	t.Parallel()
	pair := func(key, value string) map[string]string {
		return map[string]string{"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": value}
	}
	for _, c := range []struct {
		set  map[string]string
		want bool
	}{
		{map[string]string{"PAGER": "cat"}, true},
		{map[string]string{"PAGER": "sh -c id"}, false},
		{map[string]string{"GIT_SSH_COMMAND": "sh"}, false},
		{map[string]string{"GIT_ALLOW_PROTOCOL": "file:https:ssh"}, true},
		{map[string]string{"GIT_ALLOW_PROTOCOL": "ext:https:ssh"}, false},
		{map[string]string{"LD_PRELOAD": ""}, false},
		{map[string]string{"GIT_EXTERNAL_DIFF": ""}, false},
		{map[string]string{"GIT_CONFIG_COUNT": "1000000"}, false},
		{map[string]string{"GIT_CONFIG_COUNT": "-1"}, false},
		{map[string]string{"GIT_CONFIG_KEY_0": "core.hooksPath"}, false},
		{map[string]string{"GIT_CONFIG_VALUE_0": "/dev/null"}, false},
		{map[string]string{"GIT_CONFIG_PARAMETERS": "'core.pager=sh'"}, false},
		{pair("core.hooksPath", "/dev/null"), true},
		{pair("core.hooksPath", "/tmp"), false},
		{pair("core.fsmonitor", "sh -c id"), false},
		{pair("alias.status", "!sh"), false},
	} {
		got := true
		for key := range c.set {
			got = got && isNeutral(c.set, key)
		}
		if got != c.want {
			t.Errorf("%v: %v", c.set, got)
		}
	}
}

// TestShippedPoliciesNeedNoWord: what the shipped roles set, they may set under the configuration that is the default.
func TestShippedPoliciesNeedNoWord(t *testing.T) {
	t.Parallel()
	found := 0
	files, err := filepath.Glob("../policies/sidegate/roles/*/commands/data.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var commands map[string]struct {
			Env map[string]string `yaml:"env"`
		}
		if err := yaml.Unmarshal(text, &commands); err != nil {
			t.Fatal(err)
		}
		for name, spec := range commands {
			for key := range maps.Keys(spec.Env) {
				found++
				if !testBounds().permits(key) && !isNeutral(spec.Env, key) {
					t.Errorf("%s: %s sets %s=%s", file, name, key, spec.Env[key])
				}
			}
		}
	}
	if found == 0 {
		t.Error("no shipped command sets a variable")
	}
}
