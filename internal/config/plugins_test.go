package config

import "testing"

// TestPluginsRefuse: what is wrong with a plugin by itself is told with its line.
func TestPluginsRefuse(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "a.wasm", "module", 0o644)
	write(t, dir, "open.wasm", "module", 0o666)
	write(t, dir, "token", "t", 0o600)
	const a = "plugins: [{name: a, path: a.wasm}]\n"
	for text, want := range map[string]string{
		"plugins: [{name: a, path: open.wasm}]\n":                                       "f:1: plugins[0].path: the file cannot be used: everybody may write to it; run chmod o-w on the file; a relative name starts at the configuration's directory",
		a + "chains: [{name: c, phase: tcp, plugins: [a]}]\n":                           `f:2: chains[0].phase: must be one of request, response, callback, not "tcp"`,
		a + "plugin_configs: [{plugin: a, selector: {matchlabels: {}}}]\n":              "f:2: plugin_configs[0].selector.matchlabels: unknown key; did you mean matchLabels?",
		a + "plugin_configs: [{plugin: a, config: [1], secret_files: {t: token}}]\n":    "f:2: plugin_configs[0].secret_files: needs a config that is a mapping, to put the secrets in",
		a + "plugin_configs: [{plugin: a, config: {t: 1}, secret_files: {t: token}}]\n": "f:2: plugin_configs[0].secret_files.t: config has a member of this name already",
		a + "plugin_configs: [{plugin: a, config: {t: 0x10}}]\n":                        `f:2: plugin_configs[0].config.t: "0x10" is a number in YAML and none in JSON; put it in quotes, or write it in plain decimal digits`,
		a + "plugin_configs: [{plugin: a, config: {t: yes}}]\n":                         "f:2: plugin_configs[0].config.t: must be in quotes; readers of YAML differ on whether it is text",
	} {
		_, err := Parse("f", dir, []byte(text+oneClient))
		checkError(t, err, want)
	}
}

// TestPluginConfigIsJSON: what a plugin reads means what the file says.
func TestPluginConfigIsJSON(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "a.wasm", "module", 0o644)
	for yaml, want := range map[string]string{
		`{}`:                                 `{}`,
		`[1, -2.50, 1e9, true, false, ~]`:    `[1,-2.50,1e9,true,false,null]`,
		`"a\tb"`:                             `"a\tb"`,
		`{b: "1", a: {"ü\"": <x>}, c: [{}]}`: `{"b":"1","a":{"ü\"":"<x>"},"c":[{}]}`,
		`12345678901234567890123`:            `12345678901234567890123`,
	} {
		c, err := Parse("f", dir, []byte("plugins: [{name: a, path: a.wasm}]\nplugin_configs: [{plugin: a, config: "+yaml+"}]\n"+oneClient))
		if err != nil {
			t.Errorf("%s: %v", yaml, err)
		} else if got := string(c.PluginConfigs[0].Config.Bytes()); got != want {
			t.Errorf("%s is %s, want %s", yaml, got, want)
		}
	}
}
