package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sidegate/sidegate/internal/auth"
)

// misbehaving is a call as the connector makes it, with everything about it open to change.
type misbehaving struct {
	method, path, query  string
	secret               string
	nonce, signature     string
	timestamp            string
	shift                time.Duration
	contentType          string
	unsigned, leaveEarly bool
	copies               int
	length               int64
	await                bool
	get                  string
	until                string
}

// callMain sends one signed call to $ADDR and prints the status of the answer and its body. The body is the argument.
func callMain() {
	var c misbehaving
	flag.StringVar(&c.method, "method", "POST", "")
	flag.StringVar(&c.path, "path", "/shell", "")
	flag.StringVar(&c.query, "query", "", "sent and not signed")
	flag.StringVar(&c.secret, "secret", "gate/func.secret", "file")
	flag.StringVar(&c.nonce, "nonce", auth.NewNonce(), "")
	flag.StringVar(&c.signature, "signature", "", "in place of the right one")
	flag.StringVar(&c.timestamp, "timestamp", "", "in place of now")
	flag.DurationVar(&c.shift, "shift", 0, "added to now")
	flag.StringVar(&c.contentType, "type", "application/json", "")
	flag.BoolVar(&c.unsigned, "unsigned", false, "")
	flag.BoolVar(&c.leaveEarly, "leave", false, "close the connection once the call is sent")
	flag.Int64Var(&c.length, "length", -1, "in place of the body's length")
	flag.IntVar(&c.copies, "copies", 1, "send the same call so often at once, and print the sorted statuses")
	flag.StringVar(&c.get, "get", "", "get a URL, and print status and body")
	flag.StringVar(&c.until, "until", "", "repeat the call until the answer, or the URL's, matches this expression; with ! before it, until it does not")
	flag.BoolVar(&c.await, "await", false, "wait until GET / answers, and end")
	flag.Parse()
	run := c.run
	if c.until != "" {
		run = c.repeat
	}
	if err := run(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(1)
	}
}

func (c *misbehaving) run(body string) error {
	switch {
	case c.await:
		return awaitGateway()
	case c.get != "":
		return get(c.get)
	}
	message, err := c.message([]byte(body))
	if err != nil {
		return err
	}
	if c.leaveEarly {
		return leave(message)
	}
	if c.copies == 1 {
		status, body, err := exchange(message)
		fmt.Printf("%d\n%s\n", status, body)
		return err
	}
	return c.together(message)
}

// message is the call as bytes on the wire, so that nothing about it is made right by a client library.
func (c *misbehaving) message(body []byte) ([]byte, error) {
	secret, err := os.ReadFile(c.secret)
	if err != nil {
		return nil, err
	}
	if c.timestamp == "" {
		c.timestamp = strconv.FormatInt(time.Now().Add(c.shift).Unix(), 10)
	}
	if c.signature == "" {
		c.signature = auth.SignFunc(bytes.TrimSuffix(secret, []byte("\n")), c.method, c.path, c.nonce, c.timestamp, body)
	}
	var m bytes.Buffer
	fmt.Fprintf(&m, "%s %s%s HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n", c.method, c.path, c.query)
	if !c.unsigned {
		fmt.Fprintf(&m, "X-Auth-Nonce: %s\r\nX-Auth-Timestamp: %s\r\nX-Auth-Signature: %s\r\n", c.nonce, c.timestamp, c.signature)
	}
	if c.contentType != "" {
		fmt.Fprintf(&m, "Content-Type: %s\r\n", c.contentType)
	}
	if c.length < 0 {
		c.length = int64(len(body))
	}
	fmt.Fprintf(&m, "Content-Length: %d\r\n\r\n", c.length)
	m.Write(body)
	return m.Bytes(), nil
}

func exchange(message []byte) (int, string, error) {
	conn, err := net.Dial("tcp", os.Getenv("ADDR"))
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if _, err := conn.Write(message); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	for _, name := range []string{"Retry-After", "Allow"} {
		if value := resp.Header.Get(name); value != "" {
			body = append(body, "\n"+name+": "+value...)
		}
	}
	return resp.StatusCode, string(body), err
}

