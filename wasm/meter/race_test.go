//go:build race

package meter_test

// raceDetector: under it memory cannot be measured, since it keeps shadows, and wazero's
// compiler takes ten times as long, so that some tests do with less.
const raceDetector = true
