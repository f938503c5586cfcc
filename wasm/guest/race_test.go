//go:build race

package guest

func init() { underRace = true }
