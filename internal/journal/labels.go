package journal

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

const (
	maxLabels     = 64
	maxLabelName  = 128
	maxLabelValue = 1024
)

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%w: %d labels, and at most %d are allowed", ErrInvalid, len(labels), maxLabels)
	}
	for name, value := range labels {
		if name == "" || len(name) > maxLabelName || len(value) > maxLabelValue || !utf8.ValidString(name) || !utf8.ValidString(value) {
			return fmt.Errorf("%w: a label has a name of 1 to %d bytes and a value of at most %d, in UTF-8", ErrInvalid, maxLabelName, maxLabelValue)
		}
	}
	return nil
}

// sizeOf is how many bytes labels have.
func sizeOf(labels map[string]string) (n int) {
	for name, value := range labels {
		n += len(name) + len(value)
	}
	return n
}

// parseLabels reads labels as a JSON object. None are nil.
func parseLabels(text string) (labels map[string]string, err error) {
	if text == "{}" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &labels); err != nil {
		return nil, fmt.Errorf("%w: the labels of a job cannot be read", ErrCorrupt)
	}
	return labels, nil
}
