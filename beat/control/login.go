package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/token"
)

// tokens are those that a user and a password have been given. They are of the goroutine that sends heartbeats.
type tokens struct {
	root, access string
	renew        time.Time // when half of the access token's life is over
}

// split takes the url of a region's system API apart: what is before the region, and the region.
func split(url string) (api, region string, ok bool) {
	api, ok = strings.CutSuffix(strings.TrimSuffix(url, "/"), "/system/log")
	at := strings.LastIndexByte(api, '/')
	if !ok || at < 0 || at+1 == len(api) || strings.HasSuffix(api[:at], "/") {
		return "", "", false
	}
	return api[:at], api[at+1:], true
}

// token returns the token to send now; "" is none. Its errors quote nothing of it.
func (c *Control) token(ctx context.Context) (string, error) {
	if c.opts.User == "" {
		return c.opts.secret()
	}
	if c.tokens.access != "" && time.Now().Before(c.tokens.renew) {
		return c.tokens.access, nil
	}
	c.tokens.access = ""
	api, region, _ := split(c.opts.URL)
	wanted, err := json.Marshal([]token.Access{{Method: []string{http.MethodPost}, URL: []string{"{mscp_api_url}/" + region + "/system/log/heartbeat"}}})
	if err != nil {
		return "", err
	}
	for range 2 {
		fresh := c.tokens.root == ""
		if fresh {
			root, status, err := c.login(ctx, http.MethodGet, api+"/auth/token_root", "", func(r *http.Request) { r.SetBasicAuth(c.opts.User, c.opts.Password) })
			switch {
			case status == http.StatusUnauthorized:
				return "", errors.New("cannot log in: the user or the password is wrong")
			case err != nil:
				return "", fmt.Errorf("cannot log in: %w", err)
			}
			c.tokens.root = root
		}
		access, status, err := c.login(ctx, http.MethodPost, api+"/auth", string(wanted), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.tokens.root) })
		switch {
		case status == http.StatusUnauthorized && !fresh:
			c.tokens.root = "" // it is too old
			continue
		case status == http.StatusUnauthorized:
			c.tokens.root = ""
			return "", fmt.Errorf("cannot get a token: user %q is not granted POST {mscp_api_url}/%s/system/log/heartbeat", c.opts.User, region)
		case err != nil:
			return "", fmt.Errorf("cannot get a token: %w", err)
		}
		c.tokens.access, c.tokens.renew = access, time.Now().Add(life(access)/2)
		break
	}
	return c.tokens.access, nil
}

// login asks for a token. The status is 0 without an answer.
func (c *Control) login(ctx context.Context, method, url, body string, as func(*http.Request)) (token string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	as(req)
	text, status, err := c.do(req)
	if err != nil {
		return "", status, err
	}
	if status != http.StatusOK {
		return "", status, fmt.Errorf("it answers %d", status)
	}
	var answer struct {
		Token string `json:"token"`
	}
	if json.Unmarshal(text, &answer) != nil || answer.Token == "" || !sendable(answer.Token) {
		return "", status, errors.New("the answer has no token")
	}
	return answer.Token, status, nil
}

// do sends a request of ours and reads the answer, as far as an answer of logapi goes.
func (c *Control) do(req *http.Request) (body []byte, status int, err error) {
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "podbeat/"+c.info.Version)
	resp, err := c.client.Do(req)
	if err != nil {
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err // the rest repeats the URL
		}
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, heartbeat.MaxBody+1))
	if err != nil {
		return nil, resp.StatusCode, fmt.Errorf("cannot read its answer: %w", err)
	}
	return body, resp.StatusCode, nil
}

// life is how long a token holds from when it was issued, as it says itself; whoever has issued it is asked anew in any case.
func life(token string) time.Duration {
	var claims struct{ Iat, Exp int64 }
	parts := strings.Split(token, ".")
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(text, &claims) // of what cannot be read nothing is known
		}
	}
	const shortest, longest = 20 * time.Second, 24 * time.Hour
	if seconds := claims.Exp - claims.Iat; claims.Iat > 0 && seconds > 0 && seconds < int64(longest/time.Second) {
		return max(shortest, time.Duration(seconds)*time.Second)
	}
	return 10 * time.Minute
}
