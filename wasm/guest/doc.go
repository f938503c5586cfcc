// Package guest runs one WebAssembly plugin: it loads and checks the module, configures it, and
// calls it with one message at a time, under limits that hold against a hostile module. What
// the module sees is the contract sidegate_v1 of wasm/ABI.md.
//
// A [Plugin] is one module, rewritten by wasm/meter and compiled, with a runtime of its own. A
// [Pool] is the plugin with one configuration: instances that have been initialized, and are set
// back to what they were after that when a call ends, so that no call sees anything of
// another. An [Exchange] carries one message in and its replacement out; reused, it
// lets a call run without allocating on the host.
//
// Order of use: [Load], [Plugin.Configure] once for each configuration, [Pool.Call] from any number
// of goroutines, [Plugin.Close] when no more calls will be made.
package guest
