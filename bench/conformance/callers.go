package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidegate/sidegate/bench/process"
)

var callerProbes = []probe{
	{"path-prefix", "may read below one directory, and names a file in another whose name begins with the first one's: straight, with .., and through a link", "nothing of the file is in any reply", pathPrefix},
	{"slow-loris", "opens 100 connections on which a byte comes every half second: on one half of a header, on the other of a body", "others are served meanwhile, and the connections are closed in the end", slowLoris},
	{"huge-body", "sends a signed body of 64 MiB", "it is refused, the server's memory grows by less than 20 MiB, and nothing runs", hugeBody},
}

func pathPrefix(ctx context.Context, a *attempt) (finding, error) {
	if a.files == nil {
		return seen(notApplicable, "it looks at no paths: what its operator lists is what callers may run")
	}
	const secret = "nobody may read this"
	root, evil := a.files.root, a.files.root+"-evil"
	err := errors.Join(os.MkdirAll(root, 0o755), os.MkdirAll(evil, 0o755),
		os.WriteFile(root+"/open", []byte("everybody may read this\n"), 0o644), os.WriteFile(evil+"/file", []byte(secret+"\n"), 0o644), os.Symlink(evil+"/file", root+"/link"))
	if err != nil {
		return finding{}, err
	}
	read := func(path string) (string, error) {
		c, err := a.files.read(path)
		if err != nil {
			return "", err
		}
		r, err := a.send(ctx, c)
		return string(r.body), err
	}
	if text, err := read(root + "/open"); err != nil || !strings.Contains(text, "everybody may read this") {
		return seen(notTried, "what may be read cannot be: %.200q, %v", text, err)
	}
	for _, path := range []string{evil + "/file", root + "/../" + root[strings.LastIndexByte(root, '/')+1:] + "-evil/file", root + "/./../" + root[strings.LastIndexByte(root, '/')+1:] + "-evil/file", root + "/link"} {
		text, err := read(path)
		if err != nil {
			return finding{}, err
		}
		if strings.Contains(text, secret) {
			return seen(wrong, "%s was read", strings.ReplaceAll(path, root, "ROOT"))
		}
	}
	return seen(right, "what is below the directory was read, and the other file in none of 4 ways")
}

func slowLoris(ctx context.Context, a *attempt) (finding, error) {
	const connections, limit = 100, 25 * time.Second
	open := make([]net.Conn, connections)
	for i := range open {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(a.url, "http://"))
		if err != nil {
			return finding{}, err
		}
		defer c.Close()
		open[i] = c
	}
	first, err := a.call(order{act: "nothing"})
	if err != nil {
		return finding{}, err
	}
	start := time.Now()
	var all errgroup.Group
	for i, c := range open {
		all.Go(func() error { // nil when the server has answered or closed the connection
			begin := []byte(first.method + " " + first.target + " HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
			if i%2 == 1 {
				begin = raw(first.method, first.target, first.header, make([]byte, 1000))
				begin = begin[:len(begin)-1000]
			}
			if _, err := c.Write(begin); err != nil {
				return nil
			}
			for time.Since(start) < limit {
				_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
				if _, err := c.Read(make([]byte, 512)); !errors.Is(err, os.ErrDeadlineExceeded) {
					return nil
				}
				if _, err := c.Write([]byte("x")); err != nil {
					return nil
				}
			}
			return errors.New("it is still open")
		})
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, r, callErr := a.do(limited, order{act: "nothing"})
	served := time.Since(start)
	stillOpen := all.Wait()
	if callErr != nil || !got.ran {
		return seen(wrong, "another call was not served: %v, %v", r, callErr)
	}
	if stillOpen != nil {
		return seen(wrong, "another call was answered after %v; the connections are still open after %v", soon(served), limit)
	}
	return seen(right, "another call was answered after %v; all connections were closed after %v", soon(served), soon(time.Since(start)))
}

func hugeBody(ctx context.Context, a *attempt) (finding, error) {
	const allowed = 20 << 20
	o := a.marking()
	o.b = string(bytes.Repeat([]byte("x"), 64<<20))
	c, err := a.call(o)
	if err != nil {
		return finding{}, err
	}
	var before, after process.Memory
	if a.pid != nil {
		if before, err = process.ReadMemory(a.pid()); err == nil {
			err = process.ResetPeak(a.pid())
		}
		if err != nil {
			return finding{}, err
		}
	}
	r, sendErr := a.send(ctx, c) // an error is a refusal too: the server has hung up
	if a.pid != nil {
		if after, err = process.ReadMemory(a.pid()); err != nil {
			return finding{}, err
		}
	}
	n, err := a.ran(ctx)
	if err != nil {
		return finding{}, err
	}
	answer := "it hung up"
	if sendErr == nil {
		answer = "answered " + r.String()
	}
	if len(answer) > 60 {
		answer = answer[:60] + "…"
	}
	grown := after.Peak - before.Resident
	return rightIf(n == 0 && (sendErr != nil || r.status >= 400) && grown < allowed, "%s; the server's memory grew by %.0f MiB, the command ran %s", answer, float64(max(grown, 0))/(1<<20), times(n))
}
