module github.com/sidegate/sidegate

go 1.26.0

require (
	github.com/agnivade/levenshtein v1.2.1
	github.com/dustin/go-humanize v1.1.0
	go.yaml.in/yaml/v3 v3.0.5
)
