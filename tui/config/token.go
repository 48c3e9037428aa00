package config

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/cli"
)

// Bounds of what a token command prints, in bytes.
const (
	maxToken  = 64 << 10
	maxStderr = 2000
)

// early is how long before it expires a token is replaced.
const early = 10 * time.Second

// tokens runs a token command and holds what it printed. Its methods may be called by several goroutines.
type tokens struct {
	command []string
	timeout time.Duration
	now     func() time.Time

	mu      sync.Mutex
	token   string
	expires time.Time // zero: not known
	running *run      // the run under way, which all wait for
}

type run struct {
	done  chan struct{}
	token string
	err   error
}

// get returns a token that is valid and is not old, which the server has refused.
func (t *tokens) get(ctx context.Context, old string) (string, error) {
	t.mu.Lock()
	if t.token != "" && t.token != old && (t.expires.IsZero() || t.now().Before(t.expires.Add(-early))) {
		defer t.mu.Unlock()
		return t.token, nil
	}
	r := t.running
	if r == nil {
		r = &run{done: make(chan struct{})}
		t.running = r
		go t.renew(r) // ends after the timeout at the latest; a search that is given up does not end it, as the next one needs it
	}
	t.mu.Unlock()
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (t *tokens) renew(r *run) {
	token, expires, err := t.run()
	if err != nil {
		err = fmt.Errorf("cannot get a token from the command %s: %w", filepath.Base(t.command[0]), err)
	}
	t.mu.Lock()
	t.token, t.expires, t.running = token, expires, nil
	t.mu.Unlock()
	r.token, r.err = token, err
	close(r.done)
}

func (t *tokens) run() (string, time.Time, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, home(t.command[0]), t.command[1:]...)
	stdout, stderr := &bounded{max: maxToken}, &bounded{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // for what it has started and left behind
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", time.Time{}, fmt.Errorf("it did not end within %v", t.timeout)
	case err != nil:
		if said := lastLine(string(stderr.data)); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return "", time.Time{}, err
	case stdout.over:
		return "", time.Time{}, errors.New("it prints too much")
	}
	return readToken(stdout.data, t.now())
}

// A printed is a token with its expiry as login services, logapi and Kubernetes' plugins write them.
type printed struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	Expires     any    `json:"expires"`    // RFC 3339, or seconds since 1970
	Exp         any    `json:"exp"`        // the same
	ExpiresIn   any    `json:"expires_in"` // seconds from now
	Status      struct {
		Token   string `json:"token"`
		Expires any    `json:"expirationTimestamp"`
	} `json:"status"`
}

// readToken reads what a token command printed. Errors do not show it.
func readToken(out []byte, now time.Time) (token string, expires time.Time, err error) {
	token = string(bytes.TrimSpace(out))
	if strings.HasPrefix(token, "{") {
		var p printed
		if json.Unmarshal(out, &p) != nil {
			return "", time.Time{}, errors.New(`it prints what is neither JSON as {"token": …, "expires": …} nor a token alone`)
		}
		token = strings.TrimSpace(cmp.Or(p.Token, p.AccessToken, p.Status.Token))
		for _, at := range []any{p.Expires, p.Exp, p.Status.Expires} {
			if expires.IsZero() {
				expires = instant(at)
			}
		}
		if seconds, ok := p.ExpiresIn.(float64); ok && expires.IsZero() && seconds > 0 {
			expires = now.Add(time.Duration(min(seconds, 1e9) * float64(time.Second)))
		}
	}
	switch {
	case token == "":
		return "", time.Time{}, errors.New("it prints no token")
	case strings.ContainsFunc(token, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f }):
		return "", time.Time{}, errors.New("it prints more than a token: want one word, or JSON")
	}
	if expires.IsZero() {
		expires = expiryOf(token)
	}
	return token, expires, nil
}

// instant reads a time as text, or as seconds since 1970; zero if it is neither.
func instant(v any) time.Time {
	switch v := v.(type) {
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err == nil {
			return t
		}
	case float64:
		if v > 0 && v < math.MaxInt32*100 {
			return time.Unix(int64(v), 0)
		}
	}
	return time.Time{}
}

// expiryOf looks into a JWT; zero if it is none, or says nothing.
func expiryOf(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp any `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return time.Time{}
	}
	return instant(claims.Exp)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return cli.Printable(strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:]))
}

// bounded keeps the first max bytes that are written to it.
type bounded struct {
	data []byte
	max  int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.max-len(b.data))
	b.over = b.over || keep < len(p)
	b.data = append(b.data, p[:keep]...)
	return len(p), nil
}

// A bearer sends requests with a token, and once more with a new one if the server refuses it.
type bearer struct {
	tokens *tokens
	next   http.RoundTripper
}

// RoundTrip sends a request.
func (b *bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := b.tokens.get(req.Context(), "")
	if err != nil {
		return nil, err
	}
	resp, err := b.send(req, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || req.Body != nil && req.GetBody == nil {
		return resp, err
	}
	renewed, err := b.tokens.get(req.Context(), token)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	if renewed == token { // the same again, which is refused
		return resp, nil
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // keeps the connection
	resp.Body.Close()
	if req.GetBody != nil {
		if req.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	return b.send(req, renewed)
}

func (b *bearer) send(req *http.Request, token string) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(req)
}
