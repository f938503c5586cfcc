module github.com/sidegate/sidegate

go 1.26.0
