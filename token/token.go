// Package token issues and verifies the tokens of podbeat's APIs and says what they permit.
//
// A token is a JWT signed with HS256 by a key of a file (see Keys). It says who its bearer is, until
// when it holds, and which methods and URLs it opens:
//
//	{"iat": 1516792419, "exp": 1548334419, "user_id": "12203", "email": "user@example.com",
//	 "role": ["tenant"], "access": [{"method": ["POST"], "url": ["{mscp_api_url}/apps/{appid:UUID}/log"]}]}
//
// A service takes the token from a request (FromRequest), verifies it (Keys.Verify: 401 if that fails) and
// asks it about the method and the URL (Claims.Allows: 403 if it says no). Whatever is not exactly as
// it must be is refused: there is one issuer, so nothing has to be understood generously. The issuer reads
// what is wanted (ParseAccess), cuts what it has granted down to that (Narrow), and signs it (Keys.Sign).
//
// No error and no printed value of this package holds a key or a token.
package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Refusal is what a client is told of a token that is refused, whatever the reason. The reason is for the log.
const Refusal = "authorization failed"

// The reasons for which a token is refused. The errors of FromRequest and Verify wrap one of them.
var (
	ErrMissing   = errors.New("no token")
	ErrMalformed = errors.New("malformed token")
	ErrSignature = errors.New("token not signed by a key that holds")
	ErrExpired   = errors.New("expired token")
	ErrEarly     = errors.New("token that does not hold yet")
	ErrClaims    = errors.New("token with claims that are not accepted")
)

// ErrSize is what Sign's error wraps where the token would be larger than Verify takes.
var ErrSize = errors.New("token too large")

// Bounds of a token. A pair is a method and a URL of one access entry; names are roles, or those in an audience.
const (
	maxToken   = 8 << 10
	maxHeader  = 512
	maxDepth   = 16
	maxPairs   = 256
	maxNames   = 64
	signature  = 43              // characters of 32 bytes in base64url
	latestTime = 253_402_300_799 // the last second of the year 9999
)

// Claims are what a token says. Times are whole seconds.
type Claims struct {
	IssuedAt  time.Time // zero: not given
	Expires   time.Time // always given
	NotBefore time.Time // zero: not given

	UserID string
	Email  string
	Role   []string

	// Access lists what the token opens. A root token has none: it opens nothing itself.
	Access []Access

	Issuer, Subject, ID string
	Audience            []string
}

// An Access opens every URL of its list to every method of its list. An empty list opens nothing.
//
// A method is in upper case, or * for any. A URL is
//
//	/apps/42/log                  the whole path of a request
//	{mscp_api_url}/apps/42/log    a path below the API's base; [mscp_api_url] is the same
//	https://host/api/apps/42/log  one below the API's public URL
//
// and each segment of it is the segment itself, percent-encoded where a URL must be; * or {name} for
// any one segment; {name:UUID} for a UUID; or, at the end, ** for one or more segments.
type Access struct {
	Method []string        `json:"method"`
	URL    []string        `json:"url"`
	Other  json.RawMessage `json:"other,omitempty"` // an object, kept as it is
}

// Check says which method or URL of a is written so that it opens nothing.
func (a Access) Check() error {
	for _, m := range a.Method {
		if !isMethod(m) {
			return fmt.Errorf("cannot use method %q: want upper-case letters, or * for any", clip(m))
		}
	}
	for _, u := range a.URL {
		if _, err := parsePattern(u); err != nil {
			return fmt.Errorf("cannot use URL %q: %w", clip(u), err)
		}
	}
	if other := a.Other; other != nil {
		if _, err := members(other); err != nil {
			return fmt.Errorf("cannot use other: %w", err)
		}
	}
	return nil
}

// Rules are what is asked of tokens besides a signature.
type Rules struct {
	MaxLife  time.Duration // longest time from issue (without one: from now) to expiry
	Leeway   time.Duration // how far the issuer's clock may be from ours
	Issuer   string        // if not empty: the issuer that a token must name
	Audience string        // if not empty: who must be in a token's audience
}

// DefaultRules let a token live for a year and clocks differ by half a minute.
func DefaultRules() Rules {
	return Rules{MaxLife: 366 * 24 * time.Hour, Leeway: 30 * time.Second}
}

