package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

// authenticateMain is an authentication service at $AUTH: it accepts the bearer token "good", refuses every other one, and
// prints the path of each question.
func authenticateMain() {
	l, err := net.Listen("tcp", os.Getenv("AUTH"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "authenticate:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusUnauthorized
		if r.Header.Get("Authorization") == "Bearer good" {
			status = http.StatusOK
		}
		fmt.Println(r.URL.Path, status)
		w.WriteHeader(status)
	})))
	os.Exit(1)
}