// leave sends the call and hangs up once the gateway has read it.
func leave(message []byte) error {
	conn, err := net.Dial("tcp", os.Getenv("ADDR"))
	if err != nil {
		return err
	}
	if _, err := conn.Write(message); err != nil {
		return err
	}
	return conn.Close()
}

// together sends the same call several times at once.
func (c *misbehaving) together(message []byte) error {
	var wg sync.WaitGroup
	statuses := make([]string, c.copies)
	errs := make([]error, c.copies)
	for i := range c.copies {
		wg.Go(func() {
			var status int
			status, _, errs[i] = exchange(message)
			statuses[i] = strconv.Itoa(status)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	counts := map[string]int{}
	for _, s := range statuses {
		counts[s]++
	}
	for s, n := range counts {
		fmt.Printf("%s: %d\n", s, n)
	}
	return nil
}

func get(url string) error {
	status, body, err := fetch(url)
	if err == nil {
		fmt.Printf("%d\n%s\n", status, body)
	}
	return err
}

func fetch(url string) (int, string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// patience is how long a script waits for what has to happen.
const patience = 3 * time.Minute

// repeat makes a call again and again, signed anew, until its answer is as wanted, and prints that one.
func (c *misbehaving) repeat(body string) error {
	pattern, unwanted := strings.CutPrefix(c.until, "!")
	wanted, err := regexp.Compile("(?m)" + pattern)
	if err != nil {
		return err
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		answer, err := c.once(body)
		switch {
		case err != nil:
			return err
		case wanted.MatchString(answer) != unwanted:
			fmt.Print(answer)
			return nil
		case time.Now().After(end):
			return fmt.Errorf("after %v the answer is still: %s", patience, answer)
		}
	}
}

func (c *misbehaving) once(body string) (string, error) {
	ask := func() (int, string, error) { return fetch(c.get) }
	if c.get == "" {
		c.nonce, c.timestamp, c.signature = auth.NewNonce(), "", ""
		message, err := c.message([]byte(body))
		if err != nil {
			return "", err
		}
		ask = func() (int, string, error) { return exchange(message) }
	}
	status, text, err := ask()
	return fmt.Sprintf("%d\n%s\n", status, text), err
}

// awaitGateway waits until the gateway at $ADDR welcomes.
func awaitGateway() error {
	deadline := time.Now().Add(patience)
	for {
		resp, err := http.Get("http://" + os.Getenv("ADDR") + "/")
		if err == nil {
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !strings.HasPrefix(string(text), "Welcome to ") {
				return fmt.Errorf("GET / answered %s: %s", resp.Status, text)
			}
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// receiveMain listens at $RECEIVER, appends the body of each callback to a file, with its delivery ID behind it and its
// Authorization header if it has one, and answers 500 to as many as it is told to. It ends after the number of callbacks
// it is told to accept.
func receiveMain() {
	file := flag.String("file", "callbacks", "")
	fail := flag.Int("fail", 0, "")
	accept := flag.Int("accept", 1, "")
	flag.Parse()
	l, err := net.Listen("tcp", os.Getenv("RECEIVER"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "receive:", err)
		os.Exit(1)
	}
	done := make(chan struct{})
	var mu sync.Mutex
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if *fail > 0 {
			*fail--
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		f, err := os.OpenFile(*file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(f, "%s delivery=%s", body, r.Header.Get("X-Sidegate-Delivery"))
		if value := r.Header.Get("Authorization"); value != "" {
			fmt.Fprintf(f, " authorization=%s", value)
		}
		fmt.Fprintln(f)
		f.Close()
		if *accept--; *accept == 0 {
			close(done)
		}
	}))
	select {
	case <-done:
		time.Sleep(50 * time.Millisecond) // let the last answer reach the gateway
	case <-time.After(patience):
		fmt.Fprintln(os.Stderr, "receive: not all callbacks came")
		os.Exit(1)
	}
}