// check says whether claims hold at now.
func (r Rules) check(c *Claims, now time.Time) error {
	start := c.IssuedAt
	if start.IsZero() {
		start = now
	}
	switch {
	case !now.Before(c.Expires.Add(r.Leeway)):
		return fmt.Errorf("%w: since %s", ErrExpired, stamp(c.Expires))
	case c.IssuedAt.After(now.Add(r.Leeway)):
		return fmt.Errorf("%w: issued in the future, at %s", ErrEarly, stamp(c.IssuedAt))
	case c.NotBefore.After(now.Add(r.Leeway)):
		return fmt.Errorf("%w: not before %s", ErrEarly, stamp(c.NotBefore))
	case !c.Expires.After(c.IssuedAt):
		return fmt.Errorf("%w: it expires before it is issued", ErrClaims)
	case c.Expires.Sub(start) > r.MaxLife:
		return fmt.Errorf("%w: it lives for %s, longer than %s", ErrClaims, c.Expires.Sub(start).Round(time.Second), r.MaxLife)
	case r.Issuer != "" && c.Issuer != r.Issuer:
		return fmt.Errorf("%w: issuer %q, want %q", ErrClaims, clip(c.Issuer), r.Issuer)
	case r.Audience != "" && !slices.Contains(c.Audience, r.Audience):
		return fmt.Errorf("%w: it is not for %q", ErrClaims, r.Audience)
	}
	return nil
}

// Verify returns the claims of a token that a key of k has signed and that holds at now.
func (k *Keys) Verify(raw string, now time.Time) (*Claims, error) {
	kid, err := checkForm(raw)
	if err != nil {
		return nil, err
	}
	payload, err := verifySignature(raw, k.verifying(kid, now))
	if err != nil {
		return nil, err
	}
	claims, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := k.Rules.check(claims, now); err != nil {
		return nil, err
	}
	return claims, nil
}

func verifySignature(raw string, keys []Key) ([]byte, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key has the token's kid", ErrSignature)
	}
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return nil, ErrMalformed // go-jose's error may quote the token
	}
	for _, key := range keys {
		if payload, err := jws.Verify(key.secret()); err == nil {
			return payload, nil
		}
	}
	return nil, ErrSignature
}

// Sign makes a token of claims with the newest key of k that signs. It issues them now if they do not say when,
// in the name and for the audience of k.Rules if they name none, and refuses what Verify would refuse
// and what would open nothing by a slip of the pen.
func (k *Keys) Sign(c Claims) (string, error) {
	if c.Expires.IsZero() {
		return "", errors.New("cannot sign token: it has no expiry")
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = k.clock()
	}
	if c.Issuer == "" {
		c.Issuer = k.Rules.Issuer
	}
	if len(c.Audience) == 0 && k.Rules.Audience != "" {
		c.Audience = []string{k.Rules.Audience}
	}
	pairs := 0
	for i, a := range c.Access {
		if err := a.Check(); err != nil {
			return "", fmt.Errorf("cannot sign token: access entry %d: %w", i, err)
		}
		pairs += len(a.Method) * len(a.URL)
	}
	if pairs > maxPairs || len(c.Access) > maxPairs {
		return "", fmt.Errorf("cannot sign token: %w: access has more than %d pairs of a method and a URL", ErrSize, maxPairs)
	}
	payload, err := c.encode()
	if err != nil {
		return "", fmt.Errorf("cannot sign token: %w", err)
	}
	parsed, err := parseClaims(payload)
	if err != nil {
		return "", fmt.Errorf("cannot sign token: %w", err)
	}
	if err := k.Rules.check(parsed, parsed.IssuedAt); err != nil {
		return "", fmt.Errorf("cannot sign token: %w", err)
	}
	key, err := k.signing(c.IssuedAt)
	if err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if key.ID != "" {
		options.WithHeader("kid", key.ID)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: key.secret()}, options)
	if err != nil {
		return "", fmt.Errorf("cannot sign token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("cannot sign token: %w", err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("cannot sign token: %w", err)
	}
	if len(raw) > maxToken {
		return "", fmt.Errorf("cannot sign token: %w: it has %d bytes, more than %d: give it fewer URLs", ErrSize, len(raw), maxToken)
	}
	return raw, nil
}

// FromRequest returns the token that r carries: in its Authorization header, after "Bearer " or alone, or in the
// parameter jwt of its URL. A request with both, or with either of them twice, is refused, as others
// on its way may have looked at the other one.
func FromRequest(r *http.Request) (string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", fmt.Errorf("%w: the query of the URL cannot be read", ErrMalformed) // a jwt may be in what was dropped
	}
	header, param := r.Header["Authorization"], query["jwt"]
	switch {
	case len(header)+len(param) == 0:
		return "", ErrMissing
	case len(header)+len(param) > 1:
		return "", fmt.Errorf("%w: more than one: %d in Authorization, %d in jwt", ErrMalformed, len(header), len(param))
	case len(param) == 1:
		return nonEmpty(param[0])
	}
	raw := header[0]
	if scheme, rest, ok := strings.Cut(raw, " "); ok {
		if !strings.EqualFold(scheme, "Bearer") {
			return "", fmt.Errorf("%w: the scheme in Authorization is not Bearer", ErrMalformed)
		}
		raw = rest
	}
	return nonEmpty(raw)
}

func nonEmpty(raw string) (string, error) {
	if raw == "" {
		return "", ErrMissing
	}
	return raw, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clip shortens what others wrote for an error.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
