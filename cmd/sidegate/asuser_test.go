package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// asUserMain is `sidegate` called by another user: `as-user 64001 jobs list`. It needs root.
func asUserMain() {
	uid, err := strconv.Atoi(os.Args[1])
	if err == nil {
		err = syscall.Setgroups(nil)
	}
	if err == nil {
		err = syscall.Setresgid(uid, uid, uid)
	}
	if err == nil {
		err = syscall.Setresuid(uid, uid, uid)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "as-user:", err)
		os.Exit(99)
	}
	os.Args = append([]string{"sidegate"}, os.Args[2:]...)
	main()
}
